"""
Tell TensorRT each option that was asked for, and say what is in force afterwards.

One row for each option: where its value comes from and how TensorRT is told. Names are TensorRT's own, the
same as in ``compatibility.options``; at run time their presence decides, not the version.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ignition_builder.compiling.settled import ROWS, Settled, members_of, names_of
from ignition_builder.options import Options

Tell = Callable[[Settled, str, Any], None]


@dataclass(frozen=True, slots=True)
class Step:
    """
    One option of ``spec.options``.

    ``row`` is its name in ``compatibility.options``; ``asked`` gives the value, where None, False and the
    row's default ask for nothing: a release that lacks the option builds as its default says.
    """

    row: str
    asked: Callable[[Options], Any]
    tell: Tell


def _attribute(name: str) -> Tell:
    return lambda config, row, value: config.attribute(row, name, value)


def _flag(name: str) -> Tell:
    return lambda config, row, _: config.flag(row, name)


def _pool(kind: str) -> Tell:
    return lambda config, row, size: config.pool(row, kind, size)


def _enumerated(name: str, kind: str) -> Tell:
    def tell(config: Settled, row: str, word: str) -> None:
        config.attribute(row, name, config.member(row, kind, _constant(word)))

    return tell


def _constant(word: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).upper()


def _refit(mode: str) -> Callable[[Options], bool]:
    return lambda options: options.refit == mode


STEPS: tuple[Step, ...] = (
    Step("optimizationLevel", lambda o: o.optimization_level, _attribute("builder_optimization_level")),
    Step("workspace", lambda o: o.workspace, _pool("WORKSPACE")),
    Step("memoryPools.tacticSharedMemory", lambda o: o.tactic_shared_memory, _pool("TACTIC_SHARED_MEMORY")),
    Step("memoryPools.tacticDram", lambda o: o.tactic_dram, _pool("TACTIC_DRAM")),
    Step("versionCompatible.enabled", lambda o: o.version_compatible, _flag("VERSION_COMPATIBLE")),
    # After VERSION_COMPATIBLE: alone it is rejected (measured on RTX 1.7.1).
    Step(
        "versionCompatible.excludeLeanRuntime",
        lambda o: o.exclude_lean_runtime,
        _flag("EXCLUDE_LEAN_RUNTIME"),
    ),
    Step("sparseWeights", lambda o: o.sparse_weights, _flag("SPARSE_WEIGHTS")),
    Step("refit.Refit", _refit("Refit"), _flag("REFIT")),
    Step("refit.RefitIdentical", _refit("RefitIdentical"), _flag("REFIT_IDENTICAL")),
    Step("refit.RefitIndividual", _refit("RefitIndividual"), _flag("REFIT_INDIVIDUAL")),
    Step("stripPlan", lambda o: o.strip_plan, _flag("STRIP_PLAN")),
    Step("weightStreaming", lambda o: o.weight_streaming, _flag("WEIGHT_STREAMING")),
    Step(
        "tilingOptimizationLevel",
        lambda o: o.tiling_optimization_level,
        _enumerated("tiling_optimization_level", "TilingOptimizationLevel"),
    ),
    Step("maxNumTactics", lambda o: o.max_num_tactics, _attribute("max_num_tactics")),
    Step("maxAuxStreams", lambda o: o.max_aux_streams, _attribute("max_aux_streams")),
    Step("avgTimingIterations", lambda o: o.avg_timing_iterations, _attribute("avg_timing_iterations")),
    Step(
        "profilingVerbosity",
        lambda o: o.profiling_verbosity,
        _enumerated("profiling_verbosity", "ProfilingVerbosity"),
    ),
    Step(
        "runtimePlatform.WindowsAMD64",
        lambda o: o.runtime_platform if o.runtime_platform != "SameAsBuild" else None,
        lambda config, row, _: config.attribute(
            row, "runtime_platform", config.member(row, "RuntimePlatform", "WINDOWS_AMD64")
        ),
    ),
)
"""Every option that a builder configuration takes, tactic sources apart: they are one set of several rows."""


def apply_options(config: Settled, options: Options) -> None:
    """Tell TensorRT all that was asked for; raises RequestError for what it lacks or does not take."""
    for step in STEPS:
        value = step.asked(options)
        if value is not None and value is not False and value != ROWS[step.row].default:
            step.tell(config, step.row, value)
    if options.tactic_sources is not None:
        config.tactic_sources(options.tactic_sources)


_PROPERTIES: Mapping[str, str] = {
    "optimizationLevel": "builder_optimization_level",
    "tilingOptimizationLevel": "tiling_optimization_level",
    "maxNumTactics": "max_num_tactics",
    "maxAuxStreams": "max_aux_streams",
    "avgTimingIterations": "avg_timing_iterations",
    "profilingVerbosity": "profiling_verbosity",
    "runtimePlatform": "runtime_platform",
}
_POOLS: Mapping[str, str] = {
    "workspace": "WORKSPACE",
    "tacticSharedMemory": "TACTIC_SHARED_MEMORY",
    "tacticDram": "TACTIC_DRAM",
}


def settings_in_force(trt: Any, config: Any) -> dict[str, Any]:
    """Return what a configuration holds, asked for or not: numbers as they are, the rest by name."""
    held = {
        option: _plain(getattr(config, name)) for option, name in _PROPERTIES.items() if hasattr(config, name)
    }
    pools = members_of(trt, "MemoryPoolType")
    for option, name in _POOLS.items():
        if name in pools:
            held[option] = int(config.get_memory_pool_limit(pools[name]))
    held["tacticSources"] = names_of(trt, "TacticSource", int(config.get_tactic_sources()))
    return held


def _plain(value: Any) -> Any:
    return value.name if hasattr(value, "name") else int(value)
