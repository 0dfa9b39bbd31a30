"""What a plan is made from and what it says. Pure; ``rules`` makes it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ignition_hub.engine.enums import StrEnum
from ignition_hub.retention.demand import Demand
from ignition_hub.retention.durations import Retention
from ignition_hub.retention.layout import Stored

WITHIN = "within its retention"
IN_USE = "in use by a resource"


class Kind(StrEnum):
    """What is removed or kept, by the words of ``spec.retention``."""

    UNFINISHED_UPLOADS = "unfinishedUploads"
    SUPERSEDED_BUILDS = "supersededBuilds"
    DELETED_ENGINES = "deletedEngines"
    ENGINES = "engines"
    MODELS = "models"
    LOGS = "logs"
    TIMING_CACHES = "timingCaches"
    UNKNOWN = "unknown"
    """Objects that the hub did not write; always kept."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What is removed, in this order, and why; with ``upload_id`` an upload is aborted."""

    kind: Kind
    key: str
    reason: str
    objects: tuple[Stored, ...] = ()
    upload_id: str = ""

    @property
    def size(self) -> int:
        """Bytes of all objects together; the parts of an upload are in no listing."""
        return sum(each.size for each in self.objects)


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays, and why; ``size`` in bytes."""

    kind: Kind
    reason: str
    objects: int
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one unit: removals, what stays, marks to write, marks that no longer hold."""

    removals: tuple[Removal, ...] = ()
    kept: tuple[Kept, ...] = ()
    marks: tuple[str, ...] = ()
    unmarks: tuple[Stored, ...] = ()


@dataclass(frozen=True, slots=True)
class World:
    """What a plan is made from besides the unit; ``now`` in seconds of the epoch."""

    demand: Demand
    retention: Retention
    bucket: str
    now: float
    upload_seconds: float = 0.0
    """The longest that an upload may take."""

    def is_over(self, since: float, seconds: float | None) -> bool:
        """Tell whether ``seconds`` have passed since a moment; None never pass."""
        return seconds is not None and self.now - since >= seconds


@dataclass(slots=True)
class Draft:
    """A plan in the making."""

    removals: list[Removal] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    unmarks: list[Stored] = field(default_factory=list)

    def remove(self, kind: Kind, key: str, reason: str, objects: Iterable[Stored]) -> None:
        """Have some objects removed, in this order."""
        self.removals.append(Removal(kind, key, reason, tuple(objects)))

    def keep(self, kind: Kind, reason: str, objects: Iterable[Stored]) -> None:
        """Say why some objects stay."""
        stay = tuple(objects)
        if stay:
            self.kept.append(Kept(kind, reason, len(stay), sum(each.size for each in stay)))

    def unmark(self, *marks: Stored | None) -> None:
        """Have marks removed, those that are there."""
        self.unmarks += [mark for mark in marks if mark is not None]

    @property
    def plan(self) -> Plan:
        """The plan."""
        return Plan(tuple(self.removals), tuple(self.kept), tuple(self.marks), tuple(self.unmarks))
