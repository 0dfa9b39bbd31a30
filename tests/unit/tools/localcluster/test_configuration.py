"""The files and command lines a local cluster is configured by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localcluster import cgroups, node
from localcluster.certificates import KeyPair, leaf_extensions
from localcluster.cli import status_text
from localcluster.dns import corefile
from localcluster.errors import LocalClusterError
from localcluster.fake_gpus import fake_gpu_patch
from localcluster.gpu_nodes import NODE_MODELS, gpu_labels, node_models
from localcluster.kubeconfig import write_kubeconfig
from localcluster.network import MAX_CLUSTERS, Network, inner_commands
from localcluster.node import Node

HYBRID = """\
/dev/vda / ext4 rw 0 0
tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""
UNIFIED = "overlay / overlay rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n/dev/sda /data ext4 rw 0 0\n"


def make_node(number: int = 0) -> Node:
    folder = Path("/cache/nodes/a")
    return Node(NODE_MODELS[number], number, Network(0), folder, "/localcluster-a/gpu")


def test_every_address_of_a_cluster_lies_in_its_own_networks() -> None:
    networks = [Network(index) for index in range(MAX_CLUSTERS)]

    cidrs = [cidr for network in networks for cidr in (network.pods, network.services)]

    assert len(set(cidrs)) == 2 * MAX_CLUSTERS


def test_node_addresses_and_pod_ranges_do_not_meet() -> None:
    network = Network(0)

    assert [network.node_address(0), *network.pod_range(0)] == ["10.88.0.11", "10.88.1.2", "10.88.1.254"]


def test_every_node_address_is_on_the_bridge_before_the_bridge_is_up() -> None:
    commands = [" ".join(words) for words in inner_commands(Network(0), 2)]

    up = commands.index("ip link set pods0 up")
    assert up > commands.index("ip address add 10.88.0.12/16 dev pods0")


def test_a_hybrid_machine_has_hierarchies_of_both_versions() -> None:
    assert [each.version for each in cgroups.hierarchies(HYBRID)] == [1, 1, 2]


def test_a_unified_machine_has_one_hierarchy_of_version_2() -> None:
    assert cgroups.hierarchies(UNIFIED) == (cgroups.Hierarchy(Path("/sys/fs/cgroup"), 2),)


def test_layers_are_copies_on_an_overlay_and_overlays_elsewhere() -> None:
    answers = [node.snapshotter(UNIFIED, Path(folder)) for folder in ("/cache", "/data/x")]

    assert answers == ["native", "overlayfs"]


def test_a_kubelet_uses_the_group_address_and_certificate_of_its_node() -> None:
    pair = KeyPair(Path("a.crt"), Path("a.key"))

    written = node.kubelet_configuration(make_node(), Path("ca.crt"), pair)

    assert (written["cgroupRoot"], written["address"], written["tlsCertFile"]) == (
        "/localcluster-a/gpu",
        "10.88.0.11",
        "a.crt",
    )


def test_pods_of_two_nodes_get_addresses_from_different_ranges() -> None:
    plugins = [node.cni_configuration(make_node(number))["plugins"][0] for number in (0, 1)]

    assert [plugin["ipam"]["ranges"][0][0]["rangeStart"] for plugin in plugins] == ["10.88.1.2", "10.88.2.2"]


def test_containerd_finds_pause_image_plugins_and_layers() -> None:
    text = node.containerd_configuration(make_node(), "native")

    registries = 'config_path = "/cache/nodes/a/registries"'
    wanted = [
        registries,
        'snapshotter = "native"',
        f'sandbox = "{node.PAUSE_IMAGE}"',
        'conf_dir = "/cache/nodes/a/cni"',
    ]
    assert [line for line in wanted if line not in text] == []


def test_labels_name_product_and_compute_capability() -> None:
    labels = [gpu_labels(model) for model in node_models(2)]

    names = ["gpu.product", "gpu.compute.major", "gpu.compute.minor", "gpu.family"]
    assert [[each[f"nvidia.com/{name}"] for name in names] for each in labels] == [
        ["NVIDIA-L4", "8", "9", "ada-lovelace"],
        ["NVIDIA-A10", "8", "6", "ampere"],
    ]


def test_only_one_node_builds_ahead_of_time() -> None:
    builders = [m.name for m in NODE_MODELS if "ignitionhub.io/ahead-of-time-builder" in gpu_labels(m)]

    assert builders == ["gpu-l4"]


@pytest.mark.parametrize("count", [0, 3])
def test_a_number_of_nodes_that_cannot_be_is_refused(count: int) -> None:
    with pytest.raises(LocalClusterError, match=f"nodes: {count} is not between 1 and 2"):
        node_models(count)


def test_fake_gpus_are_written_to_capacity_and_allocatable() -> None:
    paths = [step["path"] for step in json.loads(fake_gpu_patch())]

    assert paths == ["/status/capacity/nvidia.com~1gpu", "/status/allocatable/nvidia.com~1gpu"]


def test_names_from_outside_are_answered_in_a_block_of_their_own() -> None:
    cluster, outside = corefile("10.88.0.1", Path("/k")).split(".:53 {")

    assert ("kubernetes cluster.local" in cluster, "template" in cluster, "NXDOMAIN" in outside) == (
        True,
        False,
        True,
    )


def test_a_leaf_with_hosts_serves_and_one_without_is_a_client() -> None:
    server, client = leaf_extensions(["localhost", "10.0.0.1"]), leaf_extensions([])

    assert "subjectAltName=DNS:localhost,IP:10.0.0.1" in server
    assert "serverAuth" not in client


def test_a_kubeconfig_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    for name in ("ca", "crt", "key"):
        (tmp_path / name).write_text(name)
    pair = KeyPair(tmp_path / "crt", tmp_path / "key")

    path = write_kubeconfig(tmp_path / "k", "https://x", tmp_path / "ca", pair, user="me")

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_degraded_cluster_says_what_is_dead() -> None:
    found = {
        "name": "a",
        "state": "Degraded",
        "server": "https://x",
        "kubeconfig": "/k",
        "nodes": {"gpu-l4": False},
        "dead": ["gpu-l4-kubelet"],
    }

    assert status_text(found).splitlines()[-2:] == [
        "node        gpu-l4 NotReady",
        "dead        gpu-l4-kubelet",
    ]
