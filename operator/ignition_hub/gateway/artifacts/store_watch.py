"""
What this gateway found of the bucket in use: for its metrics and its log, and for the EngineStore's status.

The bucket is looked at all the time; what its server does with the requests that the hub relies on is asked
when the gateway starts, when the EngineStore or its Secret names another bucket or keys, and once a day
(``careful_publishing``). While a bucket is away, what its server was found to do stands.
"""

import logging
import socket
from dataclasses import replace

from ignition_hub.buckets.default_store import DefaultStore
from ignition_hub.buckets.troubles import reason_of
from ignition_hub.buckets.workers import Workers
from ignition_hub.engine.errors import IgnitionError
from ignition_hub.engine.store_findings import BucketPlace, StoreFindings, StoreReason
from ignition_hub.gateway.artifacts.careful_publishing import CarefulPublishing
from ignition_hub.gateway.process.metrics import Metrics
from ignition_hub.kube import KubeError
from ignition_hub.store.habits import CONDITIONAL, Habit, Habits, Relied
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.settings import StoreSettings
from ignition_hub.store.url_questions import NOT_REACHED

log = logging.getLogger(__name__)

NOTED = frozenset(Relied) - {*CONDITIONAL, Relied.SIGNED}
"""What is worth a word where it does not hold, and nothing follows from."""


class StoreWatch:
    """Looks at the bucket of ``stores``; ``findings`` are those of the last look, None before it ended."""

    def __init__(
        self, stores: DefaultStore, publishing: CarefulPublishing, workers: Workers, metrics: Metrics
    ) -> None:
        self._stores, self._publishing, self._workers = stores, publishing, workers
        self._metrics = metrics
        self.findings: StoreFindings | None = None

    async def look(self) -> None:
        """Look at the bucket in use once."""
        try:
            store = (await self._stores.current()).objects
        except (IgnitionError, KubeError) as error:
            # Which bucket it would be is not known: the controller says why of its own.
            self.findings = None
            self._note_down(error)
            return
        try:
            habits = await self._habits(store)
        except IgnitionError as error:
            self.findings = with_trouble(self.findings, unasked(store.settings), error)
            self._note_down(error)
            return
        self._note_up(store, habits)

    async def _habits(self, store: ObjectStore) -> Habits:
        await self._workers.run(store.check_bucket)
        return await self._publishing.habits(store)

    def _note_down(self, error: Exception) -> None:
        self._metrics.store_up.set(0)
        log.warning("the store does not answer: %s", error)

    def _note_up(self, store: ObjectStore, habits: Habits) -> None:
        self._metrics.store_up.set(1)
        self._metrics.conditional_writes.set(int(habits.are_conditional))
        before, self.findings = self.findings, findings_of(store.settings, habits)
        if before != self.findings:
            for broken in habits.broken:
                log.error(
                    "%s: %s: %s; see docs/stores.md", store.settings.endpoint, broken.relied, broken.seen
                )


def unasked(settings: StoreSettings) -> StoreFindings:
    """Return the findings of a bucket that opens, and whose server was not asked anything yet."""
    reason = StoreReason.BUCKET_REACHABLE
    place = BucketPlace(settings.endpoint, settings.region, settings.bucket, settings.prefix)
    return StoreFindings(socket.gethostname(), place, reason, "", None, (), (), ())


def findings_of(settings: StoreSettings, habits: Habits) -> StoreFindings:
    """Return what is told of a server with these habits."""
    conditional = [habit for habit in habits.all if habit.relied in CONDITIONAL]
    found = replace(
        unasked(settings),
        conditional=habits.are_conditional,
        holds=tuple(str(habit.relied) for habit in conditional if habit.holds),
        broken=tuple(_line(habit) for habit in conditional if not habit.holds),
        notes=tuple(_line(habit) for habit in habits.broken if habit.relied in NOTED),
    )
    signed = next((habit for habit in habits.broken if habit.relied is Relied.SIGNED), None)
    if signed is None:
        return found
    if signed.seen == NOT_REACHED:
        return replace(found, notes=(*found.notes, _line(signed)))
    message = (
        f"a URL that was signed for {settings.endpoint} was not taken ({signed.seen}), and builders and pods "
        "transfer by such URLs: set an endpoint that takes them, "
        "without a proxy that changes Host or the query"
    )
    return replace(found, reason=StoreReason.SIGNED_URLS_REFUSED, message=message)


def with_trouble(before: StoreFindings | None, unknown: StoreFindings, error: IgnitionError) -> StoreFindings:
    """Return the findings after a look that failed: what is known of the same bucket stands."""
    known = before if before is not None and before.place == unknown.place else unknown
    return replace(known, reason=str(reason_of(error)), message=str(error))


def _line(habit: Habit) -> str:
    return f"{habit.relied}: {habit.seen}"
