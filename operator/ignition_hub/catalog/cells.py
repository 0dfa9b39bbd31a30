"""
A row of the catalog in words, for a terminal and for a page alike.

A cell is empty where the resource does not say: what stands there then is left to those who show it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

from ignition_hub.api.summary import size_line, time_line
from ignition_hub.catalog.rows import CatalogRow
from ignition_hub.engine.identity import TENSORRT_RTX
from ignition_hub.engine.state import State

AGE = "Age"


def model(row: CatalogRow) -> str:
    """Return ``arcface_r100 v1.0``."""
    return f"{row.model} {row.version}".strip()


def state(row: CatalogRow) -> str:
    """Return ``Ready``, ``Building 40%``, or a state with its reason: ``Failed: ModelRejected``."""
    if row.is_ready:
        return row.state
    if row.state in {State.BUILDING, State.VERIFYING}:
        return f"{row.state} {row.percent:.0f}%" if row.percent else row.state
    return f"{row.state}: {row.reason}" if row.reason else row.state


def tensorrt(row: CatalogRow) -> str:
    """Return ``10.13.2.6``, or ``RTX 1.7.1.116``."""
    return f"RTX {row.tensorrt}" if row.tensorrt and row.flavor == TENSORRT_RTX else row.tensorrt


def pool(row: CatalogRow) -> str:
    """Return ``l4 (Native)``: the pool that builds or built it, and whether on the product itself."""
    return f"{row.pool} ({row.tier})" if row.pool and row.tier else row.pool


CELLS: Mapping[str, Callable[[CatalogRow], str]] = {
    "Namespace": lambda row: row.namespace,
    "Resource": lambda row: row.resource,
    "Model": model,
    "Precision": lambda row: row.precision,
    "GPU": lambda row: row.gpu,
    "State": state,
    "TensorRT": tensorrt,
    "Pool": pool,
    "Size": lambda row: size_line(int(row.size_bytes or 0)),
    "Build": lambda row: time_line(row.build_seconds or 0),
    "Max error": lambda row: _figure(row.accuracy.get("maxAbsolute")),
    "Latency": lambda row: _figure(row.benchmark.get("medianMilliseconds"), " ms"),
}
"""Columns in their order; ``AGE``, which needs a clock, is the last."""


def accuracy(row: CatalogRow) -> str:
    """Return the figures of the accuracy check: ``engine: 0.0012 absolute, 0.004 relative``."""
    found = row.accuracy
    words = (_figure(found.get("maxAbsolute"), " absolute"), _figure(found.get("maxRelative"), " relative"))
    known = ", ".join(filter(None, words))
    return f"{row.compared.lower()}: {known}" if known and row.compared else known


def benchmark(row: CatalogRow) -> str:
    """Return the figures of the benchmark: ``median 1.21 ms, 99% within 1.3 ms, 820 a second``."""
    found = row.benchmark
    words = {
        "median {}": _figure(found.get("medianMilliseconds"), " ms"),
        "99% within {}": _figure(found.get("p99Milliseconds"), " ms"),
        "{} a second": _figure(found.get("perSecond")),
    }
    return ", ".join(text.format(figure) for text, figure in words.items() if figure)


def _figure(value: float | None, unit: str = "") -> str:
    return "" if value is None else f"{value:.4g}{unit}"


def table(rows: Iterable[CatalogRow], now: float, *, hidden: Collection[str] = ()) -> list[tuple[str, ...]]:
    """Return the heads, and the cells of each row, without the columns that are ``hidden``."""
    columns = {head: cell for head, cell in CELLS.items() if head not in hidden}
    cells = ((*(cell(row) for cell in columns.values()), age(row, now)) for row in rows)
    return [(*columns, AGE), *cells]


def age(row: CatalogRow, now: float) -> str:
    """Return for how long an engine has been there, in its largest whole unit: ``3d``."""
    try:
        # Python 3.10 reads an offset and knows no Z.
        built = datetime.fromisoformat(row.built_at.replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):  # a time of no calendar, or of none that this machine counts
        return ""
    seconds = max(0.0, now - built)
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    return next(f"{int(seconds // size)}{unit}" for unit, size in units if seconds >= size or size == 1)
