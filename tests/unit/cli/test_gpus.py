"""``kubectl ignition gpus``: what is believed of every node, and why; kubectl is a script."""

import json
import sys

import pytest

from commandline import run_command
from gpusituations import node_of, slices_of

KUBECTL = """#!{python}
import sys
if sys.argv[1:3] == ["get", "nodes"]:
    print(open("{folder}/nodes.json").read())
elif sys.argv[1:3] == ["get", "resourceslices.v1.resource.k8s.io"]:
    answer = open("{folder}/slices.json").read()
    sys.exit(answer) if answer.startswith("error") else print(answer)
else:
    sys.exit("error: you may not " + " ".join(sys.argv[1:]))
"""
WITHOUT_DRA = "error: the server doesn't have a resource type resourceslices"


def named(name, situation, index=0):
    node = node_of(situation, index)
    node["metadata"]["name"] = name
    return node


@pytest.fixture
def gpus(tmp_path, monkeypatch, capsys):
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL.format(python=sys.executable, folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    def run(*nodes, slices=WITHOUT_DRA, words=()):
        (tmp_path / "nodes.json").write_text(json.dumps({"items": nodes}))
        (tmp_path / "slices.json").write_text(
            slices if isinstance(slices, str) else json.dumps({"items": slices})
        )
        return run_command(monkeypatch, capsys, "gpus", *words)

    return run


def test_a_mixed_node_has_a_line_for_every_request(gpus):
    code, said = gpus(named("mixed", "mig-mixed-whole-and-cut"))

    rows = [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in said.splitlines()]
    assert code == 0
    assert rows[0] == ["NODE", "A POD WITH", "HAS", "MEMORY", "BECAUSE"]
    assert [row[:4] for row in rows[1:]] == [
        ["mixed", "nvidia.com/gpu", "NVIDIA-H100-80GB-HBM3 (sm_90)", "81559 MiB"],
        ["mixed", "nvidia.com/mig-1g.10gb", "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb (sm_90)", "9984 MiB"],
        ["mixed", "nvidia.com/mig-1g.10gb.me", "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb.me (sm_90)", "9984 MiB"],
        ["mixed", "nvidia.com/mig-3g.40gb", "NVIDIA-H100-80GB-HBM3-MIG-3g.40gb (sm_90)", "40320 MiB"],
    ]
    assert rows[1][4] == "the node's label nvidia.com/gpu.product"


def test_what_cannot_be_known_is_a_line_with_the_remedy(gpus):
    _, said = gpus(named("two", "two-products"), named("cloud", "cloud-k3s"), named("vm", "passthrough"))

    cloud, two, machine = said.splitlines()[1:]
    assert "unknown" in cloud
    assert "label the node with ignitionhub.io/gpu-arch" in cloud
    assert "several products" in two
    assert "one product to a node" in two
    assert machine.split()[:3] == ["vm", "no", "request"]


def test_the_label_of_a_cloud_is_named_as_what_tells(gpus):
    _, said = gpus(named("gke", "cloud-gke"), named("aks", "cloud-aks"))

    aks, gke = said.splitlines()[1:]
    assert "NVIDIA-H100-80GB-HBM3 (sm_90)" in gke
    assert "the node's label cloud.google.com/gke-accelerator" in gke
    assert "sm_80" in aks
    assert "does not tell of which product the GPU is" in aks


def test_devices_are_listed_for_claims(gpus):
    bare = {"metadata": {"name": "gpu-node", "labels": {"kubernetes.io/arch": "amd64"}}}
    code, said = gpus(bare, slices=slices_of("mig-mixed-whole-and-cut"), words=["-o", "json"])

    assert code == 0
    rows = json.loads(said)["gpus"]
    assert [(row["request"], row["product"]) for row in rows[:2]] == [
        ("a claim to gpu-0", "NVIDIA-H100-80GB-HBM3"),
        ("a claim to gpu-1-mig-1g10gb-19-0", "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"),
    ]
    assert rows[1]["memory_bytes"] == 9984 << 20
    assert rows[1]["because"] == "the pod's claimed device gpu-1-mig-1g10gb-19-0"


def test_nodes_without_a_gpu_have_no_line(gpus):
    assert len(gpus({"metadata": {"name": "cpu", "labels": {}}})[1].splitlines()) == 1


def test_slices_that_may_not_be_read_are_an_error_and_not_an_empty_list(gpus):
    code, said = gpus(slices="error: you may not list resourceslices")

    assert code != 0
    assert "you may not list resourceslices" in said
