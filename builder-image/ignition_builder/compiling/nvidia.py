"""
TensorRT itself: builds on the GPU that the engine is for, and measures kernels on it.

Nothing of NVIDIA's is created before a driver was found: without one TensorRT hands out objects whose next
call crashes the process (measured on the lean runtime of 11.4).
"""

import importlib
import os
from collections.abc import Mapping
from typing import Any

from ignition_builder.compiling.backend import check_platform, cuda_of_wheels
from ignition_builder.compiling.checked_config import Settled, members_of
from ignition_builder.compiling.gpu import check_gpu, gpu_facts, present_gpu
from ignition_builder.compiling.lean import require_lean_runtime
from ignition_builder.messages import severity_of
from ignition_builder.options import BuildOptions
from ignition_hub.compatibility.support_matrix import dotted, parse_version
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import (
    AMPERE_PLUS,
    PRODUCT,
    SAME_COMPUTE_CAPABILITY,
    TENSORRT,
    EngineInputs,
)

CUDA_VARIABLE = "CUDA_VERSION"
"""What NVIDIA's images set to the release of their CUDA toolkit."""

_LEVELS = {
    PRODUCT: "NONE",
    SAME_COMPUTE_CAPABILITY: "SAME_COMPUTE_CAPABILITY",
    AMPERE_PLUS: "AMPERE_PLUS",
}


class TensorRTBackend:
    """The tensorrt module of this machine; ``module`` is another one in tests."""

    flavor = TENSORRT
    has_timing_cache = True

    def __init__(self, module: Any = None) -> None:
        self.trt = module or importlib.import_module("tensorrt")
        self.gpu: Mapping[str, Any] | None = None
        self.driver: str | None = None

    @property
    def version(self) -> str:
        """The version as numbers: three up to 10.7, four later (read from the bindings)."""
        # One release was published again, as 10.14.1.48.post1.
        return dotted(parse_version(str(self.trt.__version__)))

    @property
    def cuda_version(self) -> str | None:
        """The release that ``cuda_release`` finds."""
        return cuda_release()

    def check(self, inputs: EngineInputs, options: BuildOptions) -> None:
        """
        Raise NodeError (WrongGPU, SharedGPU) unless the GPU is the one that is asked for, and alone.

        Raises RequestError (UnsupportedOption) where a lean runtime is to be embedded and none is installed.
        """
        check_platform(inputs)
        device = present_gpu(inputs)
        check_gpu(inputs, device)
        require_lean_runtime(self.trt, self.version, options)
        self.gpu, self.driver = gpu_facts(device), device.driver

    def aim(self, config: Settled, inputs: EngineInputs) -> None:
        """Set how far the engine reaches; what it is built on is the GPU that is here."""
        row, level = f"compatibility.{inputs.compatibility}", _LEVELS[inputs.compatibility]
        if level == "NONE":
            _keep_to_the_product(config)
        else:
            level = config.member(row, "HardwareCompatibilityLevel", level)
            config.attribute(row, "hardware_compatibility_level", level)

    def aimed_at(self, config: Any) -> dict[str, Any]:
        """Return the level of hardware compatibility; TensorRT 8.5 has none and nothing to say of it."""
        if not hasattr(config, "hardware_compatibility_level"):
            return {}
        return {"hardwareCompatibilityLevel": config.hardware_compatibility_level.name}

    def severity_of(self, severity: str, message: str) -> str:
        """Return how grave a message is, by the table of errors that TensorRT gets over."""
        return severity_of(self.flavor, severity, message)


def cuda_release() -> str | None:
    """Return the CUDA toolkit of NVIDIA's image, else the major version in the name of TensorRT's wheel."""
    return os.environ.get(CUDA_VARIABLE) or cuda_of_wheels("tensorrt_cu")


def _keep_to_the_product(config: Settled) -> None:
    none = members_of(config.trt, "HardwareCompatibilityLevel").get("NONE")
    if getattr(config.config, "hardware_compatibility_level", none) != none:
        raise RequestError(
            Reason.UnsupportedOption, f"{config.release} builds hardware compatible engines only"
        )
