"""
What is remembered of a running cluster between two calls of the command line.

Written after every step, so that a start which was killed half-way can be cleared away by the next one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from localcluster.errors import LocalClusterError
from localcluster.processes import Process

_FILE = "state.json"


@dataclass(frozen=True, slots=True)
class ClusterState:
    """One cluster, as far as it has been started."""

    name: str
    recipe: str
    """The recipe its programs were built from; another one means another cluster."""
    index: int
    """Which of the networks it uses."""
    nodes: tuple[str, ...]
    complete: bool = False
    """The start came to its end."""
    processes: tuple[Process, ...] = ()
    """In the order in which they were started."""
    kernel_settings: tuple[tuple[str, str], ...] = field(default=())
    """Files below ``/proc/sys`` that a kubelet changes, with what they held before."""

    def with_process(self, *added: Process) -> ClusterState:
        """The state after starting them."""
        return replace(self, processes=(*self.processes, *added))

    def process(self, name: str) -> Process:
        """
        The process of that name.

        Raises:
            LocalClusterError: none was started.
        """
        for process in self.processes:
            if process.name == name:
                return process
        known = ", ".join(process.name for process in self.processes) or "none"
        raise LocalClusterError(f"cluster {self.name} has no process {name}; it has: {known}")

    @property
    def dead(self) -> tuple[str, ...]:
        """Names of the processes that no longer run."""
        return tuple(process.name for process in self.processes if not process.is_alive)

    @property
    def is_running(self) -> bool:
        """Whether it was started completely and everything still runs."""
        return self.complete and not self.dead

    def to_json(self) -> dict[str, Any]:
        """The document in the state file."""
        return {
            "name": self.name,
            "recipe": self.recipe,
            "index": self.index,
            "nodes": list(self.nodes),
            "complete": self.complete,
            "processes": [process.to_json() for process in self.processes],
            "kernelSettings": dict(self.kernel_settings),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> ClusterState:
        """Read a document of the state file back."""
        return cls(
            name=document["name"],
            recipe=document["recipe"],
            index=document["index"],
            nodes=tuple(document["nodes"]),
            complete=document["complete"],
            processes=tuple(Process.from_json(record) for record in document["processes"]),
            kernel_settings=tuple(document["kernelSettings"].items()),
        )


def save(folder: Path, state: ClusterState) -> None:
    """Write the state file; a reader sees the old one or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{_FILE}.new"
    with unfinished.open("w") as file:
        json.dump(state.to_json(), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / _FILE)


def load(folder: Path) -> ClusterState | None:
    """
    Read the state file; None when there is none.

    Raises:
        LocalClusterError: it cannot be understood.
    """
    path = folder / _FILE
    try:
        return ClusterState.from_json(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as broken:
        raise LocalClusterError(
            f"the state file {path} cannot be understood: {broken!r}",
            remedy=f"end the processes of that cluster yourself and remove {folder}",
        ) from broken


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one caller at a time change what lies at this path: a cluster, or a list of images."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
