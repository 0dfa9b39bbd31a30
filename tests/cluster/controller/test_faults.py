"""
The controller answered with refusals: the end is always the same. ``test_crash_points`` kills it.

The life is that of one engine: a failed build, the rebuild that succeeds, a change of the spec, the deletion.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

import job_controller
from fakeworld import FakeWorld, make_engine, make_pool
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.observe import Observer
from ignition_hub.controller.policy.build_job import JobSettings
from ignition_hub.controller.policy.build_queue import BuildQueue
from ignition_hub.controller.process.keys import Key
from ignition_hub.controller.process.work_queue import WorkQueue
from ignition_hub.controller.reconciler import Clock, Reconciler
from ignition_hub.engine.names import ANNOTATION_REBUILD, BUILD_NAMESPACE
from ignition_hub.kube import (
    ENGINES,
    JOBS,
    NAMESPACES,
    POOLS,
    Conflict,
    Kube,
    Object,
    RateLimiter,
    Unavailable,
)
from job_controller import condition_of, is_current, request_of
from localcluster import ControlPlane

pytestmark = pytest.mark.cluster

LONG_AFTER = 10_000.0


class RefusedKube(Kube):
    """A client some of whose writes, counted from 1, are refused."""

    refuses: dict[int, Exception]
    count = 0

    async def send(self, method: str, path: str, **arguments: Any) -> Object:
        if method == "GET" or "events" in path:
            return await super().send(method, path, **arguments)
        self.count += 1
        if refusal := self.refuses.pop(self.count, None):
            raise refusal
        return await super().send(method, path, **arguments)


class Life:
    """One engine, its failed first build, the rebuild that succeeds, and its deletion."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.kube = kube
        self.namespace = namespace
        self.world = FakeWorld()
        self.elapsed = 0.0
        self.live_jobs: list[str] = []

    def begin(self, kube: Kube) -> Reconciler:
        """Start a controller that knows nothing."""
        cluster = Cluster(kube, BUILD_NAMESPACE)
        clock = Clock(wall=lambda: 1767225600.0, steady=lambda: self.elapsed)
        queue: WorkQueue[Key] = WorkQueue()
        settings = JobSettings(gateway_url="https://gateway.invalid")
        observer = Observer(cluster, self.world, now=clock.wall)
        self.cluster = cluster
        return Reconciler(
            cluster=cluster,
            observer=observer,
            world=self.world,
            queue=queue,
            builds=BuildQueue(),
            settings=settings,
            clock=clock,
            instance="test",
        )

    async def passes(self, reconciler: Reconciler, count: int = 4) -> None:
        """Run passes as a resync does; time goes by in between, and failures are tried again."""
        for _ in range(count):
            await self.cluster.refresh()
            self.elapsed += LONG_AFTER
            for key in (Key("engine", self.namespace, "resnet50"), Key("jobs")):
                try:
                    await reconciler.reconcile(key)
                except (Conflict, Unavailable):
                    continue

    async def steps(self, kube: Kube) -> None:
        """Live the whole life."""
        reconciler = self.begin(kube)

        async def work() -> None:
            await self.passes(reconciler)

        await self.kube.create(ENGINES, make_engine(namespace=self.namespace), self.namespace)
        await work()
        await job_controller.fail(self.kube, await self.job(), "BuildFailed", "no", 18)
        await work()
        await self.expect("Stalled")
        again = {"metadata": {"annotations": {ANNOTATION_REBUILD: "now"}}}
        await self.kube.merge_patch(ENGINES, "resnet50", again, self.namespace)
        await work()
        job = await self.job()
        self.world.bucket.publish(request_of(job))
        await job_controller.complete(self.kube, job)
        await work()
        await self.expect("Ready")
        change = {"spec": {"precision": "fp32"}}
        await self.kube.merge_patch(ENGINES, "resnet50", change, self.namespace)
        await work()
        await self.job()
        await self.kube.delete(ENGINES, "resnet50", self.namespace)
        await work()

    async def job(self) -> Object:
        """Return the one Job that runs."""
        running = [job for job in await self.kube.list(JOBS, BUILD_NAMESPACE) if not _has_ended(job)]
        assert len(running) == 1
        self.live_jobs.append(running[0]["metadata"]["uid"])
        return running[0]

    async def expect(self, condition: str) -> None:
        body = await self.kube.get(ENGINES, "resnet50", self.namespace)
        assert body is not None
        assert is_current(body)
        assert condition_of(body, condition)["status"] == "True", body["status"]


@pytest.fixture(scope="module")
def connections(control_plane: ControlPlane) -> str:
    """The kubeconfig of the session's API server, with the build namespace in it."""
    control_plane.kubectl("create", "namespace", BUILD_NAMESPACE, check=False)
    return str(control_plane.kubeconfig)


@pytest.fixture
async def life(connections: str) -> AsyncIterator[Life]:
    kube = await Kube.connect(kubeconfig=connections, limiter=fast())
    for body in await kube.list(JOBS, BUILD_NAMESPACE):
        await kube.delete(JOBS, body["metadata"]["name"], BUILD_NAMESPACE)
    name = f"test-{uuid4().hex[:12]}"
    await kube.create(NAMESPACES, {"metadata": {"name": name}})
    await kube.create(POOLS, make_pool("faults"))
    yield Life(kube, name)
    await kube.delete(POOLS, "faults")
    await kube.close()
    await asyncio.sleep(0.05)


def fast() -> RateLimiter:
    return RateLimiter(qps=1000, burst=1000)


@pytest.mark.parametrize(
    "refusal",
    [Conflict(409, "the object has been modified"), Unavailable(500, "no"), Unavailable(0, "timed out")],
    ids=["409", "500", "timeout"],
)
async def test_every_write_may_be_refused_once(life: Life, connections: str, refusal: Exception) -> None:
    kube = await RefusedKube.connect(kubeconfig=connections, limiter=fast())
    kube.refuses = dict.fromkeys(range(1, 40, 2), refusal)
    try:
        await life.steps(kube)
        left = [job for job in await life.kube.list(JOBS, BUILD_NAMESPACE) if not _has_ended(job)]
    finally:
        await kube.close()

    assert left == []


def _has_ended(job: Object) -> bool:
    return bool(condition_of(job, "Complete") or condition_of(job, "Failed"))
