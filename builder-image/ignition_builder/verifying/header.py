"""
Look at a finished engine's own header before anybody is told that it exists.
"""

from pathlib import Path

from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import TENSORRT_RTX, EngineInputs
from ignition_hub.engine.plan import PlanError, read_plan_header


def check_plan(path: Path, size: int, inputs: EngineInputs) -> None:
    """Raise RequestError (BuildFailed) unless the plan says of itself what ``inputs`` asked for."""
    try:
        with path.open("rb") as file:
            header = read_plan_header(file)
    except PlanError as error:
        raise RequestError(
            Reason.BuildFailed, f"TensorRT wrote something that is not a plan: {error}"
        ) from error
    facts = [
        ("flavor", header.flavor, inputs.flavor),
        ("version", header.version, _counted(inputs.tensorrt_version, header.version)),
        ("size", header.size, size),
    ]
    if inputs.flavor == TENSORRT_RTX:
        facts.append(("architectures", header.capabilities, (inputs.gpu_arch,)))
    for name, found, wanted in facts:
        if found != wanted:
            raise RequestError(
                Reason.BuildFailed, f"the plan's own header says {name} {found!r}, not {wanted!r}"
            )


def _counted(wanted: str, found: str) -> str:
    """Return ``wanted`` as a header spells it: each part in one byte, as many parts as were asked for."""
    parts = [str(int(part) % 256) for part in wanted.split(".")]
    return ".".join(parts + found.split(".")[len(parts) :])
