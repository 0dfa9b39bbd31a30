"""A process with a deadline, of which is known how it ended and how much memory it took with its children."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
PYTHON = (sys.executable, "-m")
POLL_SECONDS = 0.02
LONGEST_TAIL = 300


@dataclass(frozen=True, slots=True)
class Ended:
    """
    How a process ended: ``words`` say why it did not do well, "" when it did; ``peak`` is the largest
    resident size in bytes, of it or of a child that it waited for.
    """

    words: str
    peak: int
    is_late: bool = False


def ended(command: Sequence[str], log: Path, seconds: float) -> Ended:
    """Run ``command`` and wait for its end, which comes after ``seconds`` in any case."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=_environment(), start_new_session=True
        )
    until, is_late = time.monotonic() + seconds, False
    while True:
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        if done:
            break
        if not is_late and time.monotonic() > until:
            is_late = True
            # A stage of a build is no part of the group, and ends when its parent has.
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
    process.returncode = os.waitstatus_to_exitcode(status)
    words = f"not done in {seconds:g} s" if is_late else _words(process.returncode, log)
    return Ended(words, usage.ru_maxrss * 1024, is_late)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(TESTS / name) for name in ("tools", "support"))}


def _words(status: int, log: Path) -> str:
    if not status:
        return ""
    how = f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f"{how}: {lines[-1].strip()[:LONGEST_TAIL]}" if lines else how
