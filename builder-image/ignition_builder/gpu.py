"""
The GPU that TensorRT measures kernels on: is it the one the engine is for, and is it alone?
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignition_hub.device import DeviceFacts, NoGPU, device
from ignition_hub.engine.errors import NodeError, Reason
from ignition_hub.engine.identity import EngineInputs

POWER_MODE = Path("/var/lib/nvpmodel/status")
"""Where a Jetson's nvpmodel keeps the power mode, as ``pmode:0002``."""


def present_gpu(inputs: EngineInputs) -> DeviceFacts:
    """Return the first GPU that CUDA shows; NodeError (WrongGPU) when it shows none."""
    try:
        return device()
    except NoGPU as error:
        raise NodeError(
            Reason.WrongGPU,
            f"TensorRT builds on a {inputs.gpu_arch} itself, and there is none here: {error.message}",
            error.remedy,
        ) from error


def check_gpu(inputs: EngineInputs, found: DeviceFacts) -> None:
    """Raise NodeError unless ``found`` is the GPU that ``inputs`` name and nobody shares it."""
    if found.arch != inputs.gpu_arch:
        raise _wrong(found, f"of compute capability {found.compute_capability}, not {inputs.gpu_arch}")
    # CUDA calls every Jetson module of a family the same; the pool's labels tell them apart.
    if inputs.product and not found.integrated and found.product.lower() != inputs.product.lower():
        raise _wrong(found, f"and the engine is for {inputs.product}")
    if found.mps:
        raise NodeError(
            Reason.SharedGPU,
            f"{found.name} is shared through MPS; TensorRT would measure kernels beside other work",
            "give the BuildPool nodes whose GPUs are not shared",
        )


def gpu_facts(found: DeviceFacts) -> Mapping[str, Any]:
    """Return a GPU as BuildFacts records it; sizes in bytes."""
    return {
        "name": found.name,
        "compute_capability": found.compute_capability,
        "memory_bytes": found.memory_bytes,
        "sm_count": found.multiprocessors,
        "mig": found.mig,
        "power_mode": power_mode() if found.integrated else None,
    }


def power_mode(path: Path = POWER_MODE) -> str | None:
    """Return a Jetson's power mode; None elsewhere, or when nvpmodel has not set one."""
    try:
        words = path.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return None
    return next((word.partition(":")[2] for word in words if word.startswith("pmode:")), None)


def _wrong(found: DeviceFacts, why: str) -> NodeError:
    return NodeError(
        Reason.WrongGPU,
        f"the GPU here is {found.name}, {why}",
        "correct the BuildPool: its nodeSelector must choose nodes with the GPU it names",
    )
