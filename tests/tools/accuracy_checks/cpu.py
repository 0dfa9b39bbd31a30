"""
Build trained networks in every precision with the accuracy check, where there is no GPU.

The candidate runs on the CPU: the converted or quantized model against the model as it came, on numbers
drawn like the network's real inputs; int8 is calibrated on others of the same kind.
"""

from dataclasses import dataclass
from pathlib import Path

from accuracy_checks.inputs import CALIBRATION, INPUTS, written
from accuracy_checks.request import request_of
from ignition_builder.files import Files
from ignition_builder.pipeline import build
from ignition_hub.engine.errors import IgnitionError
from realmodels import real_model


@dataclass(frozen=True, slots=True)
class CheckedBuild:
    """
    One model in one precision: its engine's size in bytes and figures, or the reason there is none.

    ``largest`` is None where nothing was converted, and so nothing compared; ``remedy`` is what a refusal
    says would work; ``agreement`` is the smallest share of answers that stayed the same, None where no output
    is an answer.
    """

    model: str
    precision: str
    size: int = 0
    seconds: float = 0.0
    largest: float | None = None
    path: str = ""
    reason: str = ""
    remedy: str = ""
    agreement: float | None = None


def checked_build(name: str, precision: str, folder: Path) -> CheckedBuild:
    """Build ``name`` in ``folder`` and return what came of it."""
    calibrated = precision == "int8"
    files = Files(
        calibration=written(name, folder / "calibration.npz", CALIBRATION) if calibrated else None,
        inputs=written(name, folder / "inputs.npz", INPUTS),
    )
    request = request_of(name, precision, calibrated=calibrated)
    try:
        built = build(request, real_model(name), folder, lambda phase, part: None, files=files)
    except IgnitionError as error:
        return CheckedBuild(name, precision, reason=f"{error.reason}: {error.message}", remedy=error.remedy)
    facts = built.facts
    assert facts.converter is not None
    outputs = facts.accuracy["outputs"] if facts.accuracy else []
    answers = [item["argmaxAgreement"] for item in outputs if "argmaxAgreement" in item]
    return CheckedBuild(
        name,
        precision,
        built.size,
        facts.seconds,
        max((item["maxAbsolute"] for item in outputs), default=None),
        facts.converter["path"],
        agreement=min(answers, default=None),
    )
