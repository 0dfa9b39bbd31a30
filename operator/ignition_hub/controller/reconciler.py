"""
The life of an engine, one pass at a time: observe → decide (pure) → apply → one status write → events.

A pass begins with what is there, remembers nothing it could not find again, and may be cut off between any
two requests. Keys come from the queue; what wakes them is in ``watches``.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ignition_hub.compatibility.tenants import tenant_of
from ignition_hub.controller.adapters import events
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.object_cache import is_going
from ignition_hub.controller.adapters.workloads import Workloads
from ignition_hub.controller.apply import apply
from ignition_hub.controller.observe import Observation, Observer
from ignition_hub.controller.passes import pod_gate
from ignition_hub.controller.passes.build_pools import describe_pool
from ignition_hub.controller.passes.ended_builds import EndedBuilds
from ignition_hub.controller.passes.engine_stores import describe_store
from ignition_hub.controller.passes.job_cleanup import collect
from ignition_hub.controller.passes.rollouts import roll_out
from ignition_hub.controller.passes.storage_report import StorageReport
from ignition_hub.controller.policy.added_targets import additions_to
from ignition_hub.controller.policy.build_job import JobSettings
from ignition_hub.controller.policy.build_queue import BuildQueue
from ignition_hub.controller.policy.decide import decide
from ignition_hub.controller.policy.parsing import engine_snapshot
from ignition_hub.controller.policy.pool_status import COUNT_AFTER
from ignition_hub.controller.policy.ports import World
from ignition_hub.controller.policy.shared_build import parameters_for_all
from ignition_hub.controller.policy.status import AUTO_BUILD, Decision, difference, engine_status, write_delay
from ignition_hub.controller.policy.store_status import opens_for_engines
from ignition_hub.controller.policy.views import (
    Additions,
    BuildParameters,
    EngineSnapshot,
    JobAction,
    QueuePosition,
    TargetSnapshot,
)
from ignition_hub.controller.process.counters import Counters
from ignition_hub.controller.process.keys import JOBS_KEY, Key, pool_key
from ignition_hub.controller.process.lanes import KeyQueue
from ignition_hub.controller.process.work_queue import Again
from ignition_hub.kube import Object

COLLECT_EVERY = 1.0
"""Seconds between two looks for Jobs that nobody needs any more."""
STORE_IS_BACK = 5.0
"""Seconds over which the engines are spread that waited for the store: each asks the bucket at least once."""


@dataclass(slots=True)
class WritePace:
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
        world: World,
        queue: KeyQueue[Key],
        builds: BuildQueue[Key],
        settings: JobSettings,
        clock: Clock,
        instance: str,
        counters: Counters | None = None,
        workloads: Workloads | None = None,
    ) -> None:
        self._cluster = cluster
        self._observer = observer
        self._world = world
        self.storage = StorageReport(cluster, world)
        self._queue = queue
        self._builds = builds
        self._settings = settings
        self._clock = clock
        self._instance = instance
        self._counters = counters or Counters()
        self._notes = pod_gate.PodNotes(instance=instance, since=clock.wall())
        self._workloads = workloads or Workloads(cluster.kube)
        self._ended = EndedBuilds(self._counters, since=clock.wall())
        self._paces: dict[Key, WritePace] = {}
        self._adding: dict[Key, list[str]] = {}
        self._collected_at = float("-inf")

    def begin(self) -> None:
        """Forget what an earlier leadership knew: who wants what was decided by somebody else since."""
        self._builds.clear()
        self._paces = {}
        self._ended = EndedBuilds(self._counters, since=self._clock.wall())
        self._notes = pod_gate.PodNotes(instance=self._instance, since=self._clock.wall())

    async def reconcile(self, key: Key) -> Again:
        """Run one pass for ``key``."""
        match key.kind:
            case "engine":
                return await self._engine(key)
            case "pod":
                seconds = self._counters.gate_seconds
                return await pod_gate.lift_gate(
                    self._cluster, key, self._clock.wall(), seconds.observe, self._notes
                )
            case "pool":
                return await describe_pool(self._cluster, self._builds, key, self._now())
            case "store":
                return await self._store(key)
            case "rollouts":
                now = self._clock.wall(), self._now()
                return await roll_out(self._cluster, self._workloads, key, self._counters, now)
            case _:
                return await self._collect()

    async def _collect(self) -> Again:
        """Collect Jobs after a pause: it looks at all of them, and engines are deleted by the thousand."""
        now = self._clock.steady()
        if (pause := self._collected_at + COLLECT_EVERY - now) > 0:
            return Again(seconds=pause)
        self._collected_at = now
        return await collect(self._cluster, self._builds)

    async def _store(self, key: Key) -> Again:
        before = self._cluster.stores.get("", key.name)
        again = await describe_store(self._cluster, self._world, self.storage, key, self._now())
        after = self._cluster.stores.get("", key.name)
        if not opens_for_engines(before) and opens_for_engines(after):
            # What waited for the bucket would come back in up to five minutes.
            self._queue.hasten(lambda waiting: waiting.kind == "engine", within=STORE_IS_BACK)
        await self._tell_of_store(before, after)
        return again

    async def _tell_of_store(self, before: Object | None, after: Object | None) -> None:
        if before is not None and after is not None:
            for event in events.events_of_store(before, after, instance=self._instance):
                await events.post(self._cluster.kube, event)

    async def _engine(self, key: Key) -> Again:
        body = self._cluster.engines.get(key.namespace, key.name)
        if body is None or is_going(body):
            self._forget(key)
            return Again()
        engine = engine_snapshot(body)
        additions = self._additions(key, engine)
        engine = replace(engine, added=additions.targets)
        self._adding[key] = additions.new_pools
        try:
            observation = await self._observer.observe(engine)
            self._builds.ask(key, engine.build)
            self._note_demand(key, observation)
            decisions = await self._decide_and_apply(key, observation)
            delay = await self._write(key, body, engine, decisions, additions)
        finally:
            del self._adding[key]
        return _again(decisions, delay, additions.recheck)

    def _additions(self, key: Key, engine: EngineSnapshot) -> Additions:
        """Decide on targets that pods need; what other passes are about to add counts already."""
        engines = self._cluster.engines
        needs = None
        if not engines.excess(key.namespace, key.name):
            needs = self._cluster.demand.needs_of(key.namespace, key.name)
        used = Counter(engines.added)
        for other, pools in self._adding.items():
            used.update((pool, other.namespace) for pool in pools)
        return additions_to(engine, needs, self._observer.pool_facts(), used, self._clock.wall())

    async def _decide_and_apply(self, key: Key, observation: Observation) -> list[Decision]:
        decisions = []
        for snapshot in observation.targets:
            self._ended.note(snapshot.job)
            one = await self._decide(key, snapshot)
            try:
                build = self._build(one)
                done = await apply(self._cluster, self._settings, one, observation.model_size, build)
                decisions.append(done)
                self._count_start(done)
            finally:
                if one.plan.action is JobAction.CREATE_JOB and snapshot.wanted:
                    self._builds.release(snapshot.wanted.identity)
                    self._count_builds(snapshot.wanted.pool or "")
        return decisions

    async def _decide(self, key: Key, snapshot: TargetSnapshot) -> Decision:
        """Decide; a build that is due needs room in the store and a place in its pool, or it waits."""
        snapshot = self._with_sharers(key, snapshot)
        plan = decide(snapshot)
        if plan.action is JobAction.CREATE_JOB:
            snapshot = await self._observer.with_quota(snapshot, self._waiting(key, snapshot))
            plan = decide(snapshot)
        if plan.action is JobAction.CREATE_JOB and (position := self._queue_position(key, snapshot)):
            snapshot = replace(snapshot, queue_position=position)
            plan = decide(snapshot)
        elif plan.action is not JobAction.CREATE_JOB and snapshot.wanted:
            self._hand_over(key, snapshot.wanted.identity)
        return Decision(snapshot, plan)

    def _waiting(self, key: Key, snapshot: TargetSnapshot) -> Iterator[str]:
        """Yield the namespaces that wait for a build, that of ``key`` first: mostly no other is asked for."""
        yield key.namespace
        if snapshot.wanted is not None:
            yield from (other.namespace for other in self._builds.keys_of(snapshot.wanted.identity))

    def _with_sharers(self, key: Key, snapshot: TargetSnapshot) -> TargetSnapshot:
        """Look for others of the same engine only where it matters: there may be thousands."""
        asks_again = snapshot.engine.open_rebuild is not None or snapshot.ended_without_engine
        if snapshot.wanted is None or not asks_again:
            return snapshot
        keys = self._builds.keys_of(snapshot.wanted.identity)
        return replace(snapshot, is_shared=any(other.namespace != key.namespace for other in keys))

    def _build(self, decision: Decision) -> BuildParameters:
        """Return how to build for all who wait for it now."""
        own, wanted = decision.snapshot.engine.build, decision.snapshot.wanted
        if wanted is None or decision.plan.action is not JobAction.CREATE_JOB:
            return own
        return parameters_for_all(wanted.tenants, [own, *self._builds.asked_for(wanted.identity)])

    def _hand_over(self, key: Key, identity: str) -> None:
        """Take out of the queue what stands there by ``key``; others who want it take its place over."""
        if pool := self._builds.withdraw(identity, key):
            self._count_builds(pool)
            for other in self._builds.keys_of(identity):
                if other != key:
                    self._queue.add(other)

    def _count_builds(self, pool: str) -> None:
        if pool:
            self._queue.add_after(pool_key(pool), COUNT_AFTER)

    def _queue_position(self, key: Key, snapshot: TargetSnapshot) -> QueuePosition | None:
        if snapshot.wanted is None or snapshot.wanted.pool is None:
            return None
        self._count_builds(snapshot.wanted.pool)
        limit = self._cluster.places(snapshot.wanted.pool)
        ahead = self._builds.claim(
            snapshot.wanted.pool,
            snapshot.wanted.identity,
            limit,
            busy=self._cluster.busy(snapshot.wanted.pool),
            since=snapshot.engine.created,
            namespace=key.namespace,
            weight=tenant_of(snapshot.wanted.tenants, key.namespace).weight,
            key=key,
        )
        return None if ahead is None else QueuePosition(ahead, limit)

    async def _write(
        self,
        key: Key,
        body: Object,
        engine: EngineSnapshot,
        decisions: Sequence[Decision],
        additions: Additions,
    ) -> float:
        """Write the status if it is worth it; return in how many seconds it will be (0: it is done)."""
        status = engine_status(engine, decisions, self._now(), additions.refusals)
        patch = difference(engine.status, status)
        pace = self._pace(key, moves=any(one.moves for one in decisions))
        if not patch:
            return 0.0
        now = self._clock.steady()
        moving_for = now - pace.moving_since if pace.moving_since is not None else 0.0
        delay = write_delay(engine, decisions, status, moving_for=moving_for, quiet_for=now - pace.written_at)
        if delay > 0 and not additions.new:  # until it is written, a limit does not count it
            await self._tell(body, [one for one in decisions if one.plan.action is JobAction.CREATE_JOB])
            return delay
        if not await self._cluster.write_status(body, patch):
            return 0.0  # deleted meanwhile: there is nobody to tell
        self._count_ready(decisions)
        pace.written_at = now
        for pod in pod_gate.gated_by(self._cluster, key.namespace, key.name):
            self._queue.add(pod)
        await self._tell(body, decisions)
        if "conditions" in patch or "targets" in patch:
            await self._tell_of(body, engine, additions)
        return 0.0

    async def _tell_of(self, body: Object, engine: EngineSnapshot, additions: Additions) -> None:
        """Tell of added targets; of a refusal when it is another than before."""
        standing = {one["type"]: one.get("message") for one in engine.status.get("conditions") or []}
        before = standing.get(AUTO_BUILD) or ""
        news = tuple(one for one in additions.refusals if one.message not in before)
        for event in events.events_of_additions(
            body, replace(additions, refusals=news), instance=self._instance
        ):
            await events.post(self._cluster.kube, event)

    def _pace(self, key: Key, *, moves: bool) -> WritePace:
        pace = self._paces.setdefault(key, WritePace())
        if not moves:
            pace.moving_since = None
        elif pace.moving_since is None:
            pace.moving_since = self._clock.steady()
        return pace

    async def _tell(self, body: Object, decisions: Sequence[Decision]) -> None:
        for one in decisions:
            if event := events.event_of(body, one, instance=self._instance):
                await events.post(self._cluster.kube, event)

    def _count_start(self, done: Decision) -> None:
        if done.plan.action is JobAction.CREATE_JOB and done.snapshot.wanted:
            self._counters.builds_started.labels(done.snapshot.wanted.pool or "").inc()

    def _count_ready(self, decisions: Sequence[Decision]) -> None:
        for one in decisions:
            earlier = one.snapshot.earlier
            if one.plan.source and (earlier is None or earlier.state != one.plan.state):
                self._counters.targets_ready.labels(one.plan.source).inc()

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock.wall(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _note_demand(self, key: Key, observation: Observation) -> None:
        troubled = any(snapshot.trouble and snapshot.trouble.unknown for snapshot in observation.targets)
        wanted = [snapshot.wanted.identity for snapshot in observation.targets if snapshot.wanted]
        self._let_go(key, self._builds.want(key, None if troubled else wanted))

    def _forget(self, key: Key) -> None:
        self._paces.pop(key, None)
        self._let_go(key, self._builds.drop(key))

    def _let_go(self, key: Key, identities: frozenset[str]) -> None:
        for identity in identities:
            self._hand_over(key, identity)
        if identities:
            self._queue.add(JOBS_KEY)


def _again(decisions: Sequence[Decision], delay: float, recheck: float | None) -> Again:
    appointments = [one.plan.recheck for one in decisions if one.plan.recheck is not None]
    if recheck is not None:
        appointments.append(recheck)
    if delay > 0:
        appointments.append(delay)
    back_off = any(one.plan.back_off for one in decisions)
    return Again(seconds=min(appointments, default=None), back_off=back_off)
