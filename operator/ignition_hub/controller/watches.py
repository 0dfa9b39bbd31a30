"""
What wakes the queue: watches, each event turned into a mirror entry and a key.

kopf watches pools and stores, and is a shell here: its handlers never write, never raise and never keep state
of their own, no finalizer, no annotation, no timer, no daemon, no index. What there are thousands of comes by
``feeds``. Whatever a watch misses, the resync finds.
"""

import random
from collections.abc import Iterator
from typing import Any

import kopf

from ignition_hub.controller.adapters import scopes
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.feed import Feed, FeedWhereServed
from ignition_hub.controller.adapters.object_cache import Mirror, is_going
from ignition_hub.controller.passes.pod_gate import gated_by
from ignition_hub.controller.passes.rollouts import SOON
from ignition_hub.controller.policy.build_queue import BuildQueue
from ignition_hub.controller.policy.job_status import news_of, state_of
from ignition_hub.controller.policy.pool_status import COUNT_AFTER
from ignition_hub.controller.policy.views import JobState
from ignition_hub.controller.process.keys import (
    JOBS_KEY,
    Key,
    engine_key,
    pod_key,
    pool_key,
    rollouts_key,
    store_key,
)
from ignition_hub.controller.process.lanes import KeyQueue
from ignition_hub.engine.names import LABEL_IDENTITY, LABEL_POOL
from ignition_hub.kube import POOLS, STORES, Object
from ignition_hub.wire.back_off import BackOff

TOGETHER = 1.0
"""Seconds from a pod that got its node until its engines are looked at: pods come by the hundred."""
UNTIL_REPLACED = 60.0
"""Seconds from the end of a pod until its engines are looked at: a rollout ends one and begins another."""

PUT_OFF = {"rollouts": SOON, "pool": COUNT_AFTER}
"""
Seconds that a kind of key is looked at after the others when everything is: an engine may still restart pods,
and those that queue at a pool are counted.
"""


class Watching:
    """Feeds mirrors and queue."""

    def __init__(self, cluster: Cluster, queue: KeyQueue[Key], builds: BuildQueue[Key]) -> None:
        self._cluster = cluster
        self._queue = queue
        self._builds = builds

    def engine(self, kind: str | None, body: Object) -> None:
        """An engine is there, changed or is gone."""
        key = engine_key(body)
        before = self._cluster.engines.get(key.namespace, key.name)
        if _mirror(self._cluster.engines, kind, body) and not self._cluster.is_own_status(before, body):
            self._queue.add(key)
            self._cluster.builds_for_pods()
            for pod in gated_by(self._cluster, key.namespace, key.name):
                self._queue.add(pod)
        if self._cluster.rolling_pods.all_in(key.namespace):
            self._queue.add_after(rollouts_key(key.namespace), SOON)
        if kind == "DELETED" or is_going(body):
            self._wake_next_of(key.namespace)

    def job(self, kind: str | None, body: Object) -> None:
        """A builder Job is there, changed or is gone."""
        before = self._cluster.job(body["metadata"]["name"])
        if _mirror(self._cluster.jobs, kind, body) and (kind == "DELETED" or self._is_news(before, body)):
            self._wake_for_job(body)

    def pod(self, kind: str | None, body: Object) -> None:
        """A pod waits for its engines, or does no longer."""
        if _mirror(self._cluster.waiting_pods, kind, body):
            self._queue.add(pod_key(body))

    def placed_pod(self, kind: str | None, body: Object) -> None:
        """A pod with engines got its node, or has ended: they may need a target more, or one less."""
        pods, metadata = self._cluster.demand.pods, body["metadata"]
        before = pods.get(metadata["namespace"], metadata["name"])
        if not _mirror(pods, kind, body):
            return
        after = pods.get(metadata["namespace"], metadata["name"])
        if _place(before) == _place(after):
            return
        for pod, within in ((before, UNTIL_REPLACED), (after, TOGETHER)):
            if pod is not None and pod["node"]:
                self._wake_for_pod(pod, within)

    def node(self, kind: str | None, body: Object) -> None:
        """A node is there, changed or is gone: its pods may be on another GPU than was believed."""
        nodes, name = self._cluster.demand.nodes, body["metadata"]["name"]
        before = nodes.facts_of(name)
        if _mirror(nodes, kind, body) and nodes.facts_of(name) != before:
            for namespace, engine in self._cluster.demand.engines_on(name):
                self._queue.add(Key("engine", namespace, engine))

    def claim(self, kind: str | None, body: Object) -> None:
        """A claim is there, was allocated or is gone: the pods that ask by it may have another GPU."""
        if _mirror(self._cluster.demand.claims, kind, body):
            metadata = body["metadata"]
            for pod in self._cluster.demand.pods.with_claim(metadata["namespace"], metadata["name"]):
                self._wake_for_pod(pod, TOGETHER)

    def device_slice(self, kind: str | None, body: Object) -> None:
        """A driver tells of its devices: what pods have by claims may be known now."""
        demand, name = self._cluster.demand, body["metadata"]["name"]
        before = demand.slices.view_of(name)
        if not _mirror(demand.slices, kind, body) or demand.slices.view_of(name) == before:
            return
        for pod in demand.pods:
            if pod["node"] and pod["asked"].has_claims:
                self._wake_for_pod(pod, TOGETHER)

    def _wake_for_pod(self, pod: Object, within: float) -> None:
        for engine in pod["engines"]:
            self._queue.add_after(Key("engine", pod["metadata"]["namespace"], engine), within)

    def rolling_pod(self, kind: str | None, body: Object) -> None:
        """A pod is there, changed or is gone whose workload may be restarted for new engines."""
        if _mirror(self._cluster.rolling_pods, kind, body):
            self._queue.add_after(rollouts_key(body["metadata"]["namespace"]), SOON)

    def pool(self, kind: str | None, body: Object) -> None:
        """A pool is there, changed or is gone: every choice may be another now."""
        key = pool_key(body["metadata"]["name"])
        if _mirror_settings(self._cluster.pools, kind, body):
            self._queue.add(key)
            self._cluster.builds_for_pods()
            self.wake_all(within=2.0)
        else:
            self._queue.add_after(key, COUNT_AFTER)  # whatever else wrote to its status is repaired

    def store(self, kind: str | None, body: Object) -> None:
        """An EngineStore is there, changed or is gone: another one may be the default now."""
        if _mirror_settings(self._cluster.stores, kind, body):
            self._queue.forget(store_key(body))
            self.wake_all(within=2.0)

    def wake_all(self, *, within: float) -> None:
        """Have everything looked at, spread over ``within`` seconds."""
        for key in keys_of_all(self._cluster):
            if key.kind == "store":
                self._queue.add(key)
            elif key.kind == "engine":
                self._queue.add_after(key, random.uniform(0.0, within))  # noqa: S311  # spreads load
            else:
                self._queue.add_after(key, within + PUT_OFF.get(key.kind, 0.0))

    def _is_news(self, before: Object | None, job: Object) -> bool:
        """Tell whether a Job that is there says something else now; who creates it knows that it begins."""
        if before is None:
            begins = state_of(job) in {JobState.ACTIVE, JobState.SUSPENDED}
            return not (begins and self._cluster.is_being_created(job["metadata"]["name"]))
        same = before["metadata"].get("uid") == job["metadata"].get("uid")
        return not same or news_of(before) != news_of(job)

    def _wake_next_of(self, namespace: str) -> None:
        """Have those looked at that get the place, or may get the room, of a resource that was deleted."""
        engines = self._cluster.engines
        for name in (engines.next_for_place(namespace), engines.next_for_room(namespace)):
            if name:
                self._queue.add(Key("engine", namespace, name))

    def _wake_for_job(self, job: Object) -> None:
        """Have everybody looked at who waits for a Job, or for the place it frees."""
        labels = job["metadata"].get("labels") or {}
        waiting = self._builds.keys_of(labels.get(LABEL_IDENTITY, ""))
        for key in waiting or [JOBS_KEY]:
            self._queue.add(key)
        self._queue.add_after(pool_key(labels.get(LABEL_POOL, "")), COUNT_AFTER)
        if state_of(job) in {JobState.COMPLETE, JobState.FAILED, JobState.GOING}:
            self._wake_next(labels.get(LABEL_POOL, ""))

    def _wake_next(self, pool: str) -> None:
        """Have as many looked at as have a free place in ``pool``."""
        free = max(0, self._cluster.places(pool) - len(self._cluster.busy(pool)))
        for key in self._builds.next_in(pool, free):
            self._queue.add(key)


def keys_of_all(cluster: Cluster) -> Iterator[Key]:
    """Yield what there is to look at: every object that passes are about, and the Jobs as a whole."""
    yield from map(store_key, cluster.stores)
    yield from map(engine_key, cluster.engines)
    yield from map(pod_key, cluster.waiting_pods)
    yield from (pool_key(body["metadata"]["name"]) for body in cluster.pools)
    yield JOBS_KEY
    yield from map(rollouts_key, cluster.rolling_pods.namespaces())


def feeds(cluster: Cluster, watching: Watching) -> tuple[Feed, ...]:
    """Return the watches of engines, of builder Jobs, of gated pods, and of those that rollouts are for."""
    rolling = Feed(cluster.kube, scopes.ROLLING_PODS, cluster.rolling_pods, watching.rolling_pod)
    return (
        Feed(cluster.kube, scopes.ENGINES, cluster.engines, watching.engine),
        Feed(cluster.kube, scopes.our_jobs(cluster.build_namespace), cluster.jobs, watching.job),
        Feed(cluster.kube, scopes.WAITING_PODS, cluster.waiting_pods, watching.pod),
        *((rolling,) if cluster.rolls else ()),
    )


def demand_feeds(cluster: Cluster, watching: Watching) -> tuple[Feed, ...]:
    """Return the watches of pods with engines and of what tells their GPUs, for ``spec.autoBuild``."""
    demand = cluster.demand
    return (
        Feed(cluster.kube, scopes.NODES, demand.nodes, watching.node),
        FeedWhereServed(cluster.kube, scopes.CLAIMS, demand.claims, watching.claim),
        FeedWhereServed(cluster.kube, scopes.SLICES, demand.slices, watching.device_slice),
        Feed(cluster.kube, scopes.PODS_WITH_ENGINES, demand.pods, watching.placed_pod),
    )


def register(registry: kopf.OperatorRegistry, watching: Watching) -> None:
    """Tell kopf what to watch; everything is passed in, nothing is global."""

    @kopf.on.login(id="login", registry=registry)
    async def login(**facts: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**facts) or kopf.login_with_kubeconfig(**facts)

    @kopf.on.event(POOLS.group, POOLS.version, POOLS.plural, id="pools", registry=registry)
    async def pools(event: kopf.RawEvent, **_: Any) -> None:
        watching.pool(event["type"], dict(event["object"]))

    @kopf.on.event(STORES.group, STORES.version, STORES.plural, id="stores", registry=registry)
    async def stores(event: kopf.RawEvent, **_: Any) -> None:
        watching.store(event["type"], dict(event["object"]))


class JitteredDelays:
    """Delays between kopf's attempts, different in every use, so that replicas do not return together."""

    def __iter__(self) -> Iterator[float]:
        return map(BackOff(first=1.0, longest=30.0).delay, range(1, 9))


def settings_for_kopf() -> kopf.OperatorSettings:
    """Return kopf's settings; the reasons are in ``docs/adr/0001-kopf-is-a-shell.md``."""
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.watching.chunk_size = 500
    settings.watching.inactivity_timeout = 70
    settings.watching.server_timeout = 300
    settings.watching.connect_timeout = 10
    settings.queueing.worker_limit = 64
    settings.queueing.idle_timeout = 0.05  # with the default of 5 s, 64 workers pass 13 objects a second
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = JitteredDelays()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = kopf.StatusProgressStorage()
    return settings


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers nothing: kopf would copy every object to find differences nobody asks for."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Return nothing worth comparing."""
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """Return that nothing was stored."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""


def _place(pod: Object | None) -> tuple[Any, ...]:
    """Return what of a placed pod says which GPU it has."""
    return (pod["node"], pod["asked"]) if pod is not None and pod["node"] else ()


def _mirror(mirror: Mirror, kind: str | None, body: Object) -> bool:
    if kind == "DELETED":
        mirror.drop(body)
        return True
    return mirror.put(body)


def _mirror_settings(mirror: Mirror, kind: str | None, body: Object) -> bool:
    """Mirror a pool or a store; tell whether more than its status changed."""
    before = mirror.get("", body["metadata"]["name"])
    return _mirror(mirror, kind, body) and (
        kind == "DELETED" or before is None or _settings(before) != _settings(body)
    )


def _settings(body: Object) -> tuple[Any, ...]:
    metadata = body["metadata"]
    return body.get("spec"), metadata.get("annotations"), metadata.get("deletionTimestamp")
