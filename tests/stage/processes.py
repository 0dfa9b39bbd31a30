"""
Killing what runs on the stage: the nodes are this machine, so every container's process is one of ours.

``kill`` is SIGKILL, the unfriendly end: no handler runs, nothing is flushed.
"""

import os
import signal
from pathlib import Path

from stage.kubectl import eventually


def processes(*words: str) -> list[int]:
    """Return the processes whose command line holds all ``words``."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        if all(word in command for word in words):
            found.append(int(folder.name))
    return found


def kill(*words: str, within: float = 60) -> int:
    """Wait until such a process exists, SIGKILL all of them at once, and say how many there were."""
    victims = eventually(lambda: processes(*words), within=within, what=f"a process {words}", every=0.02)
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return len(victims)
