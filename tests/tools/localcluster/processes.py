"""
Start long-running programs, recognize them later, and stop them.

A process is known by its id *and* its start time *and* the boot it belongs to: an id alone may by now
belong to a stranger, which must never be killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.errors import LocalClusterError

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """One started program, as the state file remembers it."""

    name: str
    pid: int
    started: int
    """Start time in clock ticks since boot (field 22 of ``/proc/<pid>/stat``)."""
    boot: str
    """The boot id of the kernel that ran it."""

    def to_json(self) -> dict[str, object]:
        """The record in the state file."""
        return {"name": self.name, "pid": self.pid, "started": self.started, "boot": self.boot}

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> Process:
        """Read a record of the state file back."""
        pid, started = int(str(record["pid"])), int(str(record["started"]))
        return cls(name=str(record["name"]), pid=pid, started=started, boot=str(record["boot"]))

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs; a zombie and a stranger with its id do not count."""
        return self.boot == boot_id() and start_time(self.pid) == self.started

    def send(self, number: int) -> None:
        """Signal the process unless it is gone."""
        if self.is_alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def boot_id() -> str:
    """The id of the running kernel's boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which the process started; None when it is gone, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return started_in_stat(text)


def started_in_stat(text: str) -> int | None:
    """The start time in the text of ``/proc/<pid>/stat``; None for a zombie."""
    # The program's name stands in parentheses and may itself hold blanks and parentheses.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def remember(name: str, pid: int) -> Process:
    """
    The record of a running process.

    Raises:
        LocalClusterError: it is gone already.
    """
    started = start_time(pid)
    if started is None:
        raise LocalClusterError(f"{name} ended as soon as it was started")
    return Process(name, pid, started, boot_id())


def spawn(
    command: Sequence[str | Path], log: Path, *, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output appended to the log file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else {**os.environ, **environment},
            start_new_session=True,
        )


def stop(processes: Iterable[Process], *, grace_seconds: float) -> None:
    """Ask each to end, in the order given, and kill what is still there after the grace they share."""
    asked = list(processes)
    for process in asked:
        process.send(signal.SIGTERM)
    wait_gone(asked, seconds=grace_seconds)
    for process in asked:
        process.send(signal.SIGKILL)
    left = wait_gone(asked, seconds=5.0)
    if left:
        names = ", ".join(f"{process.name} ({process.pid})" for process in left)
        raise LocalClusterError(f"these processes survived being killed: {names}")


def wait_gone(processes: Iterable[Process], *, seconds: float) -> list[Process]:
    """Wait until none is alive, at most so long; return those that still are."""
    deadline = time.monotonic() + seconds
    left = [process for process in processes if process.is_alive]
    while left and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        left = [process for process in left if process.is_alive]
    return left


def log_tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"
