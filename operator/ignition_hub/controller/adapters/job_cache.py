"""
The builder Jobs without their pod templates, and of each pool how many are where.

Counted up to date one event at a time: a pass that walked over all Jobs would cost more with every resource.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import TypeVar

from ignition_hub.controller.adapters.object_cache import Mirror
from ignition_hub.controller.policy.job_status import state_of
from ignition_hub.controller.policy.views import JobState
from ignition_hub.engine.names import LABEL_IDENTITY, LABEL_POOL
from ignition_hub.kube import Object

Word = TypeVar("Word", bound=str)

AT_WORK = frozenset({JobState.ACTIVE, JobState.SUSPENDED, JobState.GOING})
"""States in which a Job takes a place of its pool."""

SPEC_READ = ("suspend", "activeDeadlineSeconds", "backoffLimit")
"""What ``job_status`` reads of a spec; the rest is most of a Job's memory."""


class Jobs(Mirror):
    """Jobs by name; and of each pool the states of all, and the identities that are being built."""

    def __init__(self) -> None:
        super().__init__()
        self._states: defaultdict[str, Counter[JobState]] = defaultdict(Counter)
        self._busy: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def states(self, pool: str) -> Mapping[JobState, int]:
        """Return how many Jobs of ``pool`` are in each state, ended ones included."""
        return self._states.get(pool, {})

    def busy(self, pool: str) -> Collection[str]:
        """Return the identities (32 digits) that are being built in ``pool``."""
        return self._busy.get(pool, {}).keys()

    def _kept(self, body: Object) -> Object:
        spec = body.get("spec") or {}
        return {**super()._kept(body), "spec": {name: spec[name] for name in SPEC_READ if name in spec}}

    def _enter(self, body: Object) -> None:
        self._count(body, 1)

    def _leave(self, body: Object) -> None:
        self._count(body, -1)

    def _count(self, body: Object, step: int) -> None:
        labels = body["metadata"].get("labels") or {}
        pool, state = labels.get(LABEL_POOL, ""), state_of(body)
        _add(self._states[pool], state, step)
        if state in AT_WORK:
            _add(self._busy[pool], labels.get(LABEL_IDENTITY, ""), step)


def _add(counts: Counter[Word], word: Word, step: int) -> None:
    counts[word] += step
    if not counts[word]:
        del counts[word]
