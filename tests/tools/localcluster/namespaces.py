"""
Namespaces: one of processes, mounts and network for the cluster, one of mounts for each node in it.

Each is held by a ``pause`` process. When the cluster's is killed, the kernel kills every process inside,
containers included, and mounts, interfaces and firewall rules vanish with them. That, and not careful
bookkeeping, is why nothing leaks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from localcluster.errors import LocalClusterError
from localcluster.paths import binary
from localcluster.processes import Process, log_tail, remember, spawn

_CHILD_SECONDS = 10.0


def start_anchor(log: Path) -> Process:
    """
    Start the holder of a cluster's namespaces; return its parent, with which it dies.

    Mounts are a slave of the host's: what the host unmounts later is not held here, and nothing goes back.
    """
    command = ["unshare", "--net", "--mount", "--propagation", "slave", "--pid", "--fork"]
    command += ["--kill-child", "--mount-proc", str(binary("pause"))]
    return remember("anchor-parent", spawn(command, log).pid)


def anchor_of(parent: Process, log: Path) -> Process:
    """The holder itself, first process of its namespace, as soon as its parent has forked it."""
    return remember("anchor", _child(parent.pid, "anchor", log))


def start_inside(
    name: str,
    target: Process,
    command: Sequence[str],
    log: Path,
    *,
    path: Sequence[Path] = (),
    own_mounts: bool = False,
) -> Process:
    """
    Start a program in the namespaces of another process.

    Args:
        name: for messages and the state file.
        target: whose namespaces of processes, mounts and network are entered.
        command: program and arguments.
        log: file its output is appended to.
        path: folders put before PATH.
        own_mounts: give it a copy of the mounts, shared with its own children only.
    """
    prefix = enter(target)
    if own_mounts:
        prefix += ["unshare", "--mount", "--propagation", "shared"]
    environment = {"PATH": search_path(path)}
    outside = spawn([*prefix, *command], log, environment=environment)
    return remember(name, _child(outside.pid, name, log))


def enter(target: Process) -> list[str]:
    """The words before a command that make it run in the namespaces of the target."""
    return ["nsenter", f"--target={target.pid}", "--mount", "--net", "--pid", "--"]


def search_path(first: Sequence[Path] = ()) -> str:
    """PATH for programs inside: system folders always, whatever the caller's own PATH is."""
    folders = [str(folder) for folder in first]
    return ":".join([*folders, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"])


def _child(parent: int, name: str, log: Path) -> int:
    """``unshare`` and ``nsenter`` fork the program when they change the process namespace; find it."""
    deadline = time.monotonic() + _CHILD_SECONDS
    children = Path(f"/proc/{parent}/task/{parent}/children")
    while time.monotonic() < deadline:
        try:
            found = children.read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            break
        if found:
            return int(found[0])
        if "State:\tZ" in Path(f"/proc/{parent}/status").read_text():
            break
        time.sleep(0.01)
    raise LocalClusterError(f"{name} did not start:\n{log_tail(log)}")
