"""How many targets of all TensorRTEngines are in which state, for the metrics: counted event by event."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ignition_hub.engine.errors import Reason
from ignition_hub.engine.state import State

STATES, REASONS = frozenset(map(str, State)), frozenset(map(str, Reason))

OTHER = "Other"
"""Instead of a word that this release does not know: others may write a status, and each word is a series."""


class TargetCounts:
    """How many targets are in each state, for each reason; a pair that once was there stays, with 0."""

    def __init__(self) -> None:
        self.standings: Counter[tuple[str, str]] = Counter()

    def enter(self, targets: Iterable[Mapping[str, Any]]) -> None:
        """Count the targets of a status in."""
        self.standings.update(map(_standing, targets))

    def leave(self, targets: Iterable[Mapping[str, Any]]) -> None:
        """Count the targets of a status out, as they were counted in."""
        self.standings.subtract(map(_standing, targets))


def _standing(target: Mapping[str, Any]) -> tuple[str, str]:
    return _known(target.get("state"), STATES), _known(target.get("reason"), REASONS)


def _known(word: Any, words: frozenset[str]) -> str:
    return word if isinstance(word, str) and word in words else OTHER
