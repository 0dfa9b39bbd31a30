"""
What the gateway is asked at ``POST /v1/prune`` and answers, and the sum of all its answers.

One request is one page: some hundreds of objects, some seconds. The caller goes on with ``after`` until there
is none. Nothing is remembered between two pages, so a run that is cut off is repeated from the start.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ignition_hub.engine.codec import MAY_BE_MISSING, Record


@dataclass(frozen=True, slots=True)
class PruneRequest(Record):
    """
    One page: ``dry_run`` removes nothing; ``after`` is as the page before answered, or empty.

    ``run`` is 32 hex digits that tell the pages of one run from those of another.
    """

    dry_run: bool
    run: str
    after: str = field(default="", metadata=MAY_BE_MISSING)


@dataclass(frozen=True, slots=True)
class Removed(Record):
    """One thing that was removed, or with ``dry_run`` would be; ``size`` in bytes."""

    kind: str
    key: str
    reason: str
    objects: int
    size: int


@dataclass(frozen=True, slots=True)
class Stayed(Record):
    """What was kept for one reason; ``size`` in bytes."""

    kind: str
    reason: str
    objects: int
    size: int


@dataclass(frozen=True, slots=True)
class PruneAnswer(Record):
    """What became of one page; ``looked_at`` counts objects and uploads. No ``after``: it was the last."""

    store: str
    dry_run: bool
    looked_at: int
    removed: tuple[Removed, ...]
    kept: tuple[Stayed, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """All that one class and reason came to; ``size`` in bytes."""

    kind: str
    reason: str
    objects: int
    size: int


@dataclass(slots=True)
class Total:
    """The sum of the answers of one run."""

    store: str = ""
    looked_at: int = 0
    removed: list[Removed] = field(default_factory=list)
    kept: list[Stayed] = field(default_factory=list)

    def add(self, answer: PruneAnswer) -> None:
        """Take in the answer of one more page."""
        self.store = answer.store
        self.looked_at += answer.looked_at
        self.removed += answer.removed
        self.kept = [Stayed(*row) for row in _rows([*self.kept, *answer.kept])]

    @property
    def removed_rows(self) -> list[Row]:
        """What was removed, by class and reason."""
        return [Row(*row) for row in _rows(self.removed)]

    @property
    def kept_rows(self) -> list[Row]:
        """What was kept, by class and reason."""
        return [Row(*row) for row in _rows(self.kept)]


def _rows(lines: Iterable[Removed | Stayed]) -> list[tuple[str, str, int, int]]:
    objects, sizes = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for line in lines:
        objects[line.kind, line.reason] += line.objects
        sizes[line.kind, line.reason] += line.size
    return [(*what, objects[what], sizes[what]) for what in sorted(objects)]
