"""
Resources that meet: many of one identity, one name in two namespaces, and who keeps a build alive.

The test plays the Job controller and the gateway; see ``controller_harness``.
"""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from controller_harness import Hub
from fakeworld import make_engine
from ignition_hub.controller.policy.build_job import LABEL_QUEUE
from ignition_hub.engine.names import ANNOTATION_REBUILD, BUILD_NAMESPACE, LABEL_NAMESPACE
from ignition_hub.kube import ENGINES, JOBS, NAMESPACES, POOLS, Object
from job_controller import condition_of, eventually, request_of, time_out

pytestmark = pytest.mark.cluster


@pytest.fixture
async def neighbour(hub: Hub) -> Hub:
    """The same hub, as another namespace sees it."""
    namespace = f"test-{uuid4().hex[:12]}"
    await hub.kube.create(NAMESPACES, {"metadata": {"name": namespace}})
    return replace(hub, namespace=namespace)


@pytest.mark.timeout(400)
async def test_a_thousand_engines_of_one_identity_share_one_job(hub: Hub) -> None:
    async with hub.controller():
        await asyncio.gather(*(hub.apply(make_engine(f"engine-{number}")) for number in range(1000)))
        await hub.complete(await hub.until_job())

        async def all_ready() -> bool:
            bodies = await hub.kube.list(ENGINES, hub.namespace)
            return all(condition_of(body, "Ready").get("status") == "True" for body in bodies)

        await eventually(all_ready, seconds=300.0)
        await hub.rest()

    assert len(await hub.jobs()) == 1
    assert hub.writes["create jobs"] == 1
    # Those that were decided on while the build was older than three seconds said so once.
    assert 1000 <= hub.status_writes() <= 2000


async def test_a_job_that_somebody_still_waits_for_outlives_the_one_who_asked_first(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine("first"))
        job = await hub.until_job()
        await hub.apply(make_engine("second"))
        await hub.until_target("Building", "second")
        await hub.kube.delete(ENGINES, "first", hub.namespace)
        await hub.rest()
        assert [one["metadata"]["uid"] for one in await hub.jobs()] == [job["metadata"]["uid"]]

        await hub.kube.delete(ENGINES, "second", hub.namespace)
        await eventually(lambda: none_of(hub))


def other_precision(name: str, precision: str) -> Object:
    return make_engine(name, precision=precision)


async def test_a_namespace_whose_quota_is_full_gets_no_more_builds_until_there_is_room(hub: Hub) -> None:
    hub.world.bucket.quotas = {hub.namespace: 1000}
    async with hub.controller():
        await hub.apply(make_engine("first"))
        await hub.complete(await hub.until_job())
        await hub.until_engine("Ready", "first")
        await hub.apply(other_precision("second", "fp32"))
        body = await hub.until_engine("Stalled", "second")
        jobs, writes = len(await hub.jobs()), hub.status_writes()
        await hub.rest()
        assert (len(await hub.jobs()), hub.status_writes()) == (jobs, writes)

        await hub.kube.delete(ENGINES, "first", hub.namespace)
        await hub.complete(await hub.until_job())
        await hub.until_engine("Ready", "second")

    target = body["status"]["targets"][0]
    assert (target["state"], target["reason"], jobs) == ("Pending", "StorageQuotaExceeded", 1)
    assert target["message"].startswith(
        f"no build is started: namespace {hub.namespace} uses 1000B of its storage quota of 1000B: delete"
    )
    assert condition_of(body, "Reconciling")["status"] == "False"


async def test_an_engine_that_is_there_is_used_whatever_the_quota(hub: Hub, neighbour: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        await hub.complete(await hub.until_job())
        await hub.until_engine("Ready")
        hub.world.bucket.quotas = {hub.namespace: 0, neighbour.namespace: 0}
        await neighbour.apply(make_engine())
        await neighbour.until_engine("Ready")
        await hub.rest()
        assert condition_of(await hub.engine(), "Ready")["status"] == "True"


async def test_a_build_goes_on_for_a_namespace_that_has_room(hub: Hub, neighbour: Hub) -> None:
    hub.world.bucket.quotas = {hub.namespace: 0}
    async with hub.controller():
        await hub.apply(make_engine())
        await hub.until_engine("Stalled")
        await neighbour.apply(make_engine())
        await hub.complete(await hub.until_job())
        await neighbour.until_engine("Ready")
        await hub.until_engine("Ready")


async def test_resources_beyond_the_limit_of_a_namespace_wait_for_a_place(hub: Hub, neighbour: Hub) -> None:
    async with hub.controller(most_engines=1):
        await hub.apply(make_engine("a-first"))
        await hub.complete(await hub.until_job())
        await hub.until_engine("Ready", "a-first")
        await asyncio.sleep(1.0)  # ages are whole seconds
        await hub.apply(other_precision("b-second", "fp32"))
        body = await hub.until_engine("Stalled", "b-second")
        await neighbour.apply(other_precision("elsewhere", "bf16"))
        await hub.complete(await hub.until_job())
        await neighbour.until_engine("Ready", "elsewhere")
        jobs, writes = len(await hub.jobs()), hub.status_writes()
        await hub.rest()
        assert (len(await hub.jobs()), hub.status_writes()) == (jobs, writes)

        await hub.kube.delete(ENGINES, "a-first", hub.namespace)
        await hub.complete(await hub.until_job())
        await hub.until_engine("Ready", "b-second")

    target = body["status"]["targets"][0]
    assert (target["state"], target["reason"], jobs) == ("Pending", "TooManyEngines", 2)
    assert target["message"].startswith(f"namespace {hub.namespace} has more than 1 TensorRTEngines")


async def test_a_lower_limit_takes_no_engine_away_that_is_ready(hub: Hub) -> None:
    async with hub.controller():
        for name, precision in (("a-first", "fp16"), ("b-second", "fp32")):
            await hub.apply(other_precision(name, precision))
            await hub.complete(await hub.until_job())
            await hub.until_engine("Ready", name)
    before = await hub.engine("b-second")
    async with hub.controller(most_engines=1):
        await hub.rest(3.0)
        after = await hub.engine("b-second")

    assert after["status"] == before["status"]
    assert condition_of(after, "Ready")["status"] == "True"


async def test_a_namespace_that_may_not_read_the_model_gets_no_hit(hub: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        await hub.complete(await hub.until_job())
        await hub.until_engine("Ready")
        uri = make_engine()["spec"]["model"]["source"]["uri"]
        hub.world.bucket.forbidden.add((hub.namespace, uri))
        await hub.apply(make_engine("second"))
        body = await hub.until_engine("Stalled", "second")

    target = body["status"]["targets"][0]
    assert (target["state"], target["reason"]) == ("Failed", "SourceForbidden")
    assert target["message"].startswith(f"namespace {hub.namespace} may not read {uri}")
    assert "uri" not in target


async def test_one_name_in_two_namespaces_with_one_identity_shares_a_job(hub: Hub, neighbour: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        await neighbour.apply(make_engine())
        job = await hub.until_job()
        await neighbour.until_target("Building")
        await hub.until_target("Building")
        assert len(await hub.jobs()) == 1
        await hub.complete(job)
        bodies = [await hub.until_engine("Ready"), await neighbour.until_engine("Ready")]

    assert hub.writes["create jobs"] == 1
    first, second = (body["status"]["targets"][0] for body in bodies)
    assert (first["identity"], first["uri"]) == (second["identity"], second["uri"])


async def test_one_name_in_two_namespaces_with_two_identities_does_not_collide(
    hub: Hub, neighbour: Hub
) -> None:
    async with hub.controller():
        await hub.apply(make_engine(precision="fp16"))
        await neighbour.apply(make_engine(precision="fp32"))
        jobs = {request_of(job).inputs.precision: job for job in await eventually(lambda: two_of(hub))}
        await hub.complete(jobs["fp16"])
        await hub.until_engine("Ready")
        theirs = await neighbour.engine()
        assert condition_of(theirs, "Ready").get("status") != "True"

        await hub.fail(jobs["fp32"], "BuildFailed", "TensorRT refused the other one", 18)
        theirs = await neighbour.until_engine("Stalled")
        await hub.rest()
        mine = await hub.engine()

    assert request_of(jobs["fp16"]).namespace == hub.namespace
    assert request_of(jobs["fp32"]).namespace == neighbour.namespace
    ready, failed = mine["status"]["targets"][0], theirs["status"]["targets"][0]
    assert (ready["state"], ready["reason"]) == ("Ready", "Built")
    assert "_fp16_sm_86_" in ready["uri"]
    assert (failed["state"], failed["reason"]) == ("Failed", "BuildFailed")
    assert "the other one" in failed["message"]
    assert ready["identity"] != failed["identity"]


async def test_deleting_one_of_two_namesakes_leaves_the_build_of_the_other(hub: Hub, neighbour: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine(precision="fp16"))
        await neighbour.apply(make_engine(precision="fp32"))
        await eventually(lambda: two_of(hub))
        await hub.kube.delete(ENGINES, "resnet50", hub.namespace)
        left = await eventually(lambda: one_of(hub))
        await hub.rest()
        assert [job["metadata"]["uid"] for job in await hub.jobs()] == [left["metadata"]["uid"]]
        await hub.complete(left)
        body = await neighbour.until_engine("Ready")

    assert request_of(left).namespace == neighbour.namespace
    assert "_fp32_sm_86_" in body["status"]["targets"][0]["uri"]


async def test_a_namespace_that_asks_later_does_not_wait_for_all_builds_of_the_one_before(
    hub: Hub, neighbour: Hub
) -> None:
    await hub.kube.merge_patch(POOLS, "rtx", {"spec": {"maxConcurrentBuilds": 1}})
    async with hub.controller():
        for precision in ("fp32", "tf32", "bf16", "int8"):
            await hub.apply(make_engine(precision, precision=precision))
        first = await hub.until_job()
        await neighbour.apply(make_engine(precision="fp16"))
        queued = await neighbour.until_target("Queued")
        await hub.complete(first)
        second = await hub.until_job()

    assert queued["message"] == "pool rtx has maxConcurrentBuilds 1; this build is next"
    assert request_of(first).namespace == hub.namespace
    assert request_of(second).namespace == neighbour.namespace


async def test_a_deadline_that_anothers_build_missed_is_no_verdict_on_mine(hub: Hub, neighbour: Hub) -> None:
    async with hub.controller():
        await hub.apply(make_engine(build={"timeout": "1m", "retries": 0}))
        short = await hub.until_job()
        await neighbour.apply(make_engine())
        await neighbour.until_target("Building")
        await time_out(hub.kube, short)

        async def another() -> Object | None:
            jobs = await hub.jobs()
            uids = [job["metadata"]["uid"] for job in jobs]
            return jobs[0] if len(jobs) == 1 and short["metadata"]["uid"] not in uids else None

        long = await eventually(another)
        await hub.complete(long)
        await neighbour.until_engine("Ready")
        await hub.until_engine("Ready")

    assert limits_of(short) == (60, 0)
    assert limits_of(long) == (7200, 2)
    assert request_of(long).timeout_seconds == 7200


async def test_a_shared_build_may_take_as_long_as_the_most_patient_of_those_who_wait_for_it(
    hub: Hub, neighbour: Hub
) -> None:
    await hub.kube.merge_patch(POOLS, "rtx", {"spec": {"maxConcurrentBuilds": 0}})
    async with hub.controller():
        await hub.apply(make_engine(build={"timeout": "1m", "retries": 5}))
        await hub.until_target("Queued")
        await neighbour.apply(make_engine(build={"timeout": "3h", "retries": 1}))
        await neighbour.until_target("Queued")
        await hub.kube.merge_patch(POOLS, "rtx", {"spec": {"maxConcurrentBuilds": 1}})
        job = await hub.until_job()

    assert limits_of(job) == (10800, 5)
    assert request_of(job).timeout_seconds == 10800


@pytest.mark.parametrize("who_asks_first", ["the first entry", "the last entry"])
async def test_the_first_entry_of_the_pool_decides_on_a_shared_build_in_whatever_order_it_is_asked_for(
    hub: Hub, neighbour: Hub, who_asks_first: str
) -> None:
    await schedule(
        hub,
        {"namespaces": [hub.namespace], "queueName": "fast", "priorityClassName": "high"},
        {"namespaces": ["*"], "queueName": "slow"},
        places=0,
    )
    order = [hub, neighbour] if who_asks_first == "the first entry" else [neighbour, hub]
    async with hub.controller():
        for one in order:
            await one.apply(make_engine())
            await one.until_target("Queued")
        await hub.kube.merge_patch(POOLS, "rtx", {"spec": {"maxConcurrentBuilds": 1}})
        job = await hub.until_job()

    assert job["metadata"]["labels"][LABEL_QUEUE] == "fast"
    assert job["metadata"]["labels"][LABEL_NAMESPACE] == hub.namespace
    assert job["spec"]["template"]["spec"]["priorityClassName"] == "high"


async def test_a_namespace_of_weight_two_starts_two_builds_for_each_of_another(
    hub: Hub, neighbour: Hub
) -> None:
    await schedule(hub, {"namespaces": [neighbour.namespace], "weight": 2}, places=0)
    async with hub.controller():
        for one in (hub, neighbour):
            model = make_engine()["spec"]["model"] | {"version": one.namespace}
            for precision in ("fp32", "tf32", "bf16"):
                await one.apply(make_engine(precision, precision=precision, model=model))
                await one.until_target("Queued", precision)
        await hub.kube.merge_patch(POOLS, "rtx", {"spec": {"maxConcurrentBuilds": 1}})
        started = []
        for _ in range(3):
            job = await hub.until_job()
            started.append(request_of(job).namespace)
            await hub.complete(job)

    assert sorted(started) == sorted([hub.namespace, neighbour.namespace, neighbour.namespace])


async def test_a_job_that_its_queue_does_not_admit_makes_way_for_one_in_the_queue_of_an_earlier_entry(
    hub: Hub, neighbour: Hub
) -> None:
    await schedule(
        hub,
        {"namespaces": [hub.namespace], "queueName": "fast"},
        {"namespaces": [neighbour.namespace], "queueName": "slow"},
    )
    async with hub.controller():
        await neighbour.apply(make_engine())
        slow = await hub.until_job()
        await hub.kube.merge_patch(
            JOBS, slow["metadata"]["name"], {"spec": {"suspend": True}}, BUILD_NAMESPACE
        )
        await neighbour.until_target("Queued")
        await hub.apply(make_engine())

        async def in_the_fast_queue() -> Object | None:
            jobs = await hub.jobs()
            return jobs[0] if jobs and jobs[0]["metadata"]["labels"][LABEL_QUEUE] == "fast" else None

        fast = await eventually(in_the_fast_queue)
        await hub.complete(fast)
        await hub.until_engine("Ready")
        await neighbour.until_engine("Ready")

    assert slow["metadata"]["labels"][LABEL_QUEUE] == "slow"
    assert hub.writes["create jobs"] == 2


async def test_a_queue_and_a_priority_class_are_named_only_where_the_pool_lets_the_namespace(
    hub: Hub, neighbour: Hub
) -> None:
    async with hub.controller():
        await hub.apply(make_engine(build={"queueName": "of-another-team"}))
        await neighbour.apply(make_engine("high", precision="fp32", build={"priorityClassName": "gold"}))
        refused = [await hub.until_target("Unbuildable"), await neighbour.until_target("Unbuildable", "high")]
        assert not await hub.jobs()
        await schedule(hub, {"namespaces": [hub.namespace], "mayName": ["queueName"]}, {"namespaces": ["*"]})
        job = await hub.until_job()
        await hub.until_target("Building")
        await neighbour.until_target("Unbuildable", "high")

    assert [target["reason"] for target in refused] == ["SchedulingForbidden"] * 2
    assert [target["message"].partition(",")[0] for target in refused] == [
        "spec.build.queueName is of-another-team",
        "spec.build.priorityClassName is gold",
    ]
    assert job["metadata"]["labels"][LABEL_QUEUE] == "of-another-team"


async def schedule(hub: Hub, *tenants: Object, places: int = 1) -> None:
    """Give the pool its tenants."""
    spec = {"tenants": list(tenants), "maxConcurrentBuilds": places}
    await hub.kube.merge_patch(POOLS, "rtx", {"spec": spec})


async def test_a_namespace_does_not_rebuild_again_and_again_what_another_uses(
    hub: Hub, neighbour: Hub
) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        await neighbour.apply(make_engine())
        job = await hub.until_job()
        await neighbour.until_target("Building")
        await hub.complete(job)
        await hub.until_engine("Ready")
        await neighbour.until_engine("Ready")
        asked = {"metadata": {"annotations": {ANNOTATION_REBUILD: "now"}}}
        await neighbour.kube.merge_patch(ENGINES, "resnet50", asked, neighbour.namespace)

        async def told() -> bool:
            target = (await neighbour.engine())["status"]["targets"][0]
            return "rebuilt 10 minutes after its last build at the earliest" in target["message"]

        await eventually(told)
        assert [one["metadata"]["uid"] for one in await hub.jobs()] == [job["metadata"]["uid"]]
        assert "lastHandledRebuild" not in (await neighbour.engine())["status"]


async def test_a_namespace_does_not_restart_again_and_again_what_failed_for_another_too(
    hub: Hub, neighbour: Hub
) -> None:
    async with hub.controller():
        await hub.apply(make_engine())
        await neighbour.apply(make_engine())
        job = await hub.until_job()
        await hub.until_target("Building")
        await neighbour.until_target("Building")
        await hub.fail(job, "BuildFailed", "TensorRT refused", 18)
        await hub.until_engine("Stalled")
        await neighbour.until_engine("Stalled")
        asked = {"metadata": {"annotations": {ANNOTATION_REBUILD: "now"}}}
        await neighbour.kube.merge_patch(ENGINES, "resnet50", asked, neighbour.namespace)
        waiting = await neighbour.until_engine("Stalled", status="False")
        await hub.rest()  # times are whole seconds: in the same one the build might have been for it
        await neighbour.apply(make_engine("applied-after"))
        fresh = await neighbour.until_target("Pending", "applied-after")

    assert [one["metadata"]["uid"] for one in await hub.jobs()] == [job["metadata"]["uid"]]
    assert "built again 10 minutes after its last build ended" in waiting["status"]["targets"][0]["message"]
    assert "built again 10 minutes after its last build ended" in fresh["message"]
    assert "lastHandledRebuild" not in waiting["status"]


def limits_of(job: Object) -> tuple[int, int]:
    return job["spec"]["activeDeadlineSeconds"], job["spec"]["backoffLimit"]


async def two_of(hub: Hub) -> list[Object] | None:
    jobs = await hub.jobs()
    return jobs if len(jobs) == 2 else None


async def one_of(hub: Hub) -> Object | None:
    jobs = await hub.jobs()
    return jobs[0] if len(jobs) == 1 else None


async def none_of(hub: Hub) -> bool:
    return not await hub.jobs()
