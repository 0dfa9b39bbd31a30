"""
The life of an engine against a real API server: what is written, how often, and what survives.

The test plays the Job controller and the gateway; see ``controller_harness``.
"""

import asyncio
import json
from dataclasses import replace

import pytest

from controller_harness import Hub
from fakeworld import make_engine
from ignition_hub.engine.errors import Reason, TransientError
from ignition_hub.engine.names import (
    ANNOTATION_REBUILD,
    ANNOTATION_ROLLED,
    BUILD_NAMESPACE,
    LABEL_WAITING,
    SCHEDULING_GATE,
)
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.kube import DEPLOYMENTS, ENGINES, EVENTS, JOBS, PODS, POOLS, Object
from job_controller import condition_of, eventually
from servedworkload import NAME, serve

pytestmark = pytest.mark.cluster


async def test_a_built_engine_costs_a_job_and_one_status_write(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        await hub.complete(await hub.until_job())
        body = await hub.until_engine("Ready")
        await hub.rest()

    assert hub.writes_for_engines() == {
        "create jobs": 1,
        "patch tensorrtengines/status": 1,
    }
    [target] = body["status"]["targets"]
    assert (target["state"], target["reason"], target["source"]) == ("Ready", "Built", "Built")
    assert target["uri"].startswith("s3://engines/ignition/engines/resnet50/")
    assert target["tensorrt"] == {"flavor": "TensorRTRTX", "version": "1.7.1.116"}
    assert target["warnings"] == [{"code": "Int64Clamped", "count": 2}]
    assert body["status"]["readyTargets"] == "1/1"
    assert _verdicts(body) == {"Ready": "True", "Reconciling": "False", "Stalled": "False"}


async def test_the_pods_of_a_deployment_that_asks_for_it_are_restarted_when_the_new_engine_is_ready(
    hub: Hub,
) -> None:
    async def restarted() -> bool:
        body = await hub.kube.get(DEPLOYMENTS, NAME, hub.namespace)
        assert body is not None
        return ANNOTATION_ROLLED in body["spec"]["template"]["metadata"]["annotations"]

    await serve(hub.kube, hub.namespace, "resnet50", "sm_86")
    async with hub.controller(rollouts=True):
        await hub.apply(make_engine())
        job = await hub.until_job()
        assert not await restarted()
        await hub.complete(job)
        await eventually(restarted)
        await hub.rest()

    assert hub.writes["patch deployments"] == 1


async def test_a_store_hit_costs_one_status_write_and_no_job(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        await hub.complete(await hub.until_job())
        await hub.until_engine("Ready")
        hub.writes.clear()
        await hub.apply(make_engine("second"))
        second = await hub.until_engine("Ready", "second")
        await hub.rest()

    assert hub.writes_for_engines() == {"patch tensorrtengines/status": 1}
    assert second["status"]["targets"][0]["source"] == "Remote"


async def test_nothing_is_written_at_rest_not_even_after_a_restart_and_a_resync(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine(targets=[{"gpuArch": "sm_86"}, {"gpuArch": "sm_90"}]))
        await hub.complete(await hub.until_job())
        await hub.until_engine("Reconciling", status="False")

    hub.writes.clear()
    async with hub.controller(resync=0.5):
        await hub.rest(3.0)

    assert not hub.writes


async def test_a_slow_build_tells_its_progress(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        job = await hub.until_job()
        progress = json.dumps({"phase": "Building engine", "percent": 42})
        patch = {"metadata": {"annotations": {"ignitionhub.io/progress": progress}}}
        await hub.kube.merge_patch(JOBS, job["metadata"]["name"], patch, BUILD_NAMESPACE)
        target = await hub.until_target("Building")
        body = await hub.engine()

    assert target["progress"] == {"phase": "Building engine", "percent": 42}
    assert _verdicts(body) == {"Ready": "False", "Reconciling": "True", "Stalled": "False"}


async def test_a_failure_is_final_until_somebody_asks_for_a_rebuild(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        first = await hub.until_job()
        await hub.fail(first, "UnsupportedOperator", "node 7 (NonMaxSuppression) is not supported", 11)
        failed = await hub.until_engine("Stalled")
        await hub.rest()
        assert [job["metadata"]["uid"] for job in await hub.jobs()] == [first["metadata"]["uid"]]

        again = {"metadata": {"annotations": {ANNOTATION_REBUILD: "2026-01-01T00:00:00Z"}}}
        await hub.kube.merge_patch(ENGINES, "resnet50", again, hub.namespace)
        second = await hub.until_job()
        await hub.complete(second)
        body = await hub.until_engine("Ready")

    target = failed["status"]["targets"][0]
    assert (target["state"], target["reason"]) == ("Failed", "UnsupportedOperator")
    assert "NonMaxSuppression" in condition_of(failed, "Stalled")["message"]
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert body["status"]["lastHandledRebuild"] == "2026-01-01T00:00:00Z"


async def test_a_second_failure_after_a_rebuild_request_is_final_too(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        await hub.fail(await hub.until_job(), "BuildFailed", "no", 18)
        await hub.until_engine("Stalled")
        again = {"metadata": {"annotations": {ANNOTATION_REBUILD: "again"}}}
        await hub.kube.merge_patch(ENGINES, "resnet50", again, hub.namespace)
        second = await hub.until_job()
        await hub.fail(second, "BuildFailed", "no, again", 18)

        async def told_again() -> bool:
            target = (await hub.engine())["status"]["targets"][0]
            return bool(target["state"] == "Failed" and "again" in target["message"])

        await eventually(told_again)
        await hub.rest()

    assert [job["metadata"]["uid"] for job in await hub.jobs()] == [second["metadata"]["uid"]]
    assert hub.writes["create jobs"] == 2


async def test_a_changed_spec_replaces_the_build_and_the_old_job_is_collected(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        first = await hub.until_job()
        await hub.kube.merge_patch(ENGINES, "resnet50", {"spec": {"precision": "fp32"}}, hub.namespace)

        async def only_the_new_one() -> Object | None:
            jobs = await hub.jobs()
            names = {job["metadata"]["name"] for job in jobs}
            return jobs[0] if len(jobs) == 1 and first["metadata"]["name"] not in names else None

        await hub.complete(await eventually(only_the_new_one))
        body = await hub.until_engine("Ready")

    assert "_fp32_sm_86_" in body["status"]["targets"][0]["uri"]


async def test_a_pool_builds_no_more_at_a_time_than_it_may(hub: Hub) -> None:
    await hub.kube.merge_patch(POOLS, "rtx", {"spec": {"maxConcurrentBuilds": 1}})
    async with hub.controller():
        await hub.apply(make_engine("first", precision="fp16"))
        job = await hub.until_job()
        await hub.apply(make_engine("second", precision="fp32"))
        queued = await hub.until_target("Queued", "second")
        assert len(await hub.jobs()) == 1
        await hub.complete(job)
        await hub.complete(await hub.until_job())
        await hub.until_engine("Ready", "second")

    assert queued["reason"] == "Queued"
    assert queued["message"] == "pool rtx has maxConcurrentBuilds 1; this build is next"


async def test_an_unbuildable_target_says_what_would_work(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine(targets=[{"gpuArch": "sm_90"}]))
        body = await hub.until_engine("Stalled")

    target = body["status"]["targets"][0]
    assert target["state"] == "Unbuildable"
    assert "sm_90" in target["message"]
    assert _verdicts(body) == {"Ready": "False", "Reconciling": "False", "Stalled": "True"}
    assert not await hub.jobs()


async def test_while_the_store_is_away_a_ready_engine_stays_ready_and_a_new_one_waits(hub: Hub) -> None:
    async with hub.controller(resync=0.5):
        await hub.apply(make_engine())
        await hub.complete(await hub.until_job())
        await hub.until_engine("Ready")
        hub.world.trouble = TransientError(Reason.StoreUnavailable, "s3.example.com does not answer")
        await hub.apply(make_engine("second", precision="fp32"))
        waiting = await hub.until_engine("Ready", "second", status="Unknown")
        ready = await hub.engine()
        hub.world.trouble = None
        await hub.complete(await hub.until_job())
        await hub.until_engine("Ready", "second")

    assert condition_of(ready, "Ready")["status"] == "True"
    assert condition_of(waiting, "Ready")["reason"] == "StoreUnavailable"
    assert "s3.example.com does not answer" in condition_of(waiting, "Ready")["message"]
    assert waiting["status"]["targets"][0]["state"] == "Pending"


async def test_suspend_starts_no_build_and_resuming_does(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine(suspend=True))
        target = await hub.until_target("Pending")
        assert target["reason"] == "Suspended"
        assert not await hub.jobs()
        await hub.kube.merge_patch(ENGINES, "resnet50", {"spec": {"suspend": False}}, hub.namespace)
        await hub.until_job()


async def test_a_gated_pod_is_released_to_the_gpus_that_are_served(hub: Hub) -> None:
    pod = {
        "metadata": {
            "name": "server",
            "labels": {LABEL_WAITING: "true"},
            "annotations": {ANNOTATION_ENGINES.name: "resnet50"},
        },
        "spec": {
            "schedulingGates": [{"name": SCHEDULING_GATE}],
            "containers": [{"name": "main", "image": "busybox"}],
        },
    }
    async with hub.controller():
        await hub.apply(make_engine())
        job = await hub.until_job()
        await hub.kube.create(PODS, pod, hub.namespace)
        await hub.rest()
        held = await hub.kube.get(PODS, "server", hub.namespace)
        await hub.complete(job)

        async def released() -> Object | None:
            body = await hub.kube.get(PODS, "server", hub.namespace)
            return body if body and not body["spec"].get("schedulingGates") else None

        body = await eventually(released)

    assert held is not None
    assert held["spec"]["schedulingGates"] == [{"name": SCHEDULING_GATE}]
    assert LABEL_WAITING not in body["metadata"].get("labels", {})
    assert body["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert hub.writes["patch pods"] == 1


async def test_a_job_that_completes_while_no_controller_runs_is_found_at_the_next_start(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        job = await hub.until_job()
    await hub.complete(job)
    async with hub.controller():
        body = await hub.until_engine("Ready")

    assert body["status"]["targets"][0]["source"] == "Built"
    assert hub.writes["create jobs"] == 1


async def test_an_engine_that_is_gone_from_the_store_is_said_to_be_and_built_again(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        first = await hub.until_job()
        await hub.complete(first)
        await hub.until_engine("Ready")
    hub.world.bucket.manifests.clear()
    async with hub.controller():
        second = await hub.until_job()
        await hub.complete(second)
        await hub.until_engine("Ready")

    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    events = await hub.kube.list(EVENTS, hub.namespace)
    assert sorted(event["reason"] for event in events) == [
        "BuildStarted",
        "BuildStarted",
        "BuildSucceeded",
        "BuildSucceeded",
        "EngineMissing",
    ]


async def test_an_engine_that_was_replaced_and_put_back_is_refused_until_the_newer_one_is_there(
    hub: Hub,
) -> None:
    manifests = hub.world.bucket.manifests
    async with hub.controller(resync=0.5):
        await hub.apply(make_engine())
        await hub.complete(await hub.until_job())
        await hub.until_engine("Ready")
        [old] = manifests.values()
        manifests[old.identity] = new = replace(old, built_at="2026-01-02T00:00:00Z")

        async def remembered() -> bool:
            [target] = (await hub.engine("resnet50"))["status"]["targets"]
            return bool(target["newest"]["builtAt"] == new.built_at)

        await eventually(remembered)
        manifests[old.identity] = old
        refused = await hub.until_target("Failed")
        manifests[old.identity] = new
        restored = await hub.until_target("Ready")

    assert refused["reason"] == "ManifestRefused"
    assert f"built at {old.built_at} was put back" in refused["message"]
    assert restored["newest"] == refused["newest"]


async def test_two_controllers_at_once_do_no_harm(hub: Hub) -> None:
    async with hub.controller(), hub.controller():
        await asyncio.gather(*(hub.apply(make_engine(f"engine-{number}")) for number in range(20)))
        job = await hub.until_job()
        await hub.rest(0.5)
        assert len(await hub.jobs()) == 1
        await hub.complete(job)

        async def all_ready() -> bool:
            bodies = await hub.kube.list(ENGINES, hub.namespace)
            return all(condition_of(body, "Ready").get("status") == "True" for body in bodies)

        await eventually(all_ready)


async def test_events_tell_the_transitions_and_only_those(hub: Hub) -> None:
    async with hub.controller(resync=0.5):
        await hub.apply(make_engine())
        await hub.complete(await hub.until_job())
        await hub.until_engine("Ready")
        await hub.rest()

    reasons = [event["reason"] for event in await hub.kube.list(EVENTS, hub.namespace)]
    assert sorted(reasons) == ["BuildStarted", "BuildSucceeded"]


def _verdicts(body: Object) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in body["status"]["conditions"]}
