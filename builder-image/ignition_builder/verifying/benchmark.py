"""
Measure an engine on the GPU that built it, the same way with every TensorRT.

Inputs stay on the GPU, runs follow each other on one stream, CUDA events time each: what ``trtexec
--noDataTransfers`` calls GPU compute time, whose defaults changed in TensorRT 11.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from ignition_hub.engine.errors import Reason, RequestError

WARM_UP_SECONDS = 0.2
"""As long as trtexec's own (NVIDIA documentation)."""
FEWEST = 10
"""Runs that are measured however slow the engine is."""


def measured(
    once: Callable[[], float], seconds: float, clock: Callable[[], float] = time.monotonic
) -> list[float]:
    """Call ``once``, which returns the milliseconds of one run, for ``seconds`` after warming up."""
    begin = clock()
    while clock() - begin < WARM_UP_SECONDS:
        once()
    times: list[float] = []
    begin = clock()
    while len(times) < FEWEST or clock() - begin < seconds:
        times.append(once())
    return times


def figures(times: Sequence[float]) -> dict[str, Any]:
    """Return what the manifest records of ``times``, in milliseconds."""
    ordered = sorted(times)
    return {
        "runs": len(ordered),
        "medianMilliseconds": round(_percentile(ordered, 50), 4),
        "p99Milliseconds": round(_percentile(ordered, 99), 4),
        "minMilliseconds": round(ordered[0], 4),
        "perSecond": round(1000.0 * len(ordered) / sum(ordered), 2) if sum(ordered) else None,
        "settings": {"dataTransfers": False, "cudaGraph": False, "streams": 1, "timer": "cudaEvent"},
    }


def check(found: dict[str, Any], max_latency: float | None) -> None:
    """Raise RequestError (VerificationFailed) when the median is above ``max_latency`` seconds."""
    if max_latency is None or found["medianMilliseconds"] <= max_latency * 1000.0:
        return
    raise RequestError(
        Reason.VerificationFailed,
        f"the engine's median latency is {found['medianMilliseconds']:g} ms over {found['runs']} runs, above "
        f"verification.benchmark.maxLatency of {max_latency * 1000.0:g} ms",
        "use a narrower precision, smaller shapes or a higher optimization level, or allow more",
    )


def _percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
