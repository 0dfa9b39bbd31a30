"""
The control groups of a cluster: one folder for it, one in that for each node, in every hierarchy.

Version 1 (also beside version 2, "hybrid") and version 2 both work; the difference ends in this file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from localcluster.errors import LocalClusterError

_REMOVE_SECONDS = 10.0
_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids", "hugetlb")


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted cgroup file system."""

    mount: Path
    version: int


def hierarchies(mounts: str) -> tuple[Hierarchy, ...]:
    """
    The hierarchies in the text of ``/proc/self/mounts``.

    On a hybrid machine these are all of version 1 and one of version 2 that controls nothing; runtimes make
    groups there nevertheless.
    """
    versions = {"cgroup": 1, "cgroup2": 2}
    rows = [line.split() for line in mounts.splitlines()]
    return tuple(
        dict.fromkeys(Hierarchy(Path(row[1]), versions[row[2]]) for row in rows if row[2] in versions)
    )


def mounted() -> tuple[Hierarchy, ...]:
    """The hierarchies of this machine."""
    found = hierarchies(Path("/proc/self/mounts").read_text())
    if not found:
        raise LocalClusterError("no cgroup hierarchy is mounted", remedy="mount cgroup2 on /sys/fs/cgroup")
    return found


def cluster_group(name: str) -> str:
    """Path of a cluster's group below every hierarchy's root."""
    return f"/localcluster-{name}"


def create(group: str) -> None:
    """Create the group, and those above it, in every hierarchy."""
    for hierarchy in mounted():
        folder = hierarchy.mount
        for part in group.strip("/").split("/"):
            if hierarchy.version == 2:
                _delegate(folder)
            parent, folder = folder, folder / part
            folder.mkdir(exist_ok=True)
            if hierarchy.version == 1:
                _inherit_cpuset(parent, folder)


def remove(group: str) -> None:
    """Remove the group and all below it; processes just killed may need a moment to leave it."""
    deadline = time.monotonic() + _REMOVE_SECONDS
    for hierarchy in mounted():
        folder = hierarchy.mount / group.strip("/")
        while folder.exists():
            busy = _remove_tree(folder)
            if busy and time.monotonic() > deadline:
                raise LocalClusterError(f"the control group {folder} is still in use: {busy}")
            if busy:
                time.sleep(0.05)


def _delegate(folder: Path) -> None:
    available = (folder / "cgroup.controllers").read_text().split()
    wanted = " ".join(f"+{name}" for name in _CONTROLLERS if name in available)
    try:
        (folder / "cgroup.subtree_control").write_text(wanted)
    except OSError as refused:
        raise LocalClusterError(
            f"control group {folder} hands no controllers to groups below it: {refused}",
            remedy="a group that holds processes cannot; run where the root group is yours to divide",
        ) from refused


def _inherit_cpuset(parent: Path, folder: Path) -> None:
    """A new cpuset of version 1 is empty, and nothing may run in it."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (parent / name).exists():
            (folder / name).write_text((parent / name).read_text())


def _remove_tree(folder: Path) -> str:
    """Remove bottom up; return why not, or nothing."""
    reason = ""
    for path in _bottom_up(folder):
        try:
            path.rmdir()
        except FileNotFoundError:
            continue
        except OSError as busy:
            reason = str(busy)
    return reason


def _bottom_up(folder: Path) -> Iterable[Path]:
    return [Path(path) for path, _, _ in os.walk(folder, topdown=False)]
