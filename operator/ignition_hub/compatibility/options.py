"""
Which TensorRT has which option: one row for each option, or value of an option, of ``spec.options``.

``option_rules`` refuses with these rows. The conformance tests hold the attribute names in them, which the
builder needs for the option, against NVIDIA's own bindings. "Read from the bindings" is the source of every
version and name; "measured" was run on TensorRT-RTX 1.7.1 without a GPU.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ignition_hub.compatibility.option_row import FIRST, OptionRow, Rtx
from ignition_hub.compatibility.support_matrix import Version

__all__ = [
    "FIRST", "LEVEL_ROWS", "OPTION_ROWS", "WEAK_TYPE_ROWS", "OptionRow", "Rtx", "asked_rows",
    "names_calibration_cache", "row_of",
]  # fmt: skip

_TAKES = Rtx("Takes")
_NO_TACTICS = Rtx(
    "Ignores", "TensorRT-RTX compiles ahead of time and times no tactics, so it changes nothing"
)
_NO_SPARSITY = Rtx("Ignores", "TensorRT-RTX writes the same bytes with it and without, also for 2:4 weights")
_NO_REFIT = Rtx(
    "Refuses", "TensorRT-RTX fails to make refittable engines without a GPU (CHECK(status == CUDA_SUCCESS))"
)
_NO_STRIP = Rtx(
    "Refuses", "TensorRT-RTX fails to strip weights without a GPU (CHECK(status == CUDA_SUCCESS))"
)
_NO_LEAN = Rtx("Refuses", "TensorRT-RTX has no lean runtime to embed; its engines need their own release")
_STRONG = Rtx("Refuses", "TensorRT-RTX is strongly typed and has no use for a calibration cache")
_ANY_SYSTEM = Rtx(
    "Refuses", "TensorRT-RTX logs an error and ignores it; its engines load on Linux and Windows alike"
)


def _config(name: str) -> str:
    return f"IBuilderConfig.{name}"


def _tactics(name: str, *, until: Version | None = None) -> OptionRow:
    return OptionRow(
        name=f"tacticSources.{name}",
        rtx=_NO_TACTICS,
        until=until,
        attributes=(
            f"TacticSource.{name}", _config("set_tactic_sources"), _config("get_tactic_sources"),
        ),
        example=[name],
    )  # fmt: skip


def _pool(name: str, kind: str, since: Version = FIRST, rtx: Rtx = _TAKES) -> OptionRow:
    return OptionRow(
        name=name,
        rtx=rtx,
        since=since,
        attributes=(
            f"MemoryPoolType.{kind}", _config("set_memory_pool_limit"), _config("get_memory_pool_limit"),
        ),
        example={name.partition(".")[2]: 1 << 20} if "." in name else 1 << 30,
    )  # fmt: skip


OPTION_ROWS: tuple[OptionRow, ...] = (
    OptionRow(
        name="optimizationLevel",
        rtx=_TAKES,
        since=(8, 6),
        attributes=(_config("builder_optimization_level"),),
        example=5,
        default=3,
    ),
    _pool("workspace", "WORKSPACE"),
    _pool("memoryPools.tacticSharedMemory", "TACTIC_SHARED_MEMORY", (10, 0)),
    _pool("memoryPools.tacticDram", "TACTIC_DRAM", (8, 6), rtx=_NO_TACTICS),
    OptionRow(
        name="versionCompatible.enabled",
        rtx=_NO_LEAN,
        since=(8, 6),
        attributes=("BuilderFlag.VERSION_COMPATIBLE", _config("plugins_to_serialize")),
        example={"enabled": True},
    ),
    OptionRow(
        name="versionCompatible.excludeLeanRuntime",
        rtx=_NO_LEAN,
        since=(8, 6),
        attributes=("BuilderFlag.EXCLUDE_LEAN_RUNTIME",),
        example={"enabled": True, "excludeLeanRuntime": True},
    ),
    OptionRow(name="sparseWeights", rtx=_NO_SPARSITY, attributes=("BuilderFlag.SPARSE_WEIGHTS",)),
    OptionRow(name="refit.Refit", rtx=_NO_REFIT, attributes=("BuilderFlag.REFIT",), example="Refit"),
    OptionRow(
        name="refit.RefitIdentical",
        rtx=_NO_REFIT,
        since=(10, 0),
        attributes=("BuilderFlag.REFIT_IDENTICAL",),
        example="RefitIdentical",
    ),
    OptionRow(
        name="refit.RefitIndividual",
        rtx=_NO_REFIT,
        since=(10, 2),
        attributes=("BuilderFlag.REFIT_INDIVIDUAL",),
        example="RefitIndividual",
    ),
    OptionRow(name="stripPlan", rtx=_NO_STRIP, since=(10, 0), attributes=("BuilderFlag.STRIP_PLAN",)),
    OptionRow(
        name="weightStreaming", rtx=_TAKES, since=(10, 0), attributes=("BuilderFlag.WEIGHT_STREAMING",)
    ),
    _tactics("CUBLAS", until=(11,)),
    _tactics("CUBLAS_LT", until=(11,)),
    _tactics("CUDNN", until=(11,)),
    _tactics("EDGE_MASK_CONVOLUTIONS"),
    _tactics("JIT_CONVOLUTIONS"),
    OptionRow(
        name="tilingOptimizationLevel",
        rtx=_NO_TACTICS,
        since=(10, 8),
        attributes=(
            _config("tiling_optimization_level"),
            "TilingOptimizationLevel.FAST",
            "TilingOptimizationLevel.MODERATE",
            "TilingOptimizationLevel.FULL",
        ),
        example="Fast",
        default="None",
    ),
    OptionRow(
        name="maxNumTactics",
        rtx=_NO_TACTICS,
        since=(10, 4),
        attributes=(_config("max_num_tactics"),),
        example=16,
    ),
    OptionRow(
        name="maxAuxStreams",
        rtx=_TAKES,
        since=(8, 6),
        attributes=(_config("max_aux_streams"),),
        example=0,
    ),
    OptionRow(
        name="avgTimingIterations",
        rtx=_NO_TACTICS,
        attributes=(_config("avg_timing_iterations"),),
        example=8,
        default=1,
    ),
    OptionRow(
        name="profilingVerbosity",
        rtx=_TAKES,
        attributes=(
            _config("profiling_verbosity"),
            "ProfilingVerbosity.LAYER_NAMES_ONLY",
            "ProfilingVerbosity.DETAILED",
            "ProfilingVerbosity.NONE",
        ),
        example="Detailed",
        default="LayerNamesOnly",
    ),
    OptionRow(
        name="runtimePlatform.WindowsAMD64",
        rtx=_ANY_SYSTEM,
        since=(10, 2),
        attributes=(_config("runtime_platform"), "RuntimePlatform.WINDOWS_AMD64"),
        example="WindowsAMD64",
    ),
    OptionRow(
        name="plugins",
        rtx=_TAKES,
        attributes=("get_plugin_registry",),
        example=[{"name": "attention"}],
    ),
    OptionRow(
        name="calibration.cache",
        rtx=_STRONG,
        until=(11,),
        attributes=("IInt8EntropyCalibrator2", _config("int8_calibrator")),
        example={"source": {"uri": "s3://models/int8.cache"}},
    ),
    OptionRow(name="calibration", rtx=_TAKES, example={"source": {"uri": "s3://models/inputs.npz"}}),
    OptionRow(name="failOnWarnings", rtx=_TAKES, example=["Int64Clamped"]),
)
"""Every option of ``spec.options``; one at its default asks for nothing and is not in the document."""

RANGES: Mapping[str, tuple[int, int]] = {
    "optimizationLevel": (0, 5),
    "maxNumTactics": (1, 2**31 - 1),
    "maxAuxStreams": (0, 64),
    "avgTimingIterations": (1, 100),
}
"""Whole numbers an option may be (documentation; the upper ends of the last two are this product's)."""

VALUES: Mapping[str, tuple[str, ...]] = {
    "refit": ("Refit", "RefitIdentical", "RefitIndividual"),
    "tilingOptimizationLevel": ("None", "Fast", "Moderate", "Full"),
    "profilingVerbosity": ("LayerNamesOnly", "Detailed", "None"),
    "runtimePlatform": ("SameAsBuild", "WindowsAMD64"),
}
"""Words an option may be."""

_IGNORED = Rtx("Ignores", "TensorRT-RTX warns and ignores it; its engines load wherever their code fits")
_STRONGLY_TYPED = Rtx("Refuses", "TensorRT-RTX is strongly typed: the data types of the model hold")

LEVEL_ROWS: tuple[OptionRow, ...] = (
    OptionRow(
        name="compatibility.AmperePlus",
        rtx=_IGNORED,
        since=(8, 6),
        attributes=(_config("hardware_compatibility_level"), "HardwareCompatibilityLevel.AMPERE_PLUS"),
    ),
    OptionRow(
        name="compatibility.SameComputeCapability",
        rtx=_IGNORED,
        since=(10, 9),
        attributes=(
            _config("hardware_compatibility_level"), "HardwareCompatibilityLevel.SAME_COMPUTE_CAPABILITY",
        ),
    ),
)  # fmt: skip
"""The levels of ``target.compatibility`` that TensorRT has to be told; TensorRT-RTX needs no telling."""


def _weak(precision: str, since: Version = FIRST) -> OptionRow:
    return OptionRow(
        name=f"precision.{precision}",
        rtx=_STRONGLY_TYPED,
        since=since,
        until=(11,),
        attributes=(f"BuilderFlag.{precision.upper()}",),
    )


WEAK_TYPE_ROWS: tuple[OptionRow, ...] = (
    _weak("fp16"),
    _weak("bf16", (10, 0)),
    _weak("int8"),
    _weak("fp8", (8, 6)),
    _weak("int4", (10, 1)),
    _weak("fp4", (10, 8)),
)
"""Flags that allow a data type in a weakly typed network; 11 has none of them."""

_BY_NAME: Mapping[str, OptionRow] = {row.name: row for row in (*OPTION_ROWS, *LEVEL_ROWS, *WEAK_TYPE_ROWS)}


def row_of(name: str) -> OptionRow:
    """Return the row of ``stripPlan`` or ``refit.RefitIdentical``; KeyError for what is no option."""
    return _BY_NAME[name]


def asked_rows(options: Mapping[str, Any]) -> Iterator[tuple[OptionRow, Any]]:
    """Give the rows that ``options`` asks for, each with the value of its whole option."""
    for row in OPTION_ROWS:
        value = options.get(row.option)
        if value != row.default and _asks_for(value, row.part):
            yield row, value


def names_calibration_cache(calibration: Mapping[str, Any]) -> bool:
    """Tell whether calibration names a cache of TensorRT's calibrators, by its file name's end."""
    uri = str((calibration.get("source") or {}).get("uri", ""))
    return uri.endswith((".cache", ".calib"))


def _asks_for(value: Any, part: str) -> bool:
    if part == "cache":
        return isinstance(value, Mapping) and names_calibration_cache(value)
    if part and isinstance(value, Mapping):
        return bool(value.get(part))
    if part and isinstance(value, str):
        return value == part
    if part:
        return isinstance(value, list | tuple) and part in value
    # 0 asks for something where false and an empty list do not.
    return bool(value) or (isinstance(value, int) and not isinstance(value, bool))
