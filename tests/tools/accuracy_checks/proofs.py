"""
How far conversions of trained networks are from their models, as the proof of a conversion measures it.

A cell has three figures in percent, of the output that is farthest: in the precision's own types, with
nothing rounded but weights, and what weights rounded alike do to the model that came.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from accuracy_checks.inputs import CALIBRATION, written
from accuracy_checks.request import request_of
from ignition_builder.documents import INSPECT, Prepared, Task
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.precision import stage as preparing
from ignition_builder.report import Report
from ignition_builder.verifying.distance import distance
from ignition_builder.verifying.runs import Outputs, Runs
from realmodels import MODELS, real_model

CONVERTED = ("fp16", "bf16", "int8")


def show() -> None:
    """Print the table."""
    print(f"| | {' | '.join(CONVERTED)} |\n|---|---|---|---|")
    for name in MODELS:
        print(f"| {name} | {' | '.join(cell(name, precision) for precision in CONVERTED)} |", flush=True)


def cell(name: str, precision: str) -> str:
    """Convert a network as a build does and return its three figures."""
    with tempfile.TemporaryDirectory() as folder:
        runs = _runs(name, precision, Path(folder))
        found = (runs.own(), runs.plain(), runs.rounded())
        return ", ".join(f"{_farthest(runs.right, outputs):.3g}" for outputs in found)


def _runs(name: str, precision: str, folder: Path) -> Runs:
    is_calibrated = precision == "int8"
    request = request_of(name, precision, calibrated=is_calibrated)
    calibration = written(name, folder / "calibration.npz", CALIBRATION) if is_calibrated else None
    task = Task(
        stage=INSPECT,
        request=request,
        model=str(real_model(name)),
        folder=str(folder),
        log=str(folder / "log"),
        files=Files(calibration=calibration),
    )
    with Journal(folder / "log") as journal, (folder / "answers").open("wb") as answers:
        prepared = Prepared.from_json(preparing.run(task, Report(answers.fileno()), journal))
    return Runs(replace(task, prepared=prepared), prepared)


def _farthest(right: Outputs, outputs: Outputs) -> float:
    return max(100 * distance(wanted, outputs[name]).relative for name, wanted in right.items())
