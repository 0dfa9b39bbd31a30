"""
Child processes of a build that are forked from this one instead of started anew.

A stage starts in milliseconds, because ONNX and TensorRT are loaded already; everything else about a stage,
its pipe, its log and every way to die, is what it is in the builder.
"""

import contextlib
import importlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from ignition_builder import stage_main
from ignition_builder.documents import COMPILE, INSPECT
from ignition_builder.memory import read_memory
from ignition_builder.stage_process import Child, StageProcesses

POLL_SECONDS = 0.002
MOST_FILES = 4096
MOST_MEMORY = 12 * 1024**3
"""A model that asks for more is as well served here by a refusal as by the kernel's."""


def warm() -> None:
    """Load what every stage needs, once."""
    for name in stage_main.MODULES.values():
        stage = importlib.import_module(name)
        if hasattr(stage, "warm"):
            stage.warm()


class ForkedChild(Child):
    """A stage in a fork of this process; one that ``stays`` takes another Task."""

    def __init__(self, stage: str, log: Path, *, stays: bool = False) -> None:
        self._before, self._stays = read_memory(), stays
        self._pipe, writing = os.pipe()
        reading, order = os.pipe()
        process = os.fork()
        if not process:
            os.close(self._pipe)
            os.close(order)
            _become(stage, log, reading, writing)
        os.close(reading)
        os.close(writing)
        self._process = ForkedProcess(process, order)  # type: ignore[assignment]


class ForkedProcess:
    """As much of ``subprocess.Popen`` as ``Child`` uses."""

    def __init__(self, pid: int, order: int) -> None:
        self.pid = pid
        self.stdin = os.fdopen(order, "wb")
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, negative for a signal; None while it lives."""
        if self._status is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def wait(self, timeout: float = 60.0) -> int:
        """Wait for the end."""
        until = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > until:
                self.kill()
            time.sleep(POLL_SECONDS)
        return status

    def terminate(self) -> None:
        """Ask it to stop."""
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)


@contextlib.contextmanager
def forked_processes(log: Path) -> Iterator[StageProcesses]:
    """Fork both children of a build and end them on leaving."""
    with ForkedChild(INSPECT, log, stays=True) as inspector, ForkedChild(COMPILE, log) as compiler:
        yield StageProcesses(inspector, compiler)


def _become(stage: str, log: Path, reading: int, writing: int) -> None:
    """Do what ``python -m ignition_builder.stage_main`` does, and end the process."""
    code = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for source, target in ((reading, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        # Nothing of the parent's: a pipe ends when the last process that could write to it lets go.
        os.closerange(3, writing)
        os.closerange(writing + 1, MOST_FILES)
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        sys.argv = ["child", stage, str(writing)]
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        code = stage_main.main()
    except BaseException:  # noqa: BLE001  (a fork that went on would be a second builder)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
