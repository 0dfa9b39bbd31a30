"""
Run one stage in a child process and turn every way it can end into an answer or a reason.

The parent stays small: it holds no model, no ONNX and no NVIDIA library, so when memory runs out it is the
child the kernel chooses, and the parent lives to say so.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ignition_builder.documents import COMPILE, INSPECT, Task
from ignition_builder.memory import NEEDED, Memory, mebibytes, peak_of_children, read_memory
from ignition_builder.progress import Watcher
from ignition_builder.report import error_of
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError, TransientError

COMMAND = (sys.executable, "-m", "ignition_builder.stage_main")
GRACE_SECONDS = 5.0
"""How long a child may take to stop before it is killed."""
LONGEST_TAIL = 16 * 1024
MAX_LINE = 8 * 1024 * 1024
CHUNK = 64 * 1024


class Child:
    """
    A process that waits for its Task; starting it early hides the time Python and NVIDIA's libraries load.

    Leaving the ``with`` block ends the process, whatever happened inside. One that ``stays`` takes another
    Task after a result.
    """

    answers = 0
    """How many Tasks it has answered with a result."""
    has_refused = False
    """Whether it has answered a Task with an error; it ends after that."""
    _stays = False

    def __init__(
        self, stage: str, log: Path, command: tuple[str, ...] = COMMAND, *, stays: bool = False
    ) -> None:
        reading, writing = os.pipe()
        self._pipe = reading
        self._stays = stays
        self._before = read_memory()
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    [*command, stage, str(writing)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    pass_fds=(writing,),
                    start_new_session=True,
                )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, task: Task, watch: Watcher, deadline: float) -> dict[str, Any]:
        """
        Give the child its task and return its answer.

        ``deadline`` is on the monotonic clock. Raises the IgnitionError the child sent, or the one that the
        way it died means; IgnitionError (DeadlineExceeded) when it took too long.
        """
        self.start(task)
        return self.answer(task, watch, deadline)

    def start(self, task: Task) -> None:
        """Give the child its task, whose ``answer`` is asked for later."""
        self._hand_over(json.dumps(task.to_json()).encode())

    def answer(self, task: Task, watch: Watcher, deadline: float) -> dict[str, Any]:
        """Return the answer to ``task``, which it has, as ``run`` does; what came already is never late."""
        for line in self._lines(deadline):
            document = _parsed(line)
            if "progress" in document:
                _pass_on(document["progress"], watch)
            elif "error" in document:
                self.has_refused = True
                raise error_of(document["error"])
            elif "result" in document:
                self.answers += 1
                if not self._stays:
                    self._process.wait(GRACE_SECONDS)
                return dict(document["result"])
        raise self._death(Path(task.log))

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Ask the process to stop, then end it after ``grace`` seconds; does nothing when it has ended."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def leave(self) -> None:
        """Let go of the pipes and nothing else: in a fork, the process is the parent's."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        os.close(self._pipe)
        self._pipe, self._process.returncode = -1, 0

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def _hand_over(self, data: bytes) -> None:
        assert self._process.stdin is not None
        # A child that is already dead is explained by how it died, not by the broken pipe.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(data + b"\n")
            self._process.stdin.flush()
        if not self._stays:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.stdin = None

    def _lines(self, deadline: float) -> Any:
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            while True:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise _too_slow()
                data = os.read(self._pipe, CHUNK)
                if not data or len(rest) > MAX_LINE:
                    return
                *lines, rest = (rest + data).split(b"\n")
                yield from lines

    def _death(self, log: Path) -> IgnitionError:
        try:
            status = self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return RequestError(Reason.BuildFailed, "the build process closed its pipe but did not exit")
        return death(status, self._before, read_memory(), peak_of_children(), last_line(log))


class Runner(Protocol):
    """What does one stage: a child process, or what stands for one."""

    def run(self, task: Task, watch: Watcher, deadline: float) -> dict[str, Any]:
        """Return the answer to ``task``; raises IgnitionError."""


@dataclass(frozen=True, slots=True)
class StageProcesses:
    """The two child processes of one build, loaded and waiting; the first may prove what it made."""

    inspector: Child
    compiler: Runner


@contextlib.contextmanager
def stage_processes(log: Path) -> Iterator[StageProcesses]:
    """Start both children of a build and end them on leaving."""
    with Child(INSPECT, log, stays=True) as inspector, Child(COMPILE, log) as compiler:
        yield StageProcesses(inspector, compiler)


def death(status: int, before: Memory, after: Memory, peak: int, said: str = "") -> IgnitionError:
    """
    Say why a child ended without an answer.

    ``status`` is as subprocess gives it (negative for a signal); ``before`` and ``after`` are readings of the
    container's memory; ``peak`` is the child's largest resident size in bytes; ``said`` is the last line it
    wrote.
    """
    if status == -signal.SIGKILL and _memory_ran_out(before, after):
        limit = f"the container's limit is {mebibytes(after.limit)}" if after.limit else "no limit is known"
        return TransientError(
            Reason.OutOfMemory,
            f"the build process was OOM-killed at {mebibytes(peak)}; {limit}",
            f"raise resources of the BuildPool; {NEEDED}",
        )
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return RequestError(
            Reason.BuildFailed,
            f"the build process was terminated by {name} at {mebibytes(peak)} of memory",
            "see the builder's log; report a model that crashes TensorRT to NVIDIA",
        )
    return RequestError(
        Reason.BuildFailed,
        f"the build process exited with status {status} and returned no result{f': {said}' if said else ''}",
        "see the builder's log",
    )


def last_line(path: Path) -> str:
    """Return the last line of a log that says anything, shortened; a dying interpreter's says why."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LONGEST_TAIL))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
        return next((line[:300] for line in reversed(lines) if line), "")
    return ""


def _memory_ran_out(before: Memory, after: Memory) -> bool:
    # Where the kernel does not count, memory is by far the likeliest reason for a SIGKILL.
    return before.kills is None or after.kills is None or after.kills > before.kills


def _too_slow() -> IgnitionError:
    return IgnitionError(Reason.DeadlineExceeded, "the build exceeded spec.build.timeout", "raise it")


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _pass_on(progress: Any, watch: Callable[[str, float], None]) -> None:
    if isinstance(progress, list) and len(progress) == 2 and isinstance(progress[1], (int, float)):
        watch(str(progress[0]), float(progress[1]))
