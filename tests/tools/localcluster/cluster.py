"""
A cluster with nodes, as a whole: up, down, status, images.

State is on disk, so any process may ask or stop what another one started.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcluster import cgroups, namespaces, network, processes, state
from localcluster.build import build
from localcluster.errors import LocalClusterError
from localcluster.gpu_nodes import node_models
from localcluster.images import ImageFile, load_image, read_image_file
from localcluster.network import Network
from localcluster.node import COVERED
from localcluster.packages import require_programs, require_root
from localcluster.paths import bin_folder, cluster_folder
from localcluster.recipe import recipe_hash
from localcluster.standalone import run_kubectl
from localcluster.starting import Start, image_record, node_folder, settings_of
from localcluster.state import ClusterState

DEFAULT_NAME = "ignition"
_REMOVE_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster."""

    folder: Path
    state: ClusterState

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of an administrator, usable from the host."""
        return settings_of(self.folder, Network(self.state.index)).kubeconfig

    @property
    def server(self) -> str:
        """URL of the API server, reachable from the host."""
        return settings_of(self.folder, Network(self.state.index)).server

    @property
    def host_address(self) -> str:
        """The address at which pods reach programs on the host."""
        return Network(self.state.index).host_address

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """
        Run kubectl as administrator; return what it printed.

        Raises:
            LocalClusterError: it failed and ``check`` is set.
        """
        return run_kubectl(self.kubeconfig, arguments, stdin=stdin, check=check)

    def load(self, files: Sequence[Path]) -> list[str]:
        """Put image files into every node that lacks them; return a line for each file and node."""
        pairs = [(image, name) for image in map(read_image_file, files) for name in self.state.nodes]
        # The nodes at the same time: an import is bound by one core.
        with ThreadPoolExecutor(max_workers=len(self.state.nodes)) as pool:
            return list(pool.map(lambda pair: self._load_into(*pair), pairs))

    def _load_into(self, image: ImageFile, name: str) -> str:
        record = image_record(node_folder(self.folder, name))
        with state.locked(record):
            imported = load_image(image, self.state.process(name), record)
        return f"{name}: {', '.join(image.names)} {'imported' if imported else 'was there'}"

    def node_command(self, node: str, command: Sequence[str]) -> list[str]:
        """
        The words that run a command in a node's namespaces.

        Raises:
            LocalClusterError: there is no such node.
        """
        if node not in self.state.nodes:
            raise LocalClusterError(f"no node {node!r}; there are: {', '.join(self.state.nodes)}")
        environment = ["env", f"PATH={namespaces.search_path([bin_folder()])}"]
        return [*namespaces.enter(self.state.process(node)), *environment, *command]


def up(name: str = DEFAULT_NAME, *, nodes: int = 2) -> Cluster:
    """
    Start a cluster, or return the one that runs; build what is missing and clear leftovers first.

    Raises:
        LocalClusterError: something is missing on this machine, or a program failed; nothing is left running.
    """
    models = node_models(nodes)
    require_root("a cluster with nodes")
    require_programs()
    build("all")
    folder = cluster_folder(name)
    _require_visible(folder)
    wanted = tuple(model.name for model in models)
    with state.locked(folder):
        found = state.load(folder)
        if found and found.is_running and found.nodes == wanted and found.recipe == recipe_hash():
            return Cluster(folder, found)
        _clear(name, found)
        begun = ClusterState(name, recipe_hash(), _free_index(), wanted)
        try:
            return Cluster(folder, Start(folder, begun, models, _say).run())
        except BaseException:
            _keep_logs(folder)
            _clear(name, state.load(folder))
            raise


def down(name: str = DEFAULT_NAME) -> bool:
    """Stop a cluster and remove everything of it; return whether there was anything."""
    require_root("stopping a cluster")
    folder = cluster_folder(name)
    with state.locked(folder):
        found = state.load(folder)
        there = found is not None or folder.exists()
        _clear(name, found)
    return there


def running(name: str = DEFAULT_NAME) -> Cluster:
    """
    The cluster of that name.

    Raises:
        LocalClusterError: it does not run.
    """
    folder = cluster_folder(name)
    found = state.load(folder)
    if found is None or not found.complete:
        raise LocalClusterError(
            f"cluster {name} does not run",
            remedy="start it: PYTHONPATH=tests/tools python3 -m localcluster up",
        )
    return Cluster(folder, found)


def status(name: str = DEFAULT_NAME) -> dict[str, Any]:
    """What ``status -o json`` prints; ``state`` is ``Running``, ``Degraded`` or ``Stopped``."""
    found = state.load(cluster_folder(name))
    if found is None or not found.complete:
        return {"name": name, "state": "Stopped"}
    cluster = Cluster(cluster_folder(name), found)
    return {
        "name": name,
        "state": "Degraded" if found.dead else "Running",
        "server": cluster.server,
        "kubeconfig": str(cluster.kubeconfig),
        "hostAddress": cluster.host_address,
        "dead": list(found.dead),
        "processes": {process.name: process.pid for process in found.processes},
        "nodes": _nodes(cluster),
    }


def _nodes(cluster: Cluster) -> dict[str, bool]:
    listing = cluster.kubectl("get", "nodes", "-o", "json", "--request-timeout=5s", check=False)
    items = json.loads(listing)["items"] if listing else []
    return {
        item["metadata"]["name"]: any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in item["status"]["conditions"]
        )
        for item in items
    }


def _require_visible(folder: Path) -> None:
    """A node puts folders of its own over some of the host's, and could not see its files below those."""
    for covered in map(Path, COVERED):
        if covered in folder.parents:
            raise LocalClusterError(
                f"the cache folder lies in {covered}, which nodes cannot see: {folder}",
                remedy="choose another one: XDG_CACHE_HOME=/some/folder",
            )


def _clear(name: str, found: ClusterState | None) -> None:
    """End and remove whatever is left of a cluster, complete or not."""
    folder = cluster_folder(name)
    if found is not None:
        addresses = Network(found.index)
        anchors = [each for each in found.processes if each.name == "anchor"]
        for anchor in anchors:
            network.disconnect(addresses)
            # Every process inside ends with the first one, containers included; none has anything to save.
            anchor.send(signal.SIGKILL)
        processes.stop(reversed(found.processes), grace_seconds=5.0 if anchors else 1.0)
        for setting, value in found.kernel_settings:
            Path(f"/proc/sys/{setting}").write_text(value)
    cgroups.remove(cgroups.cluster_group(name))
    _remove_folder(folder)


def _remove_folder(folder: Path) -> None:
    """The kernel takes a moment to drop the mounts of namespaces that just ended."""
    for _ in range(_REMOVE_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    raise LocalClusterError(f"{folder} cannot be removed", remedy="see what still uses it: fuser -vm")


def _keep_logs(folder: Path) -> None:
    """Save the logs of a start that failed, where the next start does not look."""
    kept = folder.parent / f"{folder.name}.failed-logs"
    shutil.rmtree(kept, ignore_errors=True)
    for log in [*folder.glob("log/*.log"), *folder.glob("nodes/*/*.log")]:
        target = kept / log.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(log, target)
    _say(f"logs of the failed start: {kept}")


def _free_index() -> int:
    for index in range(network.MAX_CLUSTERS):
        if not network.link_exists(Network(index)):
            return index
    raise LocalClusterError(
        f"{network.MAX_CLUSTERS} clusters run already",
        remedy="stop one: python3 -m localcluster down --name NAME",
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def enter_node(name: str, node: str, command: Sequence[str]) -> None:
    """Become a command in a node of the cluster of that name; returns only by raising."""
    words = running(name).node_command(node, command or ["sh"])
    os.execvp(words[0], words)
