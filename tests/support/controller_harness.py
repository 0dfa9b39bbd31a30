"""
What tests and benchmarks of the controller need around it: an API server, a pool, other people's hands.

The API server is real. The Job controller and the gateway are played by whoever holds the ``Hub``; the store
is ``fakeworld.FakeWorld``. Every other part is the controller as it runs in production, kopf's watches
included.
"""

import asyncio
import gc
import os
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

import job_controller
from fakeworld import FakeWorld, make_pool
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.app import Controller, ControllerSettings
from ignition_hub.engine.names import BUILD_NAMESPACE, RELEASE_NAMESPACE
from ignition_hub.kube import ENGINES, JOBS, NAMESPACES, PODS, POOLS, STORES, Kube, Object, RateLimiter
from job_controller import condition_of, eventually, is_current, request_of
from localcluster import ControlPlane

CRDS = Path(__file__).resolve().parents[2] / "crds"


@contextmanager
def plane_of_its_own() -> Iterator[ControlPlane]:
    """Start an API server with our kinds and namespaces that no other controller sees."""
    with ControlPlane.start() as started:
        started.kubectl("apply", "--server-side", "-f", str(CRDS))
        started.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        for name in (BUILD_NAMESPACE, RELEASE_NAMESPACE):
            started.kubectl("create", "namespace", name)
        with mock.patch.dict(os.environ, KUBECONFIG=str(started.kubeconfig)):
            yield started


@dataclass
class Hub:
    """A controller at work, and the hands of everybody around it."""

    kube: Kube
    """Of the test, not of the controller: the controller's writes are counted apart."""
    world: FakeWorld
    namespace: str
    plane: ControlPlane
    writes: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def controller(
        self, *, qps: float = 500, most_engines: int = 0, rollouts: bool = False, **options: Any
    ) -> AsyncIterator[Controller]:
        """Run a controller, leading at once, until the block ends."""
        kube = await Kube.connect(limiter=RateLimiter(qps=qps, burst=500))
        kube.writes = self.writes
        cluster = Cluster(kube, BUILD_NAMESPACE, most_engines=most_engines, rolls=rollouts)
        settings = ControllerSettings(
            release_namespace=RELEASE_NAMESPACE,
            build_namespace=BUILD_NAMESPACE,
            gateway_url="https://gateway.invalid",
            **options,
        )
        controller = Controller(kube, self.world, cluster, settings)
        tasks = [asyncio.create_task(controller.watch()), asyncio.create_task(controller.lead())]
        try:
            yield controller
        finally:
            tasks[1].cancel()
            controller.stop()
            await asyncio.wait(tasks)
            await kube.close()
            await settle()

    async def apply(self, body: Object) -> Object:
        """Create an object in the test's namespace."""
        resource = {"TensorRTEngine": ENGINES, "BuildPool": POOLS, "EngineStore": STORES}[body["kind"]]
        namespace = self.namespace if resource.namespaced else None
        body["metadata"].pop("namespace", None)
        return await self.kube.create(resource, body, namespace)

    async def engine(self, name: str = "resnet50") -> Object:
        found = await self.kube.get(ENGINES, name, self.namespace)
        assert found is not None
        return found

    async def until_engine(self, condition: str, name: str = "resnet50", *, status: str = "True") -> Object:
        """Wait until a condition of an engine has a status for its newest spec."""

        async def holds() -> Object | None:
            body = await self.engine(name)
            return (
                body if condition_of(body, condition).get("status") == status and is_current(body) else None
            )

        return await eventually(holds)

    async def until_target(self, state: str, name: str = "resnet50") -> Object:
        """Wait until the first target of an engine is in ``state`` for its newest spec."""

        async def holds() -> Object | None:
            body = await self.engine(name)
            targets = body["status"].get("targets") or [{}]
            return targets[0] if targets[0].get("state") == state and is_current(body) else None

        return await eventually(holds)

    async def jobs(self) -> list[Object]:
        return await self.kube.list(JOBS, BUILD_NAMESPACE)

    async def until_job(self) -> Object:
        """Wait for the one Job."""

        async def there() -> Object | None:
            jobs = [job for job in await self.jobs() if not (job["status"].get("conditions"))]
            return jobs[0] if jobs else None

        return await eventually(there)

    async def complete(self, job: Object) -> None:
        """Publish the Job's engine and make the Job complete, as gateway and Job controller do."""
        self.world.bucket.publish(request_of(job))
        await job_controller.complete(self.kube, job)

    async def fail(self, job: Object, reason: str, message: str, exit_code: int) -> None:
        """Have the gateway note a failure, and make the Job failed."""
        await job_controller.fail(self.kube, job, reason, message, exit_code)

    def status_writes(self) -> int:
        return self.writes["patch tensorrtengines/status"]

    def writes_for_engines(self) -> dict[str, int]:
        """Count all writes but events, and the status of pools, which is written for all engines together."""
        apart = {"create events", "patch buildpools/status"}
        return {request: number for request, number in self.writes.items() if request not in apart}

    async def rest(self, seconds: float = 1.5) -> None:
        """Let the controller do what it would do if it were not done."""
        await asyncio.sleep(seconds)


@asynccontextmanager
async def hub_at(plane: ControlPlane) -> AsyncIterator[Hub]:
    """Give a hub with one pool and a fresh namespace; nothing of an earlier one is left."""
    kube = await Kube.connect(limiter=RateLimiter(qps=1000, burst=1000, in_flight=64))
    try:
        for resource in (ENGINES, POOLS, STORES, JOBS, PODS):
            for body in await kube.list(resource):
                metadata = body["metadata"]
                await kube.delete(resource, metadata["name"], metadata.get("namespace"))
        name = f"test-{uuid4().hex[:12]}"
        await kube.create(NAMESPACES, {"metadata": {"name": name}})
        hub = Hub(kube, FakeWorld(), name, plane)
        await hub.apply(make_pool())
        yield hub
    finally:
        await kube.close()
        await settle()


async def settle() -> None:
    """Let connections end; kopf leaves the TLS streams it was reading from to the garbage collector."""
    await asyncio.sleep(0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
