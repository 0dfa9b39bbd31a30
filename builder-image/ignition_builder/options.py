"""
Read ``spec.options`` as this builder understands them; what it cannot honour is refused, never ignored.

An option that is part of an identity and has no effect would make the manifest a lie. Which TensorRT takes
which option is not decided here: ``applying`` tells TensorRT and reads back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.compatibility.options import OPTION_ROWS, RANGES, VALUES
from ignition_hub.engine.errors import Reason, RequestError

OPTIMIZATION_LEVEL = 3
"""TensorRT's own default (NVIDIA documentation)."""
PACKED, EXTERNAL = "Packed", "External"

_KNOWN = tuple(dict.fromkeys(row.option for row in OPTION_ROWS))
_POOLS = ("tacticSharedMemory", "tacticDram")


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin library by its name; ``delivery`` is Packed or External, ``sha256`` what its source pins."""

    name: str
    sha256: str | None = None
    delivery: str = PACKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What TensorRT is told; sizes are in bytes, None means that TensorRT decides."""

    optimization_level: int = OPTIMIZATION_LEVEL
    workspace: int | None = None
    tactic_shared_memory: int | None = None
    tactic_dram: int | None = None
    version_compatible: bool = False
    exclude_lean_runtime: bool = False
    sparse_weights: bool = False
    refit: str | None = None
    strip_plan: bool = False
    weight_streaming: bool = False
    tactic_sources: tuple[str, ...] | None = None
    tiling_optimization_level: str | None = None
    max_num_tactics: int | None = None
    max_aux_streams: int | None = None
    avg_timing_iterations: int | None = None
    profiling_verbosity: str | None = None
    runtime_platform: str | None = None
    plugins: tuple[Plugin, ...] = ()
    fail_on_warnings: tuple[str, ...] = ()


def options_of(document: Mapping[str, Any]) -> Options:
    """Return the options of a request; raises RequestError (UnsupportedOption) that names the bad one."""
    for name in document:
        if name not in _KNOWN:
            raise _refusal(f"options.{name}", "this builder does not know it", f"known: {', '.join(_KNOWN)}")
    compatible = _mapping(document.get("versionCompatible"), "versionCompatible", "{enabled: true}")
    pools = _mapping(document.get("memoryPools"), "memoryPools", "{tacticDram: 1Gi}")
    for name in pools:
        if name not in _POOLS:
            raise _refusal(
                f"options.memoryPools.{name}", "there is no such pool", f"use {' or '.join(_POOLS)}"
            )
    level = _number(document, "optimizationLevel")
    return Options(
        optimization_level=OPTIMIZATION_LEVEL if level is None else level,
        workspace=_bytes(document.get("workspace"), "workspace"),
        tactic_shared_memory=_bytes(pools.get("tacticSharedMemory"), "memoryPools.tacticSharedMemory"),
        tactic_dram=_bytes(pools.get("tacticDram"), "memoryPools.tacticDram"),
        version_compatible=bool(compatible.get("enabled", False)),
        exclude_lean_runtime=bool(compatible.get("excludeLeanRuntime", False)),
        sparse_weights=_flag(document, "sparseWeights"),
        refit=_word(document, "refit"),
        strip_plan=_flag(document, "stripPlan"),
        weight_streaming=_flag(document, "weightStreaming"),
        tactic_sources=_tactic_sources(document.get("tacticSources")),
        tiling_optimization_level=_word(document, "tilingOptimizationLevel"),
        max_num_tactics=_number(document, "maxNumTactics"),
        max_aux_streams=_number(document, "maxAuxStreams"),
        avg_timing_iterations=_number(document, "avgTimingIterations"),
        profiling_verbosity=_word(document, "profilingVerbosity"),
        runtime_platform=_word(document, "runtimePlatform"),
        plugins=tuple(_plugin(item, index) for index, item in enumerate(document.get("plugins") or ())),
        fail_on_warnings=tuple(document.get("failOnWarnings") or ()),
    )


def _number(document: Mapping[str, Any], name: str) -> int | None:
    value = document.get(name)
    if value is None:
        return None
    least, most = RANGES[name]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _refusal(f"options.{name}", f"{value!r} is outside its range", f"use {least} to {most}")
    return value


def _word(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    if value is not None and value not in VALUES[name]:
        raise _refusal(
            f"options.{name}", f"{value!r} is none of its values", f"use {', '.join(VALUES[name])}"
        )
    return value


def _flag(document: Mapping[str, Any], name: str) -> bool:
    value = document.get(name)
    if value is not None and not isinstance(value, bool):
        raise _refusal(f"options.{name}", f"{value!r} is not true or false", "use true or false")
    return bool(value)


def _bytes(value: Any, name: str) -> int | None:
    if value is None:
        return None
    # Quantities are written in a resource only: two spellings of one size would be two identities.
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _refusal(f"options.{name}", f"{value!r} is no number of bytes", "4Gi is 4294967296")
    return value


def _tactic_sources(value: Any) -> tuple[str, ...] | None:
    known = [row.part for row in OPTION_ROWS if row.option == "tacticSources"]
    for name in value or ():
        if name not in known:
            raise _refusal("options.tacticSources", f"{name!r} is none", f"use any of {', '.join(known)}")
    return None if value is None else tuple(value)


def _plugin(item: Any, index: int) -> Plugin:
    where = f"plugins[{index}]"
    read = _mapping(item, where, "{name: attention, source: {uri: …, sha256: …}}")
    source = _mapping(read.get("source"), f"{where}.source", "{uri: …, sha256: …}")
    delivery = read.get("delivery", PACKED)
    if delivery not in (PACKED, EXTERNAL):
        raise _refusal(f"options.{where}.delivery", f"{delivery!r} is none", f"use {PACKED} or {EXTERNAL}")
    return Plugin(str(read.get("name", "")), source.get("sha256"), delivery)


def _mapping(value: Any, name: str, example: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _refusal(f"options.{name}", f"{value!r} is not an object", f"for example {example}")
    return value


def _refusal(where: str, why: str, remedy: str) -> RequestError:
    return RequestError(Reason.UnsupportedOption, f"{where}: {why}", remedy)
