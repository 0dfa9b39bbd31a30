"""
From phases and steps to one number between 0 and 1 that never goes back.

TensorRT reports nested phases, each with a number of steps; a phase inside another counts as a part of the
step its parent is at.
"""

from collections.abc import Callable
from dataclasses import dataclass

Watcher = Callable[[str, float], None]
"""Hears a phase as people read it, and the fraction of the whole build that is done."""


@dataclass(slots=True)
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class Phases:
    """The phases TensorRT is in; ``fraction`` is how much of the outermost one is done."""

    def __init__(self) -> None:
        self._open: dict[str, _Phase] = {}
        self._best = 0.0

    def begin(self, name: str, parent: str | None, steps: int) -> None:
        """Enter a phase of ``steps`` steps inside ``parent``."""
        self._open[name] = _Phase(parent, max(steps, 1))

    def step(self, name: str, index: int) -> None:
        """Finish step ``index`` (from 0) of a phase."""
        phase = self._open.get(name)
        if phase is not None:
            phase.done = max(phase.done, index + 1)

    def end(self, name: str) -> None:
        """Leave a phase; the end of an outermost one is the end of all."""
        phase = self._open.pop(name, None)
        if phase is not None and phase.parent is None:
            self._best = 1.0

    @property
    def fraction(self) -> float:
        """Between 0 and 1; what was reached once is kept."""
        roots = (name for name, phase in self._open.items() if phase.parent is None)
        self._best = max(self._best, *(self._share(name) for name in roots), 0.0)
        return self._best

    def _share(self, name: str) -> float:
        phase = self._open[name]
        inner = max(
            (self._share(child) for child, one in self._open.items() if one.parent == name), default=0.0
        )
        return min(1.0, (phase.done + (inner if phase.done < phase.steps else 0.0)) / phase.steps)


def part_of(watch: Watcher, start: float, end: float) -> Watcher:
    """Return a watcher for a stage that is the part from ``start`` to ``end`` of what ``watch`` hears."""
    return lambda phase, fraction: watch(phase, start + (end - start) * min(1.0, max(0.0, fraction)))
