"""
``status.summary``: all targets of an engine in one line each. Pure; plain status dictionaries in and out.

A column of ``kubectl get`` shows one value, and a JSONPath over a list shows its first item only. So the
controller writes these lines beside the targets they are made from.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SHOWN = 3
"""How many values a line names before it counts the rest."""

DIGEST_DIGITS = 12


def summary_of(targets: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return ``status.summary`` for ``status.targets``; a line nothing is known for is left out."""
    lines = {
        "gpus": _listed(target.get("product") or target.get("gpuArch") for target in targets),
        "tensorrt": _listed((target.get("tensorrt") or {}).get("version") for target in targets),
        "size": size_line(sum(target.get("sizeBytes") or 0 for target in targets)),
        "buildTime": time_line(sum(target.get("buildSeconds") or 0 for target in targets)),
        "digest": _listed((target.get("sha256") or "")[:DIGEST_DIGITS] for target in targets),
        "added": _listed(target["name"] for target in targets if target.get("autoBuild")),
    }
    return {name: line for name, line in lines.items() if line}


def size_line(size: int) -> str:
    """Return a size in bytes as people read it (``100Mi``); the empty string for 0."""
    if size <= 0:
        return ""
    for unit, factor in (("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024)):
        if size >= factor:
            return f"{size / factor:.3g}{unit}" if size < 100 * factor else f"{size / factor:.0f}{unit}"
    return f"{size}B"


def time_line(seconds: float) -> str:
    """Return a duration in seconds as people read it (``3m33s``); the empty string for 0."""
    if seconds <= 0:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _listed(values: Iterable[str | None]) -> str:
    """Join the distinct values in order of appearance; past ``SHOWN`` of them, count the rest."""
    distinct = list(dict.fromkeys(value for value in values if value))
    rest = len(distinct) - SHOWN
    return ",".join([*distinct[:SHOWN], *([f"+{rest}"] if rest > 0 else [])])
