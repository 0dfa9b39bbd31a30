"""
What was checked of an engine before it was published, in the figures that its status names. Pure.

A builder records them in its account of the build, whose form is its own: what is not a figure is left out,
as one bad word must not keep a whole status from being written.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ignition_hub.engine.manifest import BuildFacts

COMPARED = {"engine": "Engine", "model": "Model"}
BENCHMARK = ("medianMilliseconds", "p99Milliseconds", "perSecond")


def accuracy_of(build: BuildFacts) -> dict[str, Any] | None:
    """Return the largest differences of all outputs, and of what they are; None where none was compared."""
    outputs = [one for one in (build.accuracy or {}).get("outputs") or () if isinstance(one, Mapping)]
    figures = {name: _largest(outputs, name) for name in ("maxAbsolute", "maxRelative")}
    known = {name: value for name, value in figures.items() if value is not None}
    return {"compared": COMPARED[build.checked], **known} if known and build.checked in COMPARED else None


def benchmark_of(build: BuildFacts) -> dict[str, Any] | None:
    """Return how fast the engine ran; None where that was not measured."""
    measured = build.benchmark or {}
    figures = {name: _figure(measured.get(name)) for name in BENCHMARK}
    return {name: value for name, value in figures.items() if value is not None} or None


def _largest(outputs: Iterable[Mapping[str, Any]], name: str) -> float | None:
    figures = [_figure(one.get(name)) for one in outputs]
    return max((figure for figure in figures if figure is not None), default=None)


def _figure(value: Any) -> float | None:
    """Return a number of at most four digits that counts; None for anything else, which no schema takes."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(f"{value:.4g}") if is_number and math.isfinite(value) and value >= 0 else None
