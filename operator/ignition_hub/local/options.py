"""
Build options as an identity holds them, from options as people write them.

The cluster's schema does the same to ``spec.options``: an option at its default is left out, a quantity is a
number of bytes, a set is sorted. So the same options give the same engine here and there.
"""

from collections.abc import Mapping
from typing import Any

from ignition_hub.api.quantities import bytes_of
from ignition_hub.local.errors import wrong

DEFAULTS: Mapping[str, Any] = {
    "optimizationLevel": 3,
    "workspace": None,
    "memoryPools": {"tacticSharedMemory": None, "tacticDram": None},
    "versionCompatible": {"enabled": False, "excludeLeanRuntime": False},
    "sparseWeights": False,
    "refit": None,
    "stripPlan": False,
    "weightStreaming": False,
    "tacticSources": (),
    "tilingOptimizationLevel": "None",
    "maxNumTactics": None,
    "maxAuxStreams": None,
    "avgTimingIterations": 1,
    "profilingVerbosity": "LayerNamesOnly",
    "runtimePlatform": "SameAsBuild",
    "plugins": (),
    "calibration": None,
    "failOnWarnings": (),
}
"""Every option, with what leaving it out means (NVIDIA documentation)."""

QUANTITIES = frozenset({"workspace", "tacticSharedMemory", "tacticDram"})


def normalized(options: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return ``options`` in the one spelling that an identity hashes.

    Raises RequestError that names an option nobody knows or a quantity that is none. Whether a release of
    TensorRT takes the option is the truth table's to say.
    """
    for name in options:
        if name not in DEFAULTS:
            raise wrong(
                f"options.{name}", options[name], "unknown option", f"use one of {', '.join(DEFAULTS)}"
            )
    return _without_defaults(options, DEFAULTS, "options")


def _without_defaults(given: Mapping[str, Any], defaults: Mapping[str, Any], where: str) -> dict[str, Any]:
    kept = {}
    for name, value in given.items():
        default = defaults.get(name)
        settled = _spelt(f"{where}.{name}", name, value, default)
        is_default = settled == default or (not settled and isinstance(default, (Mapping, tuple)))
        if not is_default:
            kept[name] = settled
    return kept


def _spelt(where: str, name: str, value: Any, default: Any) -> Any:
    if value is None:
        return default
    if isinstance(default, Mapping):
        if not isinstance(value, Mapping):
            raise wrong(where, value, "not an object", f"its fields are {', '.join(default)}")
        return _without_defaults(value, default, where)
    if name in QUANTITIES:
        return _quantity(where, value)
    if name == "plugins":
        return sorted((dict(plugin) for plugin in value), key=lambda plugin: str(plugin.get("name")))
    if isinstance(default, tuple):
        return sorted({str(item) for item in ([value] if isinstance(value, str) else value)})
    return value


def _quantity(where: str, value: Any) -> int:
    try:
        return bytes_of(value)
    except ValueError as error:
        raise wrong(where, value, "not a quantity", "write for example 512Mi or 4Gi") from error
