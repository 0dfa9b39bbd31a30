"""
TensorRT-RTX: compiles ahead of time on a CPU for the architectures it is told.

What it refuses here is what was measured on RTX 1.7.1 without a GPU.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from ignition_builder.compiling.backend import check_platform, cuda_of_wheels
from ignition_builder.compiling.checked_config import Settled
from ignition_builder.messages import severity_of
from ignition_builder.options import BuildOptions
from ignition_hub.compatibility.options import asked_rows
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import TENSORRT_RTX, EngineInputs


class RtxBackend:
    """The tensorrt_rtx module of this machine; ``module`` is another one in tests."""

    flavor = TENSORRT_RTX
    gpu: Mapping[str, Any] | None = None
    driver: str | None = None
    has_timing_cache = False
    """RTX takes one and never reads it (measured on RTX 1.7.1); nothing is timed ahead of time."""

    def __init__(self, module: Any = None) -> None:
        self.trt = module or importlib.import_module("tensorrt_rtx")

    @property
    def version(self) -> str:
        """The full version."""
        return str(self.trt.__version__)

    @property
    def cuda_version(self) -> str | None:
        """The CUDA major version in the wheel's name: nothing else says it without a driver."""
        return cuda_of_wheels("tensorrt_rtx_cu")

    def check(self, inputs: EngineInputs, options: BuildOptions) -> None:
        """Refuse what RTX ignores, or fails on without a GPU."""
        check_platform(inputs)
        if _capability(self.trt, inputs.gpu_arch) is None:
            raise RequestError(
                Reason.UnsupportedPrecision,
                f"TensorRT-RTX {self.version} does not compile for {inputs.gpu_arch}",
                f"it compiles for {', '.join(_archs(self.trt))}; use flavor TensorRT for others",
            )
        for row, _ in asked_rows(inputs.options):
            if row.rtx.verdict != "Takes":
                raise RequestError(
                    Reason.UnsupportedOption,
                    f"options.{row.name} was requested; {row.rtx.why}",
                    f"leave options.{row.name} out, or use flavor TensorRT",
                )
        if inputs.verification.get("benchmark"):
            raise RequestError(
                Reason.UnsupportedOption,
                "verification.benchmark: this builder has no GPU to run the engine it compiles",
                "leave verification.benchmark out, or build on a pool whose nodes have the GPU",
            )

    def aim(self, config: Settled, inputs: EngineInputs) -> None:
        """Compile for the one architecture: RTX's default set claims more than it holds."""
        wanted, told = _capability(self.trt, inputs.gpu_arch), config.config
        told.num_compute_capabilities = 1
        taken = told.set_compute_capability(wanted, 0)
        if not taken or told.num_compute_capabilities != 1 or told.get_compute_capability(0) != wanted:
            raise RequestError(
                Reason.UnsupportedOption, f"TensorRT-RTX did not accept the target {inputs.gpu_arch}"
            )

    def aimed_at(self, config: Any) -> dict[str, Any]:
        """Return the architectures that code is compiled for."""
        count = int(config.num_compute_capabilities)
        return {"computeCapabilities": [config.get_compute_capability(index).name for index in range(count)]}

    def severity_of(self, severity: str, message: str) -> str:
        """Return how grave a message is, by the table of errors that TensorRT-RTX gets over."""
        return severity_of(self.flavor, severity, message)


def _capability(trt: Any, arch: str) -> Any | None:
    # By name: NVIDIA's integers move between releases.
    return trt.ComputeCapability.__members__.get(arch.replace("sm_", "SM"))


def _archs(trt: Any) -> list[str]:
    return [name.replace("SM", "sm_") for name in trt.ComputeCapability.__members__ if name.startswith("SM")]
