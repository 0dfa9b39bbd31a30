"""
The life of an engine, one pass at a time: observe → decide (pure) → apply → one status write → events.

A pass begins with what is there, remembers nothing it could not find again, and may be cut off between any
two requests. Keys come from the queue; what wakes them is in ``watching``.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from ignition_hub.controller import events
from ignition_hub.controller.apply import apply
from ignition_hub.controller.cluster import Cluster
from ignition_hub.controller.decide import decide
from ignition_hub.controller.demand import DIGITS, Demand
from ignition_hub.controller.job_state import state_of
from ignition_hub.controller.jobs import JobSettings
from ignition_hub.controller.observe import Observation, Observer
from ignition_hub.controller.queue import Again, WorkQueue
from ignition_hub.controller.reading import engine_seen
from ignition_hub.controller.slots import Slots
from ignition_hub.controller.status import Judged, difference, engine_status, write_delay
from ignition_hub.controller.views import EngineSeen, JobState, Place, Step, TargetSeen
from ignition_hub.engine.names import ANNOTATION_ENGINES, LABEL_IDENTITY, LABEL_POOL
from ignition_hub.engine.placement import release_of, seconds_to_release
from ignition_hub.engine.readiness import EngineView, view_of
from ignition_hub.kube import Object

logger = logging.getLogger(__name__)


class Key(NamedTuple):
    """What one pass is about: an ``engine``, a gated ``pod``, or ``jobs`` (collecting those nobody wants)."""

    kind: str
    namespace: str = ""
    name: str = ""


JOBS_KEY = Key("jobs")
UNTIL_ALL_ARE_JUDGED = 10.0


@dataclass(slots=True)
class Pace:
    """When an engine began to move, and when its status was written; monotonic seconds."""

    moving_since: float | None = None
    written_at: float = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The two clocks: ``wall`` for what people read, ``steady`` for every duration."""

    wall: Callable[[], float]
    steady: Callable[[], float]


class Reconciler:
    """Works on the keys of one queue."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        observer: Observer,
        queue: WorkQueue[Key],
        settings: JobSettings,
        clock: Clock,
        instance: str,
    ) -> None:
        self.demand: Demand[Key] = Demand()
        self.slots: Slots[Key] = Slots()
        self._cluster = cluster
        self._observer = observer
        self._queue = queue
        self._settings = settings
        self._clock = clock
        self._instance = instance
        self._paces: dict[Key, Pace] = {}

    def begin(self) -> None:
        """Forget what an earlier leadership knew: who wants what was decided by somebody else since."""
        self.demand, self.slots, self._paces = Demand(), Slots(), {}

    async def reconcile(self, key: Key) -> Again:
        """Run one pass for ``key``."""
        match key.kind:
            case "engine":
                return await self._engine(key)
            case "pod":
                return await self._pod(key)
            case _:
                return await self._collect()

    async def _engine(self, key: Key) -> Again:
        body = self._cluster.engines.get(key.namespace, key.name)
        if body is None or body["metadata"].get("deletionTimestamp"):
            self._forget(key)
            return Again()
        engine = engine_seen(body)
        observation = await self._observer.observe(engine)
        self._note_demand(key, observation)
        judged = await self._judge_and_apply(key, observation)
        delay = await self._write(key, body, engine, judged)
        return _again(judged, delay)

    async def _judge_and_apply(self, key: Key, observation: Observation) -> list[Judged]:
        judged = []
        for seen in observation.targets:
            one = self._judge(key, seen)
            try:
                judged.append(await apply(self._cluster, self._settings, one, observation.model_size))
            finally:
                if one.plan.step is Step.CREATE_JOB and seen.wanted:
                    self.slots.release(seen.wanted.identity[:DIGITS])
        return judged

    def _judge(self, key: Key, seen: TargetSeen) -> Judged:
        """Decide; a build that is due needs a place in its pool, and without one it is decided again."""
        plan = decide(seen)
        if plan.step is Step.CREATE_JOB and (place := self._missing_place(key, seen)):
            seen = replace(seen, place=place)
            plan = decide(seen)
        elif plan.step is not Step.CREATE_JOB and seen.wanted:
            self.slots.leave(seen.wanted.identity[:DIGITS])
        return Judged(seen, plan)

    def _missing_place(self, key: Key, seen: TargetSeen) -> Place | None:
        if seen.wanted is None or seen.wanted.pool is None:
            return None
        pool = self._cluster.pools.get("", seen.wanted.pool)
        limit = int(((pool or {}).get("spec") or {}).get("maxConcurrentBuilds", 1))
        ahead = self.slots.claim(
            seen.wanted.pool,
            seen.wanted.identity[:DIGITS],
            limit,
            busy=self._cluster.busy(seen.wanted.pool),
            since=seen.engine.created,
            key=key,
        )
        return None if ahead is None else Place(ahead, limit)

    async def _write(self, key: Key, body: Object, engine: EngineSeen, judged: Sequence[Judged]) -> float:
        """Write the status if it is worth it; return in how many seconds it will be (0: it is done)."""
        status = engine_status(engine, judged, _rfc3339(self._clock.wall()))
        patch = difference(engine.status, status)
        pace = self._pace(key, moves=any(one.moves for one in judged))
        if not patch:
            return 0.0
        now = self._clock.steady()
        moving_for = now - pace.moving_since if pace.moving_since is not None else 0.0
        delay = write_delay(engine, judged, status, moving_for=moving_for, quiet_for=now - pace.written_at)
        if delay > 0:
            await self._tell(body, [one for one in judged if one.plan.step is Step.CREATE_JOB])
            return delay
        await self._cluster.write_status(body, patch)
        pace.written_at = now
        self.wake_pods(key.namespace)
        await self._tell(body, judged)
        return 0.0

    def _pace(self, key: Key, *, moves: bool) -> Pace:
        pace = self._paces.setdefault(key, Pace())
        if not moves:
            pace.moving_since = None
        elif pace.moving_since is None:
            pace.moving_since = self._clock.steady()
        return pace

    async def _tell(self, body: Object, judged: Sequence[Judged]) -> None:
        for one in judged:
            if event := events.event_of(body, one, instance=self._instance):
                await events.post(self._cluster.kube, event)

    def _note_demand(self, key: Key, observation: Observation) -> None:
        troubled = any(seen.trouble and seen.trouble.unknown for seen in observation.targets)
        wanted = [seen.wanted.identity for seen in observation.targets if seen.wanted]
        self._let_go(self.demand.set(key, None if troubled else wanted))

    def _forget(self, key: Key) -> None:
        self._paces.pop(key, None)
        self._let_go(self.demand.drop(key))

    def _let_go(self, identities: frozenset[str]) -> None:
        for identity in identities:
            # Others may want what stood in the queue under this key: they take its place over.
            for other in self.demand.keys_of(identity) if self.slots.leave(identity) else []:
                self._queue.add(other)
        if identities:
            self._queue.add(JOBS_KEY)

    async def _collect(self) -> Again:
        """Delete the Jobs whose engines went away or changed; finished good ones end by their TTL."""
        engines = [engine_key(body) for body in self._cluster.engines if not _is_going(body)]
        if not self.demand.all_known(engines):
            return Again(seconds=UNTIL_ALL_ARE_JUDGED) if len(self._cluster.jobs) else Again()
        for job in self._cluster.jobs:
            if state_of(job) in {JobState.COMPLETE, JobState.GOING}:
                continue
            metadata = job["metadata"]
            # Asked once more for each: passes that ran while the last one was deleted may want this one.
            if self.demand.keys_of((metadata.get("labels") or {}).get(LABEL_IDENTITY, "")):
                continue
            logger.info("deleting Job", extra={"job": metadata["name"], "why": "nobody waits for it"})
            await self._cluster.delete_job(metadata["name"], metadata["uid"])
        return Again()

    async def _pod(self, key: Key) -> Again:
        """Lift the gate of a pod when every engine it names is ready, and not about to serve more GPUs."""
        pod = self._cluster.waiting_pods.get(key.namespace, key.name)
        if pod is None or _is_going(pod):
            return Again()
        views = [self._view(key.namespace, name) for name in engines_named_by(pod)]
        known = [view for view in views if view is not None]
        if len(known) < len(views) or not known:
            return Again()
        now = self._clock.wall()
        patch = release_of(pod, known, now)
        if patch is None:
            return Again(seconds=seconds_to_release(known, now))
        logger.info("lifting the gate", extra={"pod": f"{key.namespace}/{key.name}"})
        await self._cluster.release_pod(pod, patch)
        return Again()

    def _view(self, namespace: str, name: str) -> EngineView | None:
        body = self._cluster.engines.get(namespace, name)
        return view_of(body) if body is not None else None

    def wake_pods(self, namespace: str) -> None:
        """Have the gated pods of a namespace looked at."""
        for pod in self._cluster.waiting_pods:
            if pod["metadata"].get("namespace") == namespace:
                self._queue.add(pod_key(pod))

    def wake_for_job(self, job: Object) -> None:
        """Have everybody looked at who waits for a Job, or for the place it frees."""
        labels = job["metadata"].get("labels") or {}
        waiting = self.demand.keys_of(labels.get(LABEL_IDENTITY, ""))
        for key in waiting or [JOBS_KEY]:
            self._queue.add(key)
        if state_of(job) in {JobState.COMPLETE, JobState.FAILED, JobState.GOING}:
            self.wake_next(labels.get(LABEL_POOL, ""))

    def wake_next(self, pool: str) -> None:
        """Have as many looked at as have a free place in ``pool``."""
        body = self._cluster.pools.get("", pool)
        limit = int(((body or {}).get("spec") or {}).get("maxConcurrentBuilds", 1))
        for key in self.slots.next_in(pool, max(0, limit - len(self._cluster.busy(pool)))):
            self._queue.add(key)


def engine_key(body: Object) -> Key:
    """Return the key of a TensorRTEngine."""
    return Key("engine", body["metadata"]["namespace"], body["metadata"]["name"])


def pod_key(body: Object) -> Key:
    """Return the key of a gated pod."""
    return Key("pod", body["metadata"]["namespace"], body["metadata"]["name"])


def engines_named_by(pod: Object) -> list[str]:
    """Return the engines a pod's annotation names (``[alias=]resource, …``); the webhook checked it."""
    text = (pod["metadata"].get("annotations") or {}).get(ANNOTATION_ENGINES, "")
    names = [part.rpartition("=")[2].strip() for part in text.split(",")]
    return [name for name in names if name]


def _again(judged: Sequence[Judged], delay: float) -> Again:
    appointments = [one.plan.recheck for one in judged if one.plan.recheck is not None]
    if delay > 0:
        appointments.append(delay)
    back_off = any(one.plan.back_off for one in judged)
    return Again(seconds=min(appointments, default=None), back_off=back_off)


def _is_going(body: Object) -> bool:
    return bool(body["metadata"].get("deletionTimestamp"))


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
