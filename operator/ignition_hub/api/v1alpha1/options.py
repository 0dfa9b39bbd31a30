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


TacticSource = Literal["CUBLAS", "CUBLAS_LT", "CUDNN", "EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS"]


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
    comes from the builder image, which must hold libnvinfer_lean, and is host code: the loader must set
    engine_host_code_allowed.
    """


class MemoryPools(Part):
    """Limits of the memory that tactics may use while the engine runs; the workspace has its own option."""

    tactic_shared_memory: Annotated[Quantity | None, Field(json_schema_extra=ruled(PARSES_AS_QUANTITY))] = (
        None
    )
    """
    Shared memory of one tactic (TACTIC_SHARED_MEMORY, TensorRT 10.0 and newer). Default: what the GPU has.
    Example: 48Ki
    """
    tactic_dram: Annotated[Quantity | None, Field(json_schema_extra=ruled(PARSES_AS_QUANTITY))] = None
    """Device memory of one tactic (TACTIC_DRAM). Default: three quarters of the device. Example: 2Gi"""


class Calibration(Part):
    """The data that quantization ranges are taken from."""

    source: PinnedSource
    """
    Representative inputs, an .npz file with one array per input of the model; or, for TensorRT 8.5 to 10, a
    calibration cache that TensorRT wrote, whose name ends in .cache or .calib.
    """
    method: Literal["entropy", "max"] = "entropy"
    """How ranges are chosen: what keeps most information, or all of them. Default: entropy."""


class Plugin(Part):
    """
    A shared library with operators that TensorRT lacks. It runs as code in the builder and in every server.
    """

    name: FileWord
    """Name for messages, unique among the plugins. Example: deformable-attention"""
    source: PinnedSource
    """
    The library, pinned by its digest because it is code. Only an address below EngineStore
    `spec.pluginSources` is loaded.
    """
    delivery: Literal["Packed", "External"] = "Packed"
    """
    Packed puts the library into a version compatible engine; External leaves it to the server, which must
    load the same library first. Default: Packed.
    """


PLUGIN_URIS_BYTES = 8 * 1024
PLUGIN_URIS = rule(
    f"self.map(p, size(bytes(p.source.uri))).sum() <= {PLUGIN_URIS_BYTES}",
    f"the addresses (source.uri) of all plugins together have more than {PLUGIN_URIS_BYTES} bytes, too many "
    "for a build request: store the libraries under shorter keys",
)


class Options(Part):
    """How TensorRT builds. Every option is part of the engine's identity."""

    model_config = rules(
        rule(
            "!has(self.runtimePlatform) || self.runtimePlatform != 'WindowsAMD64' || "
            "!has(self.versionCompatible) || !self.versionCompatible.enabled || "
            "self.versionCompatible.excludeLeanRuntime",
            "a version compatible engine for Windows needs excludeLeanRuntime: true; "
            "the lean runtime that would be embedded is Linux code",
            at=".versionCompatible",
        ),
    )

    optimization_level: Annotated[int, Field(ge=0, le=5)] = 3
    """Builder optimization level, 0 (fast build) to 5 (longest search). Default: 3."""
    workspace: Annotated[Quantity | None, Field(json_schema_extra=ruled(PARSES_AS_QUANTITY))] = None
    """
    Limit of the workspace memory pool, a quantity in bytes. Default: all memory of the device. Example: 4Gi
    """
    version_compatible: VersionCompatible = VersionCompatible()
    """Whether newer releases of TensorRT may load the engine. Default: no."""
    memory_pools: MemoryPools = MemoryPools()
    """Limits of further memory pools. Default: TensorRT's own."""
    sparse_weights: bool = False
    """Let tactics use 2:4 sparsity where the weights have it (SPARSE_WEIGHTS). Default: false."""
    refit: Literal["Refit", "RefitIdentical", "RefitIndividual"] | None = None
    """
    How weights may be replaced later. Refit: any of them, at a cost in speed. RefitIdentical: by the same
    ones only, at full speed (TensorRT 10.0 and newer). RefitIndividual: those marked in the network (10.2 and
    newer). Default: none, the weights are fixed.
    """
    strip_plan: bool = False
    """
    Leave the weights out of the engine (STRIP_PLAN, TensorRT 10.0 and newer); it is refitted from the same
    ONNX file before use. Without `refit` it means RefitIdentical. Default: false.
    """
    weight_streaming: bool = False
    """
    Let the runtime stream weights from host memory (WEIGHT_STREAMING, strongly typed TensorRT 10.0 and
    newer). Default: false.
    """
    tactic_sources: (
        Annotated[tuple[TacticSource, ...], Field(max_length=5, json_schema_extra=AS_SET)] | None
    ) = None
    """
    Libraries that tactics may come from; [] allows none. Default: what the release of TensorRT switches on.
    CUBLAS, CUBLAS_LT and CUDNN are gone in TensorRT 11. Example: [JIT_CONVOLUTIONS]
    """
    tiling_optimization_level: Literal["None", "Fast", "Moderate", "Full"] = "None"
    """How long to search for tilings of the L2 cache (TensorRT 10.8 and newer). Default: None."""
    max_num_tactics: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """The most tactics measured for one layer (TensorRT 10.4 and newer). Default: the level decides."""
    max_aux_streams: Annotated[int, Field(ge=0, le=64)] | None = None
    """The most streams the engine may use besides its own. Default: TensorRT decides."""
    avg_timing_iterations: Annotated[int, Field(ge=1, le=100)] = 1
    """How often a tactic is measured; the mean counts. Default: 1."""
    profiling_verbosity: Literal["LayerNamesOnly", "Detailed", "None"] = "LayerNamesOnly"
    """What the engine tells the inspector about its layers. Default: LayerNamesOnly."""
    runtime_platform: Literal["SameAsBuild", "WindowsAMD64"] = "SameAsBuild"
    """The system the engine is loaded on (TensorRT 10.2 and newer). Default: SameAsBuild."""
    calibration: Calibration | None = None
    """Data for the ranges of int8. Default: none; the model then brings its own Q/DQ nodes."""
    plugins: Annotated[
        tuple[Plugin, ...], Field(max_length=16, json_schema_extra=ruled(PLUGIN_URIS, **keyed_by("name")))
    ] = ()
    """Plugin libraries the model needs. Default: none."""
    fail_on_warnings: Annotated[tuple[CamelWord, ...], Field(max_length=32, json_schema_extra=AS_SET)] = ()
    """
    Builder warnings that fail the build instead of being counted in `status.targets[].warnings`.
    Default: none. Example: [Int64Clamped]
    """
