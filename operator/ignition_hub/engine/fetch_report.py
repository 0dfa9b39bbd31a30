"""
What an init container tells the gateway of its fetches, for its metrics: the body of ``POST /v1/fetches``.

A pod's own word, which decides nothing. What a body may hold beyond its types is the gateway's to check.
"""

from dataclasses import dataclass, field

from ignition_hub.engine.codec import MAY_BE_MISSING, Record

FETCHED = "fetched"
PRESENT = "present"
"""Its bytes were there already, and were verified."""
FELL_BACK = "fallback"
"""The ONNX model is there, downloaded or from before, because no engine fits."""
FAILED = "failed"
OUTCOMES = frozenset({FETCHED, PRESENT, FELL_BACK, FAILED})


@dataclass(frozen=True, slots=True)
class FetchAccount(Record):
    """
    The fetch of one engine.

    ``waited`` are the seconds until the gateway answered with an engine, ``seconds`` those from then to the
    verified file; ``fetched_bytes`` are the bytes that were downloaded. ``reason`` is that of a failure, of
    ``engine/errors.py``; ``outcome`` is one of ``OUTCOMES``.
    """

    outcome: str
    waited: float
    seconds: float
    fetched_bytes: int
    reason: str = field(default="", metadata=MAY_BE_MISSING)


@dataclass(frozen=True, slots=True)
class FetchReport(Record):
    """The body of ``fetches``: the engines of one run that came, in order, and any that failed."""

    engines: tuple[FetchAccount, ...]
