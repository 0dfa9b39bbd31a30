"""
A child process of a build: ``python -m ignition_builder.child STAGE FD`` does one stage and answers on FD.

It loads what the stage needs, then waits for its Task, as JSON on standard input. The answer is a result or
an error with a reason; a traceback goes to the build log only.
"""

import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

from ignition_builder.journal import Journal
from ignition_builder.report import Report, disk_error
from ignition_builder.work import COMPILE, INSPECT, MERGE, VERIFY, Task
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError, TransientError

MODULES = {
    INSPECT: "ignition_builder.checking.stage",
    COMPILE: "ignition_builder.compiling.stage",
    VERIFY: "ignition_builder.verifying.stage",
    MERGE: "ignition_builder.compiling.merging",
}
"""Loaded by name: the first two hold ONNX or TensorRT, never both, for both want the memory."""


def main() -> int:
    """Do one stage; the exit status is 0 whenever an answer was sent or none is wanted."""
    stage, report = importlib.import_module(MODULES[sys.argv[1]]), Report(int(sys.argv[2]))
    signal.signal(signal.SIGTERM, lambda *_: report.cancel())
    if hasattr(stage, "warm"):
        stage.warm()
    order = sys.stdin.buffer.read()
    if not order or report.cancelled:
        return 0
    task = Task.from_json(json.loads(order))
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
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # At once: the answer is sent and every file closed, while taking NVIDIA's objects apart takes time.
    os._exit(status)
