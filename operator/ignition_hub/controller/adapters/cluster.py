"""
The controller's view of the cluster and its few writes.

Mirrors answer reads; writes go through ``Kube`` and their answers go into the mirrors, so that the next pass
sees them. Nothing here decides.
"""

import asyncio
import contextlib
import logging
from collections.abc import Collection, Mapping
from typing import Any

from ignition_hub.controller.adapters import scopes
from ignition_hub.controller.adapters.engine_cache import Engines
from ignition_hub.controller.adapters.gpu_demand import GpuDemand
from ignition_hub.controller.adapters.job_cache import Jobs
from ignition_hub.controller.adapters.object_cache import Mirror, Name, name_of
from ignition_hub.controller.adapters.pod_cache import WaitingPods
from ignition_hub.controller.adapters.rolling_pods import RollingPods
from ignition_hub.controller.adapters.scopes import Scope
from ignition_hub.controller.policy import job_status
from ignition_hub.controller.policy.status import patched
from ignition_hub.controller.policy.views import Trouble
from ignition_hub.engine.names import LABEL_JOB_NAME
from ignition_hub.kube import (
    ENGINES,
    JOBS,
    PODS,
    POOLS,
    STORES,
    Conflict,
    Kube,
    KubeError,
    NotFound,
    Object,
    Resource,
)

logger = logging.getLogger(__name__)


class Cluster:
    """Mirrors of all kinds we watch, and the writes we make; ``rolls`` adds pods that rollouts are for."""

    def __init__(
        self,
        kube: Kube,
        build_namespace: str,
        *,
        releases: Kube | None = None,
        most_engines: int = 0,
        rolls: bool = False,
    ) -> None:
        self.kube = kube
        self._releases = releases or kube
        self.build_namespace = build_namespace
        self.engines = Engines(most=most_engines)
        self.pools = Mirror()
        self.stores = Mirror()
        self.jobs = Jobs()
        self.waiting_pods = WaitingPods()
        self.demand = GpuDemand()
        self.rolling_pods = RollingPods()
        self.rolls = rolls
        self._creating: dict[str, asyncio.Lock] = {}
        self._writing: dict[Name, Mapping[str, Any]] = {}

    async def refresh(self, but: Collection[Resource] = ()) -> None:
        """List everything anew, ``but`` for some kinds: what a watch missed is known again."""
        kinds: list[tuple[Mirror, Scope]] = [
            (self.engines, scopes.ENGINES),
            (self.pools, scopes.POOLS),
            (self.stores, scopes.STORES),
            (self.jobs, scopes.our_jobs(self.build_namespace)),
            (self.waiting_pods, scopes.WAITING_PODS),
        ]
        if self.rolls:
            kinds.append((self.rolling_pods, scopes.ROLLING_PODS))
        asked = [(mirror, scope) for mirror, scope in kinds if scope.resource not in but]
        await asyncio.gather(*(self._refresh(mirror, scope) for mirror, scope in asked))
        if self.builds_for_pods():
            await self._refresh_demand()

    def builds_for_pods(self) -> bool:
        """Tell whether a pool adds targets for pods, or a status still has one; note that once it is so."""
        if not self.demand.wanted.is_set():
            pools = ((pool.get("spec") or {}).get("autoBuild") for pool in self.pools)
            if any(pools) or any(self.engines.added.values()):
                self.demand.wanted.set()
        return self.demand.wanted.is_set()

    def added_targets(self) -> dict[str, int]:
        """Return how many targets each pool that adds some has added; a status may name any other."""
        names = (pool["metadata"]["name"] for pool in self.pools if (pool.get("spec") or {}).get("autoBuild"))
        counts = dict.fromkeys(names, 0)
        for (pool, _), count in self.engines.added.items():
            if pool in counts:
                counts[pool] += count
        return counts

    async def _refresh_demand(self) -> None:
        try:
            await self._refresh(self.demand.pods, scopes.PODS_WITH_ENGINES)
            await self._refresh(self.demand.nodes, scopes.NODES)
            with contextlib.suppress(NotFound):  # a cluster without them
                await self._refresh(self.demand.slices, scopes.SLICES)
                await self._refresh(self.demand.claims, scopes.CLAIMS)
        except KubeError as error:  # engines that are asked for do not depend on it
            logger.warning("cannot list what pods run on: %s", error)
        else:
            self.demand.is_known = True

    async def _refresh(self, mirror: Mirror, scope: Scope) -> None:
        before = mirror.versions()
        mirror.replace(await self.kube.list(*scope), before)

    def job(self, name: str) -> Object | None:
        """Return a builder Job."""
        return self.jobs.get(self.build_namespace, name)

    def busy(self, pool: str) -> Collection[str]:
        """Return the identities (32 digits) that are being built in ``pool``."""
        return self.jobs.busy(pool)

    def places(self, pool: str) -> int:
        """Return how many builds may run in ``pool`` at once."""
        body = self.pools.get("", pool) or {}
        return int((body.get("spec") or {}).get("maxConcurrentBuilds", 1))

    async def create_job(self, job: Object) -> bool:
        """Create a Job; an existing one of that name is as good (False)."""
        name = job["metadata"]["name"]
        # A thousand engines of one identity come here at once: one asks, the others see what comes of it.
        async with self._creating.setdefault(name, asyncio.Lock()):
            try:
                return self.job(name) is None and await self._create_job(name, job)
            finally:
                self._creating.pop(name, None)

    async def _create_job(self, name: str, job: Object) -> bool:
        try:
            self.jobs.put(await self.kube.create(JOBS, job, self.build_namespace))
        except Conflict:
            existing = await self.kube.get(JOBS, name, self.build_namespace)
            if existing is None:
                raise
            self.jobs.put(existing)
            return False
        return True

    async def delete_job(self, name: str, uid: str) -> None:
        """Delete that very Job; another one of its name is left alone."""
        try:
            going = await self.kube.delete(JOBS, name, self.build_namespace, uid=uid)
        except Conflict:
            existing = await self.kube.get(JOBS, name, self.build_namespace)
            if existing is not None and existing["metadata"]["uid"] == uid:
                raise
            going = None
        if going is not None:
            self.jobs.put(going)  # until its finalizers are gone it keeps its place in the pool
            return
        known = self.job(name)
        if known is not None and known["metadata"].get("uid") == uid:
            self.jobs.drop(known)

    async def write_status(
        self, observed: Object, patch: Mapping[str, Any], kind: Resource = ENGINES
    ) -> bool:
        """
        Merge ``patch`` into the status of the very version of an object that was ``observed``.

        False when the object is gone.
        """
        metadata = observed["metadata"]
        body = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": dict(patch)}
        name, namespace = metadata["name"], metadata.get("namespace")
        mirror = {ENGINES: self.engines, POOLS: self.pools, STORES: self.stores}[kind]
        if kind is ENGINES:
            self._writing[name_of(observed)] = patched(observed.get("status") or {}, patch)
        try:
            mirror.put(await self.kube.merge_patch(kind, name, body, namespace, "status"))
        except NotFound:
            mirror.drop(observed)
            return False
        except Conflict:
            # The watch may be late: the next pass must not decide on that old version again. A new spec of
            # a pool or a store has to come by the watch, which wakes every engine.
            if kind is ENGINES and (fresh := await self.kube.get(kind, name, namespace)):
                mirror.put(fresh)
            raise
        finally:
            self._writing.pop(name_of(observed), None)
        return True

    def is_own_status(self, before: Object | None, engine: Object) -> bool:
        """
        Tell whether ``engine`` is what it was ``before``, with the status that is being written now.

        The watch may be faster than the answer to the write.
        """
        written = self._writing.get(name_of(engine))
        return (
            written is not None
            and before is not None
            and written == engine.get("status")
            and _asked(before) == _asked(engine)
        )

    def is_being_created(self, job: str) -> bool:
        """Tell whether a pass is waiting for the answer to a Job's creation."""
        return job in self._creating

    async def release_pod(self, pod: Object, patch: Mapping[str, Any]) -> None:
        """
        Lift the scheduling gate of the very version of a pod that was observed; one that is gone needs none.

        ``Conflict`` when it changed since, or is another pod of that name: ``patch`` holds whole lists of it.
        """
        metadata = pod["metadata"]
        observed = {key: metadata[key] for key in ("uid", "resourceVersion")}
        body = {**patch, "metadata": {**(patch.get("metadata") or {}), **observed}}
        with contextlib.suppress(NotFound):
            await self._releases.merge_patch(PODS, metadata["name"], body, metadata["namespace"])
        self.waiting_pods.drop(pod)

    async def failure_of(self, job: Object) -> Trouble:
        """Return why a Job failed."""
        return job_status.failure_of(job, await self._pods_of(job))

    async def obstacle_of(self, job: Object) -> Trouble | None:
        """Return what keeps a Job's pod from running."""
        return job_status.obstacle_of(await self._pods_of(job))

    async def _pods_of(self, job: Object) -> list[Object]:
        selector = f"{LABEL_JOB_NAME}={job['metadata']['name']}"
        pods = await self.kube.list(PODS, self.build_namespace, selector)
        uid = job["metadata"].get("uid")
        return [pod for pod in pods if uid in _owners(pod)]


def _asked(engine: Object) -> tuple[Any, ...]:
    metadata = engine["metadata"]
    names = ("uid", "generation", "annotations", "labels", "deletionTimestamp")
    return tuple(metadata.get(name) for name in names)


def _owners(body: Object) -> set[str]:
    return {owner.get("uid") for owner in body["metadata"].get("ownerReferences") or []}
