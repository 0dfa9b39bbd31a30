"""
``spec.options`` of a TensorRTEngine: how TensorRT builds, by TensorRT's own names.

Every option is part of the identity. The defaults are TensorRT's (NVIDIA documentation), so that writing a
default and leaving it out mean the same engine.
"""

from typing import Annotated, Literal

from pydantic import Field

from ignition_hub.api.schema import AS_SET, CamelWord, FileWord, Part, Quantity, keyed_by, rule, ruled, rules
from ignition_hub.api.v1alpha1.common import PinnedSource

PARSES_AS_QUANTITY = rule(
    "isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))",
    "must be a quantity above zero, for example 4Gi",
)


class VersionCompatible(Part):
    """Whether the engine loads in newer releases of TensorRT than the one that built it."""

    model_config = rules(
        rule(
            "!self.excludeLeanRuntime || self.enabled",
            "excludeLeanRuntime needs enabled: true; only a version compatible engine embeds a lean runtime",
            at=".excludeLeanRuntime",
        )
    )

    enabled: bool = False
    """Build with VERSION_COMPATIBLE. Default: false, the engine needs exactly the release that built it."""
    exclude_lean_runtime: bool = False
    """
    Leave the embedded lean runtime out; the loader then brings its own. Default: false. An embedded runtime
    is host code: the loader must set engine_host_code_allowed.
    """


class Calibration(Part):
    """The data that quantization ranges are taken from."""

    source: PinnedSource
    """Representative inputs, an .npz file with one array per input of the model."""
    method: Literal["entropy", "max", "awq_clip", "rtn_dq"] = "entropy"
    """How ranges are chosen. Default: entropy. awq_clip and rtn_dq are for int4."""


class Plugin(Part):
    """
    A shared library with operators that TensorRT lacks. It runs as code in the builder and in every server.
    """

    name: FileWord
    """Name for messages, unique among the plugins. Example: deformable-attention"""
    source: PinnedSource
    """The library, pinned by its digest because it is code."""


class Options(Part):
    """How TensorRT builds. Every option is part of the engine's identity."""

    optimization_level: Annotated[int, Field(ge=0, le=5)] = 3
    """Builder optimization level, 0 (fast build) to 5 (longest search). Default: 3."""
    workspace: Annotated[Quantity | None, Field(json_schema_extra=ruled(PARSES_AS_QUANTITY))] = None
    """
    Limit of the workspace memory pool, a quantity in bytes. Default: all memory of the device. Example: 4Gi
    """
    version_compatible: VersionCompatible = VersionCompatible()
    """Whether newer releases of TensorRT may load the engine. Default: no."""
    calibration: Calibration | None = None
    """Data for int8, fp8 or int4 ranges. Default: none; the model then brings its own Q/DQ nodes."""
    plugins: Annotated[tuple[Plugin, ...], Field(max_length=16, json_schema_extra=keyed_by("name"))] = ()
    """Plugin libraries the model needs. Default: none."""
    fail_on_warnings: Annotated[tuple[CamelWord, ...], Field(max_length=32, json_schema_extra=AS_SET)] = ()
    """
    Builder warnings that fail the build instead of being counted in `status.targets[].warnings`.
    Default: none. Example: [Int64Clamped]
    """
