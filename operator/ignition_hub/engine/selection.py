"""
Why a pod was given this engine: part of the gateway's answer to a fetcher, and of the event on the pod.

Words for people, which decide nothing. A gateway of an earlier release does not say them.
"""

from dataclasses import dataclass, field
from typing import Any

from ignition_hub.engine.codec import MAY_BE_MISSING, Record
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.quoting import printable, quoted

REASON_CHARACTERS = 240
"""The most that is said of a target that was passed over."""
WORDS_CHARACTERS = 1000
"""The longest sentence: a note of an event has at most 1,024 bytes, and most of these are one byte each."""


@dataclass(frozen=True, slots=True)
class PassedOver(Record):
    """A target that serves the GPU better, by its name in the resource, and why its engine is not given."""

    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class Selection(Record):
    """
    The target whose engine was chosen, and for which GPU.

    ``gpu`` is the GPU in words, with its memory where that is known, ``told_by`` what it is believed from,
    and ``fit`` how the engine loads there. ``passed_over`` are better targets, the best first.
    """

    target: str
    gpu: str
    told_by: str
    fit: str
    passed_over: tuple[PassedOver, ...] = field(default=(), metadata=MAY_BE_MISSING)

    def in_words(self) -> str:
        """Return all of it as one line of at most ``WORDS_CHARACTERS``."""
        first = f"target {self.target} for {self.gpu}, known from {self.told_by}; {self.fit}"
        others = (f"passed over: target {one.target}: {one.reason}" for one in self.passed_over)
        return quoted(printable("; ".join((first, *others))), WORDS_CHARACTERS)


def selection_in(answer: Any) -> Selection | None:
    """Return what an answer to a fetcher says of the choice; None where it says nothing that is readable."""
    try:
        return Selection.from_json(answer["selection"])
    except (KeyError, TypeError, ContractError):
        return None
