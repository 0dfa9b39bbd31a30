"""
The GPU that TensorRT measures kernels on: is it the one the engine is for, and is it alone?
"""

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignition_builder.journal import Journal
from ignition_builder.memory import mebibytes
from ignition_hub.device import LIBNVML, DeviceFacts, NoGPU, device
from ignition_hub.engine.errors import NodeError, Reason
from ignition_hub.engine.identity import EngineInputs
from ignition_hub.engine.warnings import Warn

POWER_MODE = Path("/var/lib/nvpmodel/status")
"""Where a Jetson's nvpmodel keeps the power mode, as ``pmode:0002``."""
BUSY_BYTES = 256 * 1024 * 1024
"""An idle GPU holds less, what the driver reserves for itself not counted."""


def present_gpu(inputs: EngineInputs) -> DeviceFacts:
    """Return the first GPU that CUDA shows; NodeError (WrongGPU) when it shows none."""
    try:
        return device()
    except NoGPU as error:
        raise NodeError(
            Reason.WrongGPU,
            f"TensorRT builds only on a {inputs.gpu_arch} GPU, and this node has none: {error.message}",
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
            f"{found.name} is shared through MPS; TensorRT would time kernels while other work runs",
            "use BuildPool nodes whose GPUs are not shared",
        )


class Share:
    """
    Whose the memory of the GPU is that is in use: others', or what this process kept from its last build.

    Time slicing cannot be seen, its tenants can. The slices of a MIG GPU are apart and are not counted.
    """

    def __init__(self, library: str = LIBNVML) -> None:
        self._library, self._own, self._others = library, 0, 0

    def warn_if_busy(self, found: Mapping[str, Any], journal: Journal) -> None:
        """Warn (SharedGPU) when others hold memory; to be asked before a build uses the GPU."""
        held = None if found["mig"] else memory_in_use(self._library)
        self._others = max(0, (held or 0) - self._own)
        if self._others > BUSY_BYTES:
            size = f"{mebibytes(self._others)} of {found['name']}"
            journal.warn(Warn.SharedGPU, f"other processes use {size}; kernels are timed while they run")

    def settle(self) -> None:
        """Take what is in use beyond what others held for this process's own; to be called after a build."""
        self._own = max(0, (memory_in_use(self._library) or 0) - self._others)


class _MemoryInfo(ctypes.Structure):
    """``nvmlMemory_v2_t``: unlike its predecessor it tells what the driver reserves apart."""

    _fields_ = (
        ("version", ctypes.c_uint),
        ("total", ctypes.c_ulonglong),
        ("reserved", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


def memory_in_use(library: str = LIBNVML) -> int | None:
    """Return how many bytes of the first GPU are in use; None where NVML is missing, or does not say."""
    try:
        nvml = ctypes.CDLL(library)
        info, handle = _MemoryInfo(), ctypes.c_void_p()
        info.version = ctypes.sizeof(_MemoryInfo) | 2 << 24
        if nvml.nvmlInit_v2() != 0:
            return None
        try:
            found = nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(0), ctypes.byref(handle)) == 0
            told = found and nvml.nvmlDeviceGetMemoryInfo_v2(handle, ctypes.byref(info)) == 0
        finally:
            nvml.nvmlShutdown()
    except (OSError, AttributeError):
        # No library, or one older than the question.
        return None
    return int(info.used) if told else None


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
