"""Passes that are not about one engine, as the reconciler paces them."""

from typing import Any

import pytest

from fakekube import FakeKube
from fakeworld import FakeWorld, make_engine, make_pool
from ignition_hub.controller import reconciler as module
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.observe import Observer
from ignition_hub.controller.passes.ended_builds import EndedBuilds
from ignition_hub.controller.passes.pod_gate import lift_gate
from ignition_hub.controller.policy.build_job import LABEL_QUEUE, JobSettings
from ignition_hub.controller.policy.build_queue import BuildQueue
from ignition_hub.controller.policy.views import JobSnapshot, JobState, Trouble
from ignition_hub.controller.process.counters import Counters
from ignition_hub.controller.process.keys import JOBS_KEY, engine_key, pod_key
from ignition_hub.controller.process.work_queue import Again, WorkQueue
from ignition_hub.controller.reconciler import COLLECT_EVERY, Clock, Reconciler
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.names import LABEL_NAMESPACE
from ignition_hub.kube import ENGINES, Object


async def test_jobs_are_looked_through_once_in_a_while_and_what_came_too_early_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kube: Any = None
    cluster, world, now, looks = Cluster(kube, "builds"), FakeWorld(), 100.0, []

    async def collect(*_: Any) -> Again:
        looks.append(now)
        return Again()

    monkeypatch.setattr(module, "collect", collect)
    reconciler = Reconciler(
        cluster=cluster,
        observer=Observer(cluster, world, now=lambda: now),
        world=world,
        queue=WorkQueue(),
        builds=BuildQueue(),
        settings=JobSettings(gateway_url="https://gateway.invalid"),
        clock=Clock(wall=lambda: now, steady=lambda: now),
        instance="test",
    )
    assert await reconciler.reconcile(JOBS_KEY) == Again()
    now += 0.25 * COLLECT_EVERY
    assert await reconciler.reconcile(JOBS_KEY) == Again(seconds=0.75 * COLLECT_EVERY)
    now += 0.75 * COLLECT_EVERY
    assert await reconciler.reconcile(JOBS_KEY) == Again()

    assert looks == [100.0, 100.0 + COLLECT_EVERY]


async def test_a_state_of_a_later_release_neither_stops_its_resource_nor_the_collection_of_jobs() -> None:
    kube: Any = FakeKube()
    cluster, world, builds, counters = Cluster(kube, "builds"), FakeWorld(), BuildQueue[Any](), Counters()
    later = {"name": "sm-86", "state": "Rehearsing", "reason": "RehearsalDue", "rehearsal": {"of": 3}}
    engine = make_engine()
    engine["metadata"] |= {"uid": "u", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    engine["status"] = {"observedGeneration": 1, "targets": [later], "rehearsals": 1}
    pool = make_pool()
    pool["status"] = {"conditions": "of a later release"}
    cluster.pools.put(pool)
    cluster.engines.put(await kube.create(ENGINES, engine, engine["metadata"]["namespace"]))
    reconciler = Reconciler(
        cluster=cluster,
        observer=Observer(cluster, world, now=lambda: 1767225600.0),
        world=world,
        queue=WorkQueue(),
        builds=builds,
        settings=JobSettings(gateway_url="https://gateway.invalid"),
        clock=Clock(wall=lambda: 1767225600.0, steady=lambda: 100.0),
        instance="test",
        counters=counters,
    )

    await reconciler.reconcile(engine_key(engine))

    assert builds.all_known([engine_key(engine)])
    assert ("create", "jobs") in {(verb, key[0]) for verb, key in kube.writes}
    started = "ignition_controller_builds_started_total"
    assert counters.registry.get_sample_value(started, {"pool": pool["metadata"]["name"]}) == 1


def ended_job(uid: str, **changes: Any) -> JobSnapshot:
    facts: dict[str, Any] = {"state": JobState.COMPLETE, "age": 300.0, "ended_for": 60.0, "finished": 200.0}
    return JobSnapshot(name="j", uid=uid, pool="l4", **{**facts, **changes})


def test_a_build_that_ended_is_counted_once_with_its_reason_and_not_when_another_led() -> None:
    counters = Counters()
    ended = EndedBuilds(counters, since=100.0)
    failure = Trouble(Reason.OutOfMemory, "killed")
    jobs = (
        ended_job("a"),
        ended_job("b", state=JobState.FAILED, failure=failure),
        ended_job("earlier", finished=99.0),
        ended_job("at work", state=JobState.ACTIVE, finished=None),
        None,
    )
    for job in (*jobs, *jobs):
        ended.note(job)

    read = counters.registry.get_sample_value
    name = "ignition_controller_builds_ended_total"
    assert read(name, {"pool": "l4", "outcome": "succeeded", "reason": ""}) == 1
    assert read(name, {"pool": "l4", "outcome": "failed", "reason": "OutOfMemory"}) == 1
    seconds = "ignition_controller_build_seconds"
    assert read(f"{seconds}_sum", {"pool": "l4", "outcome": "succeeded"}) == 240.0
    assert sum(s.name == name for metric in counters.builds_ended.collect() for s in metric.samples) == 2


async def test_how_long_a_pod_has_waited_is_told_when_it_goes() -> None:
    kube: Any = FakeKube()
    cluster = Cluster(kube, "builds")
    waited: list[float] = []
    ready = {"name": "sm-86", "state": "Ready", "reason": "Built", "gpuArch": "sm_86", "identity": "0" * 64}
    engine = make_engine()
    engine["metadata"] |= {"uid": "u", "generation": 1, "resourceVersion": "1"}
    engine["status"] = {"observedGeneration": 1, "targets": [ready]}
    namespace, name = engine["metadata"]["namespace"], engine["metadata"]["name"]
    pod = {
        "metadata": {
            "name": "server",
            "namespace": namespace,
            "uid": "p",
            "resourceVersion": "2",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"ignitionhub.io/engines": name},
        },
        "spec": {"schedulingGates": [{"name": "ignitionhub.io/engines"}]},
    }
    cluster.engines.put(engine)
    cluster.waiting_pods.put(pod)

    await lift_gate(cluster, pod_key(pod), 1767225600.0 + 90.0, waited.append)

    assert waited == [90.0]


def at_work(cluster: Cluster, builds: BuildQueue[Any]) -> Reconciler:
    return Reconciler(
        cluster=cluster,
        observer=Observer(cluster, FakeWorld(), now=lambda: 1767225600.0),
        world=FakeWorld(),
        queue=WorkQueue(),
        builds=builds,
        settings=JobSettings(gateway_url="https://gateway.invalid"),
        clock=Clock(wall=lambda: 1767225600.0, steady=lambda: 100.0),
        instance="test",
    )


async def applied(kube: Any, cluster: Cluster, *engines: Object) -> None:
    for engine in engines:
        engine["metadata"] |= {"uid": "u", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
        cluster.engines.put(await kube.create(ENGINES, engine, engine["metadata"]["namespace"]))


async def test_one_who_may_not_name_a_queue_takes_no_shared_build_out_of_the_queue_of_its_pool() -> None:
    kube: Any = FakeKube()
    cluster, builds = Cluster(kube, "builds"), BuildQueue[Any]()
    cluster.pools.put(make_pool(builds=0))
    waits, refused = make_engine(), make_engine("other", "audio", build={"queueName": "gold"})
    await applied(kube, cluster, waits, refused)
    reconciler = at_work(cluster, builds)
    await reconciler.reconcile(engine_key(waits))
    await reconciler.reconcile(engine_key(refused))

    body = cluster.engines.get("audio", "other")
    assert body is not None
    assert body["status"]["targets"][0]["reason"] == "SchedulingForbidden"
    assert builds.next_in("rtx", 9) == [engine_key(waits)]


async def test_one_who_no_longer_wants_a_shared_build_does_not_take_it_out_of_the_queue() -> None:
    kube: Any = FakeKube()
    cluster, builds = Cluster(kube, "builds"), BuildQueue[Any]()
    cluster.pools.put(make_pool(builds=0))
    waits, leaves = make_engine(), make_engine("other", "audio")
    await applied(kube, cluster, waits, leaves)
    reconciler = at_work(cluster, builds)
    for engine in (waits, leaves):
        await reconciler.reconcile(engine_key(engine))
    (first,) = builds.next_in("rtx", 9)
    gone = next(engine for engine in (waits, leaves) if engine_key(engine) != first)
    cluster.engines.drop(gone | {"metadata": gone["metadata"] | {"resourceVersion": "99"}})
    await reconciler.reconcile(engine_key(gone))

    assert builds.next_in("rtx", 9) == [first]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("starts", [0, 1])
async def test_the_pass_that_starts_a_shared_build_asks_for_all_who_wait_for_it(
    order: tuple[int, int], starts: int
) -> None:
    kube: Any = FakeKube()
    cluster, builds = Cluster(kube, "builds"), BuildQueue[Any]()
    tenants = [{"namespaces": ["audio"], "queueName": "fast"}, {"namespaces": ["*"], "queueName": "slow"}]
    cluster.pools.put(make_pool(builds=0, tenants=tenants))
    engines = make_engine(build={"timeout": "3h"}), make_engine("other", "audio", build={"retries": 7})
    await applied(kube, cluster, *engines)
    reconciler = at_work(cluster, builds)
    for number in order:
        await reconciler.reconcile(engine_key(engines[number]))
    cluster.pools.put(
        make_pool(builds=1, tenants=tenants) | {"metadata": {"name": "rtx", "resourceVersion": "9"}}
    )
    await reconciler.reconcile(engine_key(engines[starts]))

    (job,) = [body for key, body in kube.objects.items() if key[0] == "jobs"]
    assert (job["metadata"]["labels"][LABEL_QUEUE], job["metadata"]["labels"][LABEL_NAMESPACE]) == (
        "fast",
        "audio",
    )
    assert (job["spec"]["activeDeadlineSeconds"], job["spec"]["backoffLimit"]) == (10800, 7)


async def test_an_engine_that_was_deleted_meanwhile_gets_no_events() -> None:
    kube: Any = FakeKube()
    cluster, builds = Cluster(kube, "builds"), BuildQueue[Any]()
    engine = make_engine(targets=[{"gpuArch": "sm_90"}])
    await applied(kube, cluster, engine)
    kube.objects.clear()
    kube.writes.clear()

    await at_work(cluster, builds).reconcile(engine_key(engine))

    assert not kube.writes
    assert not len(cluster.engines)
