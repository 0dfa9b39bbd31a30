"""
One node: a containerd and a kubelet in mounts of their own, on the cluster's network.

Inside its mounts a node looks like any machine (``/var/lib/kubelet``, ``/run/containerd``, ``/var/log``):
its own folders are bound over the host's, so that two nodes do not share a device plugin socket, and
nothing of the host's is touched.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcluster.certificates import Authority, KeyPair
from localcluster.gpu_nodes import NodeModel, gpu_labels
from localcluster.kubeconfig import write_kubeconfig
from localcluster.network import BRIDGE, Network
from localcluster.paths import binary

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "localhost/localcluster/pause:1"
CNI_PLUGINS = Path("/usr/lib/cni")
COVERED = ("/run", "/var/run", "/var/lib", "/var/log")
"""Folders of the host that a node does not see."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a cluster, by its number counted from 0."""

    model: NodeModel
    number: int
    network: Network
    folder: Path
    """Its data: ``var-lib`` and ``run`` and ``log`` appear inside as ``/var/lib`` and so on."""
    control_group: str

    @property
    def name(self) -> str:
        """As Kubernetes calls it."""
        return self.model.name

    @property
    def address(self) -> str:
        """Its InternalIP."""
        return self.network.node_address(self.number)

    @property
    def registries(self) -> Path:
        """What its containerd knows of registries (``hosts.toml``), read at each pull; empty at first."""
        return self.folder / "registries"

    def log(self, program: str) -> Path:
        """The log of ``containerd`` or ``kubelet``."""
        return self.folder / f"{program}.log"


def holder_command(node: Node) -> list[str]:
    """Bind the node's folders over the host's, then hold the namespace until killed."""
    binds = {"var-lib": "/var/lib", "log": "/var/log", "run": "/run/containerd"}
    script = ["set -e"]
    script += [f"mount --bind {shlex.quote(str(node.folder / name))} {over}" for name, over in binds.items()]
    script += [f"exec {shlex.quote(str(binary('pause')))}"]
    return ["sh", "-c", "\n".join(script)]


def prepare(node: Node, server: str, authority: Authority) -> None:
    """Make the folders, certificates and configuration files of a node."""
    for name in ("var-lib", "log", "run", "cni", "registries"):
        (node.folder / name).mkdir(parents=True, exist_ok=True)
    identity = f"system:node:{node.name}"
    pair = authority.issue(
        node.name, common_name=identity, organization="system:nodes", hosts=[node.name, node.address]
    )
    write_kubeconfig(node.folder / "kubelet.kubeconfig", server, authority.certificate, pair, user=identity)
    layers = snapshotter(Path("/proc/self/mounts").read_text(), node.folder)
    kubelet = kubelet_configuration(node, authority.certificate, pair)
    (node.folder / "kubelet.json").write_text(json.dumps(kubelet, indent=1))
    (node.folder / "cni" / "10-localcluster.conflist").write_text(
        json.dumps(cni_configuration(node), indent=1)
    )
    (node.folder / "containerd.toml").write_text(containerd_configuration(node, layers))


def containerd_command(node: Node) -> list[str]:
    """The command line of the node's containerd."""
    return [str(binary("containerd")), f"--config={node.folder / 'containerd.toml'}"]


def kubelet_command(node: Node) -> list[str]:
    """The command line of the node's kubelet."""
    labels = ",".join(f"{key}={value}" for key, value in sorted(gpu_labels(node.model).items()))
    return [
        str(binary("kubelet")),
        f"--config={node.folder / 'kubelet.json'}",
        f"--kubeconfig={node.folder / 'kubelet.kubeconfig'}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
        f"--node-labels={labels}",
    ]


def kubelet_configuration(node: Node, authority: Path, pair: KeyPair) -> dict[str, Any]:
    """The KubeletConfiguration: a small machine without evictions, on cgroups of either version."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "healthzBindAddress": node.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pair.certificate),
        "tlsPrivateKeyFile": str(pair.key),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.control_group,
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "evictionHard": {},
        # Images come by hand, from files: one that was collected would never come back.
        "imageGCHighThresholdPercent": 100,
        "resolvConf": "",
        "clusterDomain": "cluster.local",
        "clusterDNS": [node.network.gateway],
        # Lowering the score needs CAP_SYS_RESOURCE, which virtual machines and containers often lack.
        "oomScoreAdj": 0,
    }


def cni_configuration(node: Node) -> dict[str, Any]:
    """Pods on the cluster's bridge; addresses from the node's own range of the common subnet."""
    first, last = node.network.pod_range(node.number)
    pods = {
        "subnet": node.network.pods,
        "rangeStart": first,
        "rangeEnd": last,
        "gateway": node.network.gateway,
    }
    addresses = {"type": "host-local", "ranges": [[pods]], "routes": [{"dst": "0.0.0.0/0"}]}
    # Hairpin: a pod may reach itself through its own Service.
    bridge = {"type": "bridge", "bridge": BRIDGE, "hairpinMode": True, "ipam": addresses}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "localcluster", "plugins": [bridge, portmap]}


def snapshotter(mounts: str, folder: Path) -> str:
    """
    How containerd keeps image layers in that folder: ``overlayfs``, or copies (``native``) where the folder
    itself lies on an overlay, as in a container, on which no other can be laid.

    Args:
        mounts: the text of ``/proc/self/mounts``.
        folder: where the data is to be.
    """
    rows = [line.split() for line in mounts.splitlines()]
    above = [row for row in rows if Path(row[1]) == folder or Path(row[1]) in folder.parents]
    kind = max(above, key=lambda row: len(row[1]))[2] if above else ""
    return "native" if kind == "overlay" else "overlayfs"


def containerd_configuration(node: Node, layers: str) -> str:
    """
    The ``config.toml`` of containerd 2; ``layers`` is the snapshotter.

    ``restrict_oom_score_adj``: without CAP_SYS_RESOURCE every sandbox would die otherwise. The plugin
    that is off would leave a folder in the host's ``/opt``.
    """
    return f"""\
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "{layers}"

[plugins."io.containerd.cri.v1.images".registry]
  config_path = "{node.registries}"

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["{CNI_PLUGINS}"]
  conf_dir = "{node.folder / "cni"}"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  SystemdCgroup = false
"""
