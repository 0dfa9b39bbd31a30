"""
Start a cluster with nodes, step by step; every step is recorded before the next one begins.

Namespaces → network → control plane → nodes → kube-proxy and DNS → pause image → nodes Ready → fake GPUs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from localcluster import cgroups, namespaces, network, node, state
from localcluster.control_plane import (
    ControlPlaneSettings,
    Credentials,
    create_credentials,
    programs,
    wait_ready,
)
from localcluster.dns import corefile
from localcluster.errors import LocalClusterError
from localcluster.fake_gpus import fake_gpu_patch
from localcluster.gpu_nodes import NodeModel
from localcluster.images import load_image, read_image_file, write_static_image
from localcluster.network import Network
from localcluster.node import PAUSE_IMAGE, Node
from localcluster.paths import bin_folder, binary
from localcluster.processes import Process, log_tail
from localcluster.standalone import run_kubectl
from localcluster.state import ClusterState

_NODE_SECONDS = 120
_SOCKET_SECONDS = 60.0
_KERNEL_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
"""What a kubelet changes for the whole machine; put back when the cluster stops."""


class Start:
    """One start of one cluster, from nothing to nodes that are Ready."""

    def __init__(
        self, folder: Path, begun: ClusterState, models: Sequence[NodeModel], say: Callable[[str], None]
    ) -> None:
        self.folder = folder
        self.state = begun
        self.network = Network(begun.index)
        self.settings = settings_of(folder, self.network)
        group = cgroups.cluster_group(begun.name)
        self.nodes = [
            Node(model, number, self.network, node_folder(folder, model.name), f"{group}/{model.name}")
            for number, model in enumerate(models)
        ]
        self._say = say

    def run(self) -> ClusterState:
        """Do every step; return the state of the complete cluster."""
        self._record(self.state)
        self._start_namespaces()
        self._say("network and namespaces are there")
        credentials = self._start_control_plane()
        self._say(f"API server ready: {self.settings.server}")
        for each in self.nodes:
            self._start_node(each, credentials)
        self._start_services()
        self._load_pause_image()
        self._wait_for_nodes()
        self._record(replace(self.state, complete=True))
        return self.state

    def _record(self, changed: ClusterState) -> None:
        self.state = changed
        state.save(self.folder, changed)

    def _start_namespaces(self) -> None:
        before = tuple((name, Path(f"/proc/sys/{name}").read_text().strip()) for name in _KERNEL_SETTINGS)
        self._record(replace(self.state, kernel_settings=before))
        log = self.settings.log("anchor")
        self._record(self.state.with_process(namespaces.start_anchor(log)))
        anchor = namespaces.anchor_of(self.state.process("anchor-parent"), log)
        self._record(self.state.with_process(anchor))
        network.connect(self.network, anchor.pid)
        inside = namespaces.enter(anchor)
        # Locks and sockets below /run are then the cluster's own and go with it.
        for command in [
            ["mount", "-t", "tmpfs", "tmpfs", "/run"],
            ["mkdir", "/run/containerd"],
            *network.inner_commands(self.network, len(self.nodes)),
        ]:
            network.run([*inside, *command])
        network.route(self.network)

    def _start_control_plane(self) -> Credentials:
        credentials = create_credentials(self.settings)
        for program in programs(self.settings, credentials):
            self._start(program.name, program.command, self.settings.log(program.name))
        wait_ready(self.settings, credentials.authority.certificate, running=self._raise_if_dead)
        return credentials

    def _start_node(self, each: Node, credentials: Credentials) -> None:
        cgroups.create(each.control_group)
        node.prepare(each, self.settings.server, credentials.authority)
        holder_log = each.log("holder")
        self._start(each.name, node.holder_command(each), holder_log, own_mounts=True)
        holder = self.state.process(each.name)
        _wait_for(each.folder / "run", "bound", lambda: _is_bound(holder), holder_log)
        log = each.log("containerd")
        self._start(f"{each.name}-containerd", node.containerd_command(each), log, target=holder)
        _wait_for(each.folder, "containerd", (each.folder / "run" / "containerd.sock").exists, log)
        self._start(f"{each.name}-kubelet", node.kubelet_command(each), each.log("kubelet"), target=holder)

    def _start_services(self) -> None:
        configuration = self.folder / "Corefile"
        configuration.write_text(corefile(self.network.gateway, self.settings.kubeconfig))
        self._start(
            "coredns", [str(binary("coredns")), "-conf", str(configuration)], self.settings.log("coredns")
        )
        # One for all nodes: they share the network whose rules it writes.
        command = [
            str(binary("kube-proxy")),
            f"--kubeconfig={self.settings.kubeconfig}",
            f"--hostname-override={self.nodes[0].name}",
            "--proxy-mode=iptables",
            f"--cluster-cidr={self.network.pods}",
            "--conntrack-max-per-core=0",
            "--iptables-min-sync-period=100ms",
            "--oom-score-adj=0",
        ]
        self._start("kube-proxy", command, self.settings.log("kube-proxy"))

    def _load_pause_image(self) -> None:
        path = self.folder / "pause.tar"
        write_static_image(path, PAUSE_IMAGE, {"/pause": binary("pause")}, ["/pause"])
        image = read_image_file(path)
        for each in self.nodes:
            load_image(image, self.state.process(each.name), image_record(each.folder))

    def _wait_for_nodes(self) -> None:
        names = [f"node/{each.name}" for each in self.nodes]
        limit = f"--timeout={_NODE_SECONDS}s"
        try:
            self._kubectl("wait", "--for=create", limit, *names)
            for each in self.nodes:
                patch = fake_gpu_patch()
                self._kubectl(
                    "patch", "node", each.name, "--subresource=status", "--type=json", f"-p={patch}"
                )
            self._kubectl("wait", "--for=condition=Ready", limit, *names)
        except LocalClusterError as late:
            tails = "\n".join(log_tail(each.log("kubelet")) for each in self.nodes)
            raise LocalClusterError(f"{late.message}\n{tails}") from late
        self._kubectl("wait", "--for=create", "serviceaccount/default", "--namespace=default", limit)
        self._say(f"{len(names)} nodes ready")

    def _kubectl(self, *arguments: str) -> None:
        self._raise_if_dead()
        run_kubectl(self.settings.kubeconfig, arguments)

    def _start(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        target: Process | None = None,
        own_mounts: bool = False,
    ) -> None:
        started = namespaces.start_inside(
            name,
            target or self.state.process("anchor"),
            command,
            log,
            path=[bin_folder()],
            own_mounts=own_mounts,
        )
        self._record(self.state.with_process(started))

    def _raise_if_dead(self) -> None:
        for name in self.state.dead:
            raise LocalClusterError(f"{name} ended:\n{log_tail(log_of(self.folder, name))}")


def settings_of(folder: Path, addresses: Network) -> ControlPlaneSettings:
    """The control plane of a cluster with nodes: ports as everywhere, since the network is its own."""
    return ControlPlaneSettings(
        folder=folder,
        address=addresses.gateway,
        api_port=6443,
        etcd_port=2379,
        etcd_peer_port=2380,
        services=addresses.services,
        first_service=addresses.first_service,
        controllers=True,
        scheduler=True,
    )


def node_folder(folder: Path, name: str) -> Path:
    """Where a node of the cluster in that folder keeps its data."""
    return folder / "nodes" / name


def image_record(folder: Path) -> Path:
    """The node's list of imported images."""
    return folder / "images.json"


def log_of(folder: Path, process: str) -> Path:
    """The log of a process by its name in the state file (``gpu-l4`` is the node's holder)."""
    for each in (folder / "nodes").glob("*"):
        if process == each.name:
            return each / "holder.log"
        if process.startswith(f"{each.name}-"):
            return each / f"{process.removeprefix(f'{each.name}-')}.log"
    return folder / "log" / f"{process}.log"


def _is_bound(holder: Process) -> bool:
    return "pause" in Path(f"/proc/{holder.pid}/comm").read_text()


def _wait_for(folder: Path, what: str, there: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + _SOCKET_SECONDS
    while not there():
        if time.monotonic() > deadline:
            raise LocalClusterError(f"{what} of {folder.name} did not come up:\n{log_tail(log)}")
        time.sleep(0.02)
