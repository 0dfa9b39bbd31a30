"""
TensorRT-RTX: compiles ahead of time on a CPU for the architectures it is told.

What it refuses here is what was measured on RTX 1.7.1 without a GPU.
"""

import platform
from importlib.metadata import distributions
from typing import Any

import tensorrt_rtx

from ignition_builder.options import Options
from ignition_builder.settled import flag_bit, settle
from ignition_hub.engine.errors import NodeError, Reason, RequestError
from ignition_hub.engine.identity import TENSORRT_RTX, EngineInputs

_WHEEL = "tensorrt-rtx-cu"


class Rtx:
    """The tensorrt_rtx module of this machine."""

    flavor = TENSORRT_RTX

    def __init__(self) -> None:
        self.trt: Any = tensorrt_rtx

    @property
    def version(self) -> str:
        """The full version."""
        return str(self.trt.__version__)

    @property
    def cuda_version(self) -> str | None:
        """The CUDA major version in the wheel's name: nothing else says it without a driver."""
        names = (str(item.metadata["Name"]).lower().replace("_", "-") for item in distributions())
        releases = (name.removeprefix(_WHEEL).split("-")[0] for name in names if name.startswith(_WHEEL))
        return next(releases, None)

    def check(self, inputs: EngineInputs, options: Options) -> None:
        """Refuse what RTX ignores, or fails on without a GPU."""
        if inputs.platform != f"linux-{platform.machine()}":
            raise NodeError(
                Reason.WrongTensorRT,
                f"the engine is for {inputs.platform}, this builder runs on linux-{platform.machine()}",
                "correct the BuildPool's nodeSelector",
            )
        if _capability(self.trt, inputs.gpu_arch) is None:
            raise RequestError(
                Reason.UnsupportedPrecision,
                f"TensorRT-RTX {self.version} does not compile for {inputs.gpu_arch}",
                f"it does for {', '.join(_archs(self.trt))}; use flavor TensorRT for others",
            )
        for refused, where, remedy in _refusals(inputs, options):
            if refused:
                raise RequestError(Reason.UnsupportedOption, where, remedy)

    def network_flags(self) -> int:
        """Return the bits for ``create_network``; RTX builds strongly typed only."""
        return flag_bit(self.trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")

    def aim(self, config: Any, inputs: EngineInputs) -> None:
        """Compile for the one architecture: RTX's default set claims more than it holds."""
        wanted = _capability(self.trt, inputs.gpu_arch)
        settle(config, "num_compute_capabilities", 1)
        taken = config.set_compute_capability(wanted, 0)
        if not taken or config.get_compute_capability(0) != wanted:
            raise RequestError(
                Reason.UnsupportedOption, f"TensorRT-RTX did not accept the target {inputs.gpu_arch}"
            )


def _refusals(inputs: EngineInputs, options: Options) -> tuple[tuple[bool, str, str], ...]:
    gate = next(iter(sorted(inputs.verification)), "")
    return (
        (
            options.version_compatible or options.exclude_lean_runtime,
            "options.versionCompatible: TensorRT-RTX engines need exactly the release that built them",
            "leave it out, or use flavor TensorRT",
        ),
        (options.plugins, "options.plugins: TensorRT-RTX loads no plugin libraries", "use flavor TensorRT"),
        (
            options.calibrates,
            "options.calibration: this builder does not calibrate",
            "push a model that has QuantizeLinear and DequantizeLinear nodes",
        ),
        (
            any(inputs.verification.values()),
            f"verification.{gate}: this builder has no GPU, so nothing can run the engine it compiles",
            "leave verification out, or build on a pool whose nodes have the GPU",
        ),
    )


def _capability(trt: Any, arch: str) -> Any | None:
    # By name: NVIDIA's integers move between releases.
    return trt.ComputeCapability.__members__.get(arch.replace("sm_", "SM"))


def _archs(trt: Any) -> list[str]:
    return [name.replace("SM", "sm_") for name in trt.ComputeCapability.__members__ if name.startswith("SM")]
