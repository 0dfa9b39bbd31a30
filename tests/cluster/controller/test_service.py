"""
What serves pods, against a real API server: gates that are lifted once and for good, engines built anew.

The test plays the Job controller and the gateway; see ``controller_harness``.
"""

import asyncio
import time
from dataclasses import replace

import pytest

import job_controller
from controller_harness import Hub
from fakeworld import make_engine, make_manifest
from ignition_hub.compatibility import readiness
from ignition_hub.compatibility.placement import required_terms
from ignition_hub.controller.policy.job_status import epoch
from ignition_hub.engine.manifest import EngineFile
from ignition_hub.engine.names import ANNOTATION_REBUILD, LABEL_WAITING, SCHEDULING_GATE
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.kube import ENGINES, PODS, Object
from job_controller import eventually, request_of

pytestmark = pytest.mark.cluster

TWO_TARGETS = [{"gpuArch": "sm_86"}, {"gpuArch": "sm_89"}]
ASKED = "2026-01-01T00:00:00Z"
BETTER = EngineFile("ignition/engines/resnet50/better.trt", "b" * 64, 1000)
LATER = "2026-01-01T00:00:01Z"
"""As the gateway dates a replacement."""


def gated_pod(name: str) -> Object:
    return {
        "metadata": {
            "name": name,
            "labels": {LABEL_WAITING: "true"},
            "annotations": {ANNOTATION_ENGINES.name: "resnet50"},
        },
        "spec": {
            "schedulingGates": [{"name": SCHEDULING_GATE}],
            "containers": [{"name": "main", "image": "busybox"}],
        },
    }


async def pod_of(hub: Hub, name: str) -> Object:
    body = await hub.kube.get(PODS, name, hub.namespace)
    assert body is not None
    return body


async def until_released(hub: Hub, name: str) -> Object:
    async def released() -> Object | None:
        body = await pod_of(hub, name)
        return None if body["spec"].get("schedulingGates") else body

    return await eventually(released)


async def two_jobs(hub: Hub) -> dict[str, Object]:
    """Wait for a Job per target; return them by architecture."""

    async def both() -> dict[str, Object] | None:
        jobs = {request_of(job).inputs.gpu_arch: job for job in await hub.jobs()}
        return jobs if len(jobs) == 2 else None

    return await eventually(both)


async def begin_with_two_replicas(hub: Hub) -> dict[str, Object]:
    """Have an engine of two targets built, with the pods of two replicas waiting for it."""
    await hub.apply(make_engine(targets=TWO_TARGETS))
    jobs = await two_jobs(hub)
    for name in ("one", "two"):
        await hub.kube.create(PODS, gated_pod(name), hub.namespace)
    return jobs


def minors(pod: Object) -> set[str]:
    """Return the second parts of the compute capabilities a pod may go to."""
    expressions = [
        one for term in required_terms(pod["spec"]["affinity"]) for one in term["matchExpressions"]
    ]
    return {value for one in expressions if "minor" in one["key"] for value in one["values"]}


async def test_replicas_that_wait_get_the_gpus_of_every_target(hub: Hub) -> None:
    async with hub.controller():
        jobs = await begin_with_two_replicas(hub)
        await hub.complete(jobs["sm_86"])
        await hub.until_target("Ready")
        await hub.rest()
        held = [await pod_of(hub, name) for name in ("one", "two")]
        await hub.complete(jobs["sm_89"])
        released = [await until_released(hub, name) for name in ("one", "two")]

    assert [pod["spec"]["schedulingGates"] for pod in held] == [[{"name": SCHEDULING_GATE}]] * 2
    assert [minors(pod) for pod in released] == [{"6", "9"}] * 2
    assert hub.writes["patch pods"] == 2


async def test_a_target_that_fails_is_not_waited_for(hub: Hub) -> None:
    async with hub.controller():
        jobs = await begin_with_two_replicas(hub)
        await hub.complete(jobs["sm_86"])
        await hub.until_target("Ready")
        await hub.fail(jobs["sm_89"], "BuildFailed", "TensorRT said no", 18)
        released = await until_released(hub, "one")

    assert minors(released) == {"6"}


async def test_a_target_that_takes_too_long_is_not_waited_for(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "GRACE", 4.0)
    async with hub.controller():
        jobs = await begin_with_two_replicas(hub)
        await hub.complete(jobs["sm_86"])
        since = (await hub.until_target("Ready"))["lastTransitionTime"]
        released = await until_released(hub, "one")
        now = time.time()

    assert minors(released) == {"6"}
    assert now - (epoch(since) or 0.0) >= 4.0


CROWD = 120


async def gated_crowd(hub: Hub) -> set[str]:
    """Have an engine built that many pods wait for; return their names."""
    await hub.apply(make_engine())
    names = {f"pod-{number}" for number in range(CROWD)}
    await asyncio.gather(*(hub.kube.create(PODS, gated_pod(name), hub.namespace) for name in names))
    return names


async def released(hub: Hub) -> set[str]:
    """Return the pods without a gate; each has its affinity and no label of those that wait."""
    pods = [pod for pod in await hub.kube.list(PODS, hub.namespace) if not pod["spec"].get("schedulingGates")]
    assert all(minors(pod) and LABEL_WAITING not in pod["metadata"].get("labels", {}) for pod in pods)
    return {pod["metadata"]["name"] for pod in pods}


async def test_pods_that_wait_are_all_released_although_the_controller_ends_in_the_middle(hub: Hub) -> None:
    async with hub.controller():
        names = await gated_crowd(hub)
        job = await hub.until_job()
    async with hub.controller() as first:
        release, all_but_few = first.cluster.release_pod, asyncio.Semaphore(CROWD // 3)

        async def until_it_ends(pod: Object, patch: Object) -> None:
            await all_but_few.acquire()
            await release(pod, patch)

        first.cluster.release_pod = until_it_ends  # type: ignore[method-assign]
        await hub.complete(job)
        await hub.until_engine("Ready")
        await eventually(lambda: at_least(hub, CROWD // 3))
    before = await released(hub)
    hub.writes.clear()
    async with hub.controller():
        await eventually(lambda: at_least(hub, CROWD))

    assert len(before) == CROWD // 3
    assert await released(hub) == names
    assert hub.writes["patch pods"] == CROWD - len(before)


async def at_least(hub: Hub, count: int) -> bool:
    return len(await released(hub)) >= count


async def test_two_controllers_that_both_think_that_they_lead_release_every_pod(hub: Hub) -> None:
    """A process that was stopped and goes on may lead for a moment beside its heir."""
    async with hub.controller(), hub.controller():
        names = await gated_crowd(hub)
        await hub.complete(await hub.until_job())
        await eventually(lambda: at_least(hub, CROWD))
        await hub.rest(3.0)

    assert await released(hub) == names
    assert CROWD <= hub.writes["patch pods"] <= 3 * CROWD


async def test_an_engine_is_built_anew_on_request_and_stays_ready_meanwhile(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        first = await hub.until_job()
        await hub.complete(first)
        before = await hub.until_engine("Ready")
        hub.writes.clear()
        again = {"metadata": {"annotations": {ANNOTATION_REBUILD: ASKED}}}
        await hub.kube.merge_patch(ENGINES, "resnet50", again, hub.namespace)
        second = await hub.until_job()
        during = await hub.until_engine("Ready")
        request = request_of(second)
        better = replace(make_manifest(request.inputs, request.identity), engine=BETTER, built_at=LATER)
        hub.world.bucket.manifests[request.identity] = better
        await job_controller.complete(hub.kube, second)

        async def replaced() -> Object | None:
            body = await hub.engine()
            return body if body["status"]["targets"][0]["sha256"] == BETTER.sha256 else None

        after = await eventually(replaced)
        await hub.rest()

    assert second["metadata"]["annotations"][ANNOTATION_REBUILD] == ASKED
    assert during["status"]["targets"][0]["sha256"] == before["status"]["targets"][0]["sha256"]
    assert after["status"]["lastHandledRebuild"] == ASKED
    assert hub.writes["create jobs"] == 1
    assert hub.status_writes() <= 3
