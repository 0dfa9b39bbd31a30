"""
A child process of a build: ``python -m ignition_builder.stage_main STAGE FD`` does a stage and answers on FD.

It loads what the stage needs, then waits for a Task, one line of JSON on standard input. The answer is a
result or an error with a reason; a traceback goes to the build log only. After a result it waits for the next
Task, until standard input ends or nothing comes: what ``kept`` gives a second build is a process that has
loaded everything, and a process that made a model has ONNX at hand to prove it.
"""

import functools
import importlib
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ignition_builder.documents import COMPILE, INSPECT, MERGE, PROVE, VERIFY, Task
from ignition_builder.journal import Journal
from ignition_builder.memory import forget_peak
from ignition_builder.report import Report, disk_error
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError, TransientError

MODULES = {
    INSPECT: "ignition_builder.precision.stage",
    PROVE: "ignition_builder.verifying.proof",
    COMPILE: "ignition_builder.compiling.stage",
    VERIFY: "ignition_builder.verifying.stage",
    MERGE: "ignition_builder.compiling.merging",
}
"""Loaded by name: they hold ONNX or TensorRT; only verification holds both, for both want the memory."""


IDLE_SECONDS = 120.0
"""How long a process that has answered waits for another Task; TensorRT 8.6 holds 4 GiB meanwhile."""


PARENT_SECONDS = 1.0
"""How often a child looks whether its parent still lives."""


def main() -> int:
    """Do the stage of every Task; the exit status is 0 whenever each was answered or none is wanted."""
    stage, report = loaded(sys.argv[1]), Report(int(sys.argv[2]))
    signal.signal(signal.SIGTERM, lambda *_: report.cancel())
    end_with(os.getppid())
    if hasattr(stage, "warm"):
        stage.warm()
    for line in task_lines(sys.stdin.fileno()):
        task = Task.from_json(json.loads(line))
        if report.cancelled or not answer(loaded(task.stage), task, report):
            break
    return 0


@functools.cache
def loaded(stage: str) -> Any:
    """Return the module that does ``stage``; one that holds itself to bounds begins with it."""
    module = importlib.import_module(MODULES[stage])
    if hasattr(module, "bound"):
        module.bound()
    return module


def end_with(parent: int) -> None:
    """
    Let this process end soon after ``parent`` does.

    A parent that is killed closes no pipe that a busy child would notice: TensorRT 8.6, which says nothing
    while it builds, went on for minutes and held the GPU (run). TensorRT lets other threads run meanwhile.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def task_lines(descriptor: int) -> Iterator[bytes]:
    """Give the lines that come on ``descriptor``; the last may lack its end, and all but the first hurry."""
    rest = b""
    while data := os.read(descriptor, 1 << 20):
        rest += data
        while b"\n" in rest:
            line, _, rest = rest.partition(b"\n")
            yield line
            if not rest and not select.select([descriptor], [], [], IDLE_SECONDS)[0]:
                return
    if rest:
        yield rest


def answer(stage: Any, task: Task, report: Report) -> bool:
    """Do ``stage`` and report; False after an error, for the process may not be what it was."""
    speak_into(Path(task.log))
    forget_peak()
    with Journal(Path(task.log)) as journal:
        try:
            report.result(stage.run(task, report, journal))
        except IgnitionError as error:
            report.error(error)
        except OSError as error:
            report.error(disk_error(error))
        except MemoryError:
            report.error(TransientError(Reason.OutOfMemory, "the build process ran out of memory"))
        except Exception as error:  # noqa: BLE001  (the edge of the process: everything needs a reason)
            journal.note(traceback.format_exc())
            message = f"the build process failed in stage {task.stage} ({type(error).__name__}: {error})"
            report.error(RequestError(Reason.BuildFailed, message, "see the builder's log"))
        else:
            return True
    return False


def speak_into(log: Path) -> None:
    """Let what libraries print go to the log of this Task, and not to that of the first one."""
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # At once: the answer is sent and every file closed, while taking NVIDIA's objects apart takes time.
    os._exit(status)
