"""
Build one model in one precision as a user does, in this process, and write down how it ended.

``python -m realzoo.attempt CASE PRECISION FOLDER``: the folder has the samples; ``built.json`` is written
there. A process that ends without it has crashed, and so it is counted.
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from accuracy_checks.request import ON_A_GPU, checked_request
from ignition_builder.documents import Task
from ignition_builder.files import Files
from ignition_builder.pipeline import LOG_FILE, build_with, digests_of
from ignition_builder.progress import Watcher
from ignition_builder.stage_process import Runner, stage_processes
from ignition_hub.engine.errors import IgnitionError, Reason
from realzoo.case import Case
from realzoo.catalogue import CASES
from realzoo.outcome import CRASHED, HELD_BACK, NOTHING, PASSED, REFUSED
from realzoo.samples import CALIBRATION, CHECK
from realzoo.supplies import model_of
from zoo.trial import is_typed

BUILT_FILE = "built.json"


def main(name: str, precision: str, folder: Path) -> None:
    """Build and write what came of it."""
    case = next(case for case in CASES if case.name == name)
    found = attempted(case, precision, folder)
    (folder / BUILT_FILE).write_text(json.dumps(found), encoding="utf-8")


def attempted(case: Case, precision: str, folder: Path) -> dict[str, Any]:
    """Return the verdict, and ``compiled``: the path of the model that was compiled, "" where none was."""
    model, calibrated = model_of(case), precision == "int8"
    request = checked_request(case.profiles, precision, ON_A_GPU[precision], calibrated=calibrated)
    files = Files(
        inputs=folder.parent / CHECK, calibration=folder.parent / CALIBRATION if calibrated else None
    )
    began = time.monotonic()
    with stage_processes(folder / LOG_FILE) as processes:
        compiler = Watched(processes.compiler)
        watched, digests = replace(processes, compiler=compiler), digests_of(model)
        try:
            built = build_with(watched, request, model, folder, lambda *_: None, digests=digests, files=files)
        except IgnitionError as error:
            found = _ended(error)
        else:
            found = _passed(built.facts.accuracy) | {"size": built.size}
    return {**found, "seconds": round(time.monotonic() - began, 1), **compiler.seen}


class Watched:
    """A compiler of which is known what it was given: no user sees the model that is really compiled."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.seen: dict[str, str] = {"compiled": "", "way": ""}

    def run(self, task: Task, watch: Watcher, deadline: float) -> dict[str, Any]:
        """Answer as the compiler does."""
        if task.prepared:
            self.seen["way"] = str(task.prepared.converter["path"])
        answer = self._runner.run(task, watch, deadline)
        if task.prepared:
            self.seen["compiled"] = task.prepared.path
        return answer


def _passed(accuracy: Mapping[str, Any] | None) -> dict[str, Any]:
    if accuracy is None:
        return {"verdict": NOTHING}
    largest = max((item["maxAbsolute"] for item in accuracy["outputs"]), default=0.0)
    return {"verdict": PASSED, "difference": largest}


def _ended(error: IgnitionError) -> dict[str, Any]:
    verdict = HELD_BACK if error.reason is Reason.VerificationFailed else REFUSED
    return {
        "verdict": verdict if is_typed(error) else CRASHED,
        "reason": str(error.reason),
        "message": error.message,
        "remedy": error.remedy,
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
