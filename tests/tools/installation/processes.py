"""
Killing what runs on the stage: the nodes are this machine, so every container's process is one of ours.

``kill`` is SIGKILL, the unfriendly end: no handler runs, nothing is flushed.
"""

import contextlib
import os
import signal
from pathlib import Path

from installation.kubectl import eventually


def processes(cluster: str, *words: str) -> list[int]:
    """Return the container processes of a local cluster whose command line holds all ``words``."""
    folders = (folder for folder in Path("/proc").iterdir() if folder.name.isdigit())
    return [int(folder.name) for folder in folders if is_wanted(folder, cluster, words)]


def is_wanted(folder: Path, cluster: str, words: tuple[str, ...]) -> bool:
    """Whether a process runs in one of the cluster's pods, under a command line with all ``words``."""
    try:
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        groups = (folder / "cgroup").read_text(encoding="utf-8")
    except OSError:
        return False  # it ended while we looked
    return f"localcluster-{cluster}/" in groups and all(word in command for word in words)


def kill(cluster: str, *words: str, within: float = 60) -> int:
    """Wait until such a process exists, SIGKILL all of them at once, and say how many there were."""
    what = f"a process {words} in cluster {cluster}"
    victims = eventually(lambda: processes(cluster, *words), within=within, what=what, every=0.02)
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(victims)
