"""
Look at a finished engine's own header before anybody is told that it exists.
"""

from pathlib import Path

from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import TENSORRT_RTX, EngineInputs
from ignition_hub.engine.plan_header import PlanError, read_plan_header


def check_plan(path: Path, size: int, inputs: EngineInputs) -> None:
    """Raise RequestError (BuildFailed) unless the plan says of itself what ``inputs`` asked for."""
    try:
        with path.open("rb") as file:
            header = read_plan_header(file)
    except PlanError as error:
        raise RequestError(
            Reason.BuildFailed, f"TensorRT wrote something that is not a plan: {error}"
        ) from error
    facts: list[tuple[str, object, object, bool]] = [
        ("flavor", header.flavor, inputs.flavor, header.flavor == inputs.flavor),
        ("version", header.version, inputs.tensorrt_version, header.is_of(inputs.tensorrt_version)),
        ("size", header.size, size, header.size == size),
    ]
    if inputs.flavor == TENSORRT_RTX:
        archs = (inputs.gpu_arch,)
        facts.append(("architectures", header.capabilities, archs, header.capabilities == archs))
    for name, found, wanted, agree in facts:
        if not agree:
            raise RequestError(
                Reason.BuildFailed, f"the plan's own header says {name} {found!r}, not {wanted!r}"
            )
