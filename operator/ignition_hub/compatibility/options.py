"""
The table of build options: one row for each option, or value or field of an option, of ``spec.options``.

Everything that reads an option derives from its row: what the truth table refuses (``option_rules``), what
the builder checks, tells TensorRT and reports (``ignition_builder.options``, ``compiling.applying``), how a
resource and a laptop spell it for the identity (``api.convert``, ``local.options``), and what the pages in
docs say. A new option is a row here and a typed field with its description in ``api/v1alpha1/options.py``,
which the tests compare with the row; only one that no flag, property or memory pool of TensorRT sets needs
code in the builder. The conformance tests compare the attribute names with NVIDIA's own bindings.

"Read from the bindings" is the source of every version and name; "measured" was run on TensorRT-RTX 1.7.1
without a GPU.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ignition_hub.compatibility.option_row import (
    FIRST,
    TAKES,
    OptionFields,
    OptionRow,
    RtxSupport,
    constant_of,
)
from ignition_hub.compatibility.support_matrix import Version
from ignition_hub.engine.warnings import Warn

_NO_TACTICS = RtxSupport(
    "Ignores", "TensorRT-RTX compiles ahead of time and times no tactics, so it changes nothing"
)
_NO_SPARSITY = RtxSupport(
    "Ignores", "TensorRT-RTX writes the same bytes with it and without, also for 2:4 weights"
)
_NO_REFIT = RtxSupport(
    "Refuses", "TensorRT-RTX fails to make refittable engines without a GPU (CHECK(status == CUDA_SUCCESS))"
)
_NO_STRIP = RtxSupport(
    "Refuses", "TensorRT-RTX fails to strip weights without a GPU (CHECK(status == CUDA_SUCCESS))"
)
_NO_LEAN = RtxSupport(
    "Refuses", "TensorRT-RTX has no lean runtime to embed; its engines need their own release"
)
_STRONG = RtxSupport("Refuses", "TensorRT-RTX is strongly typed and has no use for a calibration cache")
_ANY_SYSTEM = RtxSupport(
    "Refuses", "TensorRT-RTX logs an error and ignores it; its engines load on Linux and Windows alike"
)

EXTERNAL_LIBRARIES = ("CUBLAS", "CUBLAS_LT", "CUDNN")
"""Tactic sources that every hardware compatible engine goes without (NVIDIA's source)."""
_TACTIC_SOURCES = (*EXTERNAL_LIBRARIES, "EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS")
_REFITS = ("Refit", "RefitIdentical", "RefitIndividual")


def _config(name: str) -> str:
    return f"IBuilderConfig.{name}"


def _flag(name: str, flag: str, rtx: RtxSupport, since: Version = FIRST, **more: Any) -> OptionRow:
    return OptionRow(
        name=name,
        kind="Flag",
        rtx=rtx,
        since=since,
        attributes=(f"BuilderFlag.{flag}", *more.pop("beside", ())),
        default=False,
        **more,
    )


def _pool(name: str, pool: str, since: Version = FIRST, rtx: RtxSupport = TAKES) -> OptionRow:
    return OptionRow(
        name=name,
        kind="Bytes",
        rtx=rtx,
        since=since,
        attributes=(
            f"MemoryPoolType.{pool}", _config("set_memory_pool_limit"), _config("get_memory_pool_limit"),
        ),
        example={name.partition(".")[2]: 1 << 20} if "." in name else 1 << 30,
    )  # fmt: skip


def _refit(word: str, flag: str, since: Version = FIRST) -> OptionRow:
    return OptionRow(
        name=f"refit.{word}",
        kind="Word",
        rtx=_NO_REFIT,
        since=since,
        attributes=(f"BuilderFlag.{flag}",),
        example=word,
        words=_REFITS,
    )


def _tactics(name: str) -> OptionRow:
    return OptionRow(
        name=f"tacticSources.{name}",
        kind="Words",
        rtx=_NO_TACTICS,
        until=(11,) if name in EXTERNAL_LIBRARIES else None,
        attributes=(
            f"TacticSource.{name}", _config("set_tactic_sources"), _config("get_tactic_sources"),
        ),
        example=[name],
        words=_TACTIC_SOURCES,
    )  # fmt: skip


def _number(name: str, attribute: str, bounds: tuple[int, int], **more: Any) -> OptionRow:
    return OptionRow(name=name, kind="Number", attributes=(_config(attribute),), bounds=bounds, **more)


def _word(name: str, attribute: str, words: tuple[str, ...], **more: Any) -> OptionRow:
    """Return the row of a property that is a member of the enumeration of its own name."""
    members = (f"{attribute.title().replace('_', '')}.{constant_of(word)}" for word in words)
    return OptionRow(name=name, kind="Word", attributes=(_config(attribute), *members), words=words, **more)


OPTION_ROWS: tuple[OptionRow, ...] = (
    _number("optimizationLevel", "builder_optimization_level", (0, 5), since=(8, 6), example=5, default=3),
    _pool("workspace", "WORKSPACE"),
    _pool("memoryPools.tacticSharedMemory", "TACTIC_SHARED_MEMORY", (10, 0)),
    _pool("memoryPools.tacticDram", "TACTIC_DRAM", (8, 6), rtx=_NO_TACTICS),
    _flag(
        "versionCompatible.enabled",
        "VERSION_COMPATIBLE",
        _NO_LEAN,
        (8, 6),
        beside=(_config("plugins_to_serialize"),),
        example={"enabled": True},
    ),
    # After VERSION_COMPATIBLE: alone it is rejected (measured).
    _flag(
        "versionCompatible.excludeLeanRuntime",
        "EXCLUDE_LEAN_RUNTIME",
        _NO_LEAN,
        (8, 6),
        example={"enabled": True, "excludeLeanRuntime": True},
    ),
    _flag("sparseWeights", "SPARSE_WEIGHTS", _NO_SPARSITY),
    _refit("Refit", "REFIT"),
    _refit("RefitIdentical", "REFIT_IDENTICAL", (10, 0)),
    _refit("RefitIndividual", "REFIT_INDIVIDUAL", (10, 2)),
    _flag("stripPlan", "STRIP_PLAN", _NO_STRIP, (10, 0)),
    _flag("weightStreaming", "WEIGHT_STREAMING", TAKES, (10, 0)),
    *map(_tactics, _TACTIC_SOURCES),
    _word(
        "tilingOptimizationLevel",
        "tiling_optimization_level",
        ("None", "Fast", "Moderate", "Full"),
        rtx=_NO_TACTICS,
        since=(10, 8),
        example="Fast",
        default="None",
    ),
    _number("maxNumTactics", "max_num_tactics", (1, 2**31 - 1), rtx=_NO_TACTICS, since=(10, 4), example=16),
    # The upper ends of these two are this product's, the others NVIDIA's (documentation).
    _number("maxAuxStreams", "max_aux_streams", (0, 64), since=(8, 6), example=0),
    _number("avgTimingIterations", "avg_timing_iterations", (1, 100), rtx=_NO_TACTICS, example=8, default=1),
    _word(
        "profilingVerbosity",
        "profiling_verbosity",
        ("LayerNamesOnly", "Detailed", "None"),
        example="Detailed",
        default="LayerNamesOnly",
    ),
    _word(
        "runtimePlatform.WindowsAMD64",
        "runtime_platform",
        ("SameAsBuild", "WindowsAMD64"),
        rtx=_ANY_SYSTEM,
        since=(10, 2),
        example="WindowsAMD64",
        default="SameAsBuild",
    ),
    OptionRow(
        name="plugins",
        kind="Files",
        attributes=("get_plugin_registry",),
        example=[{"name": "attention"}],
        default=[],
        inner={"delivery": ("Packed", "External")},
    ),
    OptionRow(
        name="calibration.cache",
        kind="Files",
        rtx=_STRONG,
        until=(11,),
        attributes=("IInt8EntropyCalibrator2", _config("int8_calibrator")),
        example={"source": {"uri": "s3://models/int8.cache"}},
    ),
    OptionRow(
        name="calibration",
        kind="Files",
        example={"source": {"uri": "s3://models/inputs.npz"}},
        inner={"method": ("entropy", "max")},
    ),
    OptionRow(name="failOnWarnings", kind="Words", example=["Int64Clamped"], default=[], words=tuple(Warn)),
)
"""Every option of ``spec.options``; one at its default asks for nothing and is not in the document."""

FIELDS: OptionFields = {
    row.option: {one.part: one for one in OPTION_ROWS if one.option == row.option} if row.is_inner else row
    for row in OPTION_ROWS
}
"""The fields of ``spec.options``: each has its row, or fields with theirs where it is an object."""

_IGNORED = RtxSupport(
    "Ignores", "TensorRT-RTX warns and ignores it; its engines load wherever their code fits"
)
_STRONGLY_TYPED = RtxSupport("Refuses", "TensorRT-RTX is strongly typed: the data types of the model hold")

LEVEL_ROWS: tuple[OptionRow, ...] = (
    OptionRow(
        name="compatibility.AmperePlus",
        kind="Word",
        rtx=_IGNORED,
        since=(8, 6),
        attributes=(_config("hardware_compatibility_level"), "HardwareCompatibilityLevel.AMPERE_PLUS"),
    ),
    OptionRow(
        name="compatibility.SameComputeCapability",
        kind="Word",
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
        kind="Flag",
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
    """Give the rows that ``options`` asks for, each with the value of its field."""
    for row in OPTION_ROWS:
        value = options.get(row.option)
        if row.is_inner:
            value = value.get(row.part) if isinstance(value, Mapping) else None
        if value != row.default and _asks_for(row, value):
            yield row, value


def names_calibration_cache(calibration: Mapping[str, Any]) -> bool:
    """Tell whether calibration names a cache of TensorRT's calibrators, by its file name's end."""
    uri = str((calibration.get("source") or {}).get("uri", ""))
    return uri.endswith((".cache", ".calib"))


def _asks_for(row: OptionRow, value: Any) -> bool:
    if row.name == "calibration.cache":
        return isinstance(value, Mapping) and names_calibration_cache(value)
    if row.kind == "Word" and row.part:
        return bool(value == row.part)
    if row.kind == "Words" and row.part:
        return isinstance(value, list | tuple) and row.part in value
    # 0 asks for something where false and an empty list do not.
    return bool(value) or (isinstance(value, int) and not isinstance(value, bool))
