"""
What the hub makes of each S3 server: by its probe, and by two gateways that publish at once.

``python -m stores ask`` starts the servers one after the other. One whose program cannot be had on this
machine is told with the reason, and the others are asked all the same.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ignition_hub.store.errors import StoreMisconfigured
from ignition_hub.store.habits import Habits, Relied, habits_of
from ignition_hub.store.objects import ObjectStore
from stores.kinds import Kind
from stores.rounds import Harm, Report, play
from stores.server import running

PROBED = "probed"
"""The bucket that the probe asks."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one server."""

    kind: Kind
    not_had: str = ""
    """Why it was not asked: it could not be built or started."""
    refused: str = ""
    """What the probe told of a server that the hub takes for no store."""
    habits: Habits | None = None
    reports: tuple[Report, ...] = ()
    """Of rounds with the same bytes, and with other bytes."""

    @property
    def broken(self) -> tuple[Relied, ...]:
        """What the server does not do."""
        return tuple(habit.relied for habit in self.habits.broken) if self.habits else ()

    @property
    def is_harmed(self) -> bool:
        """Tell whether a round ended as none may."""
        return any(report.harm for report in self.reports)

    @property
    def is_expected(self) -> bool:
        """Tell whether the probe found what the table of the servers says."""
        kind, broken = self.kind, set(self.broken)
        if self.not_had:
            return True
        is_as_said = kind.lacks <= broken <= kind.lacks | kind.may_lack
        return is_as_said and bool(self.refusal) is kind.refused

    @property
    def refusal(self) -> str:
        """Why the hub publishes nothing there; empty where it does."""
        return self.refused or next((report.refused for report in self.reports if report.refused), "")

    @property
    def verdict(self) -> str:
        """What the hub does with such a server."""
        if self.not_had:
            return f"not asked: {self.not_had}"
        if self.refusal:
            return f"refused: {self.refusal}"
        if not (self.habits and self.habits.are_conditional):
            return "one at a time"
        return "works with limits" if self.broken else "works"

    @property
    def played(self) -> str:
        """How the rounds ended."""
        played = [ended(report) for report in self.reports if not report.refused]
        return "; ".join(dict.fromkeys(played))


def ended(report: Report) -> str:
    """Say how many rounds ended as they must, and what became of the others."""
    turns = "in turns: " if report.takes_turns else ""
    return f"{turns}{report.rounds} rounds, " + ", ".join(f"{report.harm[harm]} {harm}" for harm in Harm)


def findings(kinds: Sequence[Kind], rounds: int) -> Iterator[Finding]:
    """Yield what is found of each server, in the order given."""
    for kind in kinds:
        try:
            yield _found(kind, rounds)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            yield Finding(kind, not_had=f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")


def _found(kind: Kind, rounds: int) -> Finding:
    kind.build()
    with running(kind) as server:
        server.create_bucket(PROBED)
        with contextlib.closing(ObjectStore(server.settings(bucket=PROBED))) as store:
            try:
                habits = habits_of(store)
            except StoreMisconfigured as refusal:
                return Finding(kind, refused=_lasting(refusal.message.replace(server.endpoint, "it")))
        reports = tuple(play(server, rounds, same_bytes=same) for same in (True, False))
        return Finding(kind, habits=habits, reports=reports)


def _lasting(words: str) -> str:
    """Return what a refusal says without the name of the folder that this probe alone had."""
    return re.sub("probes/[0-9a-f]+", "probes/...", words)
