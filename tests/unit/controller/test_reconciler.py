"""Passes that are not about one engine, as the reconciler paces them."""

import asyncio
import itertools
from typing import Any

import pytest

from fakekube import FakeKube
from fakeworld import FakeWorld, make_engine, make_pool
from ignition_hub.controller import reconciler as module
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.engine_cache import Engines
from ignition_hub.controller.observe import Observer
from ignition_hub.controller.passes.ended_builds import EndedBuilds
from ignition_hub.controller.passes.pod_gate import PodNotes, lift_gate
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


def waiting_pod(engine: Any, **spec: Any) -> Any:
    """A pod that waits for ``engine`` since the beginning of 2026."""
    return {
        "metadata": {
            "name": "server",
            "namespace": engine["metadata"]["namespace"],
            "uid": "p",
            "resourceVersion": "2",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"ignitionhub.io/engines": engine["metadata"]["name"]},
        },
        "spec": {"schedulingGates": [{"name": "ignitionhub.io/engines"}], **spec},
    }


def ready_engine() -> Any:
    ready = {"name": "sm-86", "state": "Ready", "reason": "Built", "gpuArch": "sm_86", "identity": "0" * 64}
    engine = make_engine()
    engine["metadata"] |= {"uid": "u", "generation": 1, "resourceVersion": "1"}
    engine["status"] = {"observedGeneration": 1, "targets": [ready]}
    return engine


BORN = 1767225600.0


async def test_how_long_a_pod_has_waited_is_told_when_it_goes() -> None:
    kube: Any = FakeKube()
    cluster = Cluster(kube, "builds")
    waited: list[float] = []
    pod = waiting_pod(ready_engine())
    cluster.engines.put(ready_engine())
    cluster.waiting_pods.put(pod)

    await lift_gate(cluster, pod_key(pod), BORN + 90.0, waited.append, notes())

    assert waited == [90.0]


def notes(since: float = 0.0) -> PodNotes:
    return PodNotes(instance="controller", since=since)


async def told_of(
    pod: Any, *engines: Any, ages: tuple[float, ...] = (90.0, 95.0), since: float = 0.0
) -> list[str]:
    """Return the events of a gated pod after passes at these ages, of who leads ``since`` then."""
    kube, said = FakeKube(), notes(since)
    cluster = Cluster(kube, "builds")  # type: ignore[arg-type]
    for engine in engines:
        cluster.engines.put(engine)
    cluster.waiting_pods.put(pod)
    for age in ages:
        await lift_gate(cluster, pod_key(pod), BORN + age, lambda _: None, said)
    return [event["note"] for (kind, *_), event in kube.objects.items() if kind == "events"]


async def test_a_pod_that_waits_for_more_than_a_build_is_told_why_once() -> None:
    a10 = {"nvidia.com/gpu.product": "NVIDIA-L4"}

    [note] = await told_of(waiting_pod(ready_engine(), nodeSelector=a10), ready_engine())

    assert note.startswith("the pod waits: its node selector and node affinity leave NVIDIA-L4 (sm_89)")


async def test_who_leads_next_does_not_tell_a_pod_again() -> None:
    l4 = {"nvidia.com/gpu.product": "NVIDIA-L4"}
    pod = waiting_pod(ready_engine(), nodeSelector=l4)

    assert await told_of(pod, ready_engine(), since=BORN + 80.0) == []


async def test_a_pod_whose_engine_is_gone_is_told_when_it_is_not_on_its_way() -> None:
    pod = waiting_pod(ready_engine())

    assert await told_of(pod, ages=(1.0, 59.0)) == []
    [note] = await told_of(pod, ages=(1.0, 61.0, 62.0))
    assert (
        note
        == f"the pod waits: the namespace has no TensorRTEngine {make_engine()['metadata']['name']}: apply it"
    )


async def test_a_pod_whose_gpu_is_being_built_for_is_told_nothing() -> None:
    coming = ready_engine()
    coming["status"]["targets"].append({"name": "l4", "state": "Building", "gpuArch": "sm_89"})
    pod = waiting_pod(coming, nodeSelector={"nvidia.com/gpu.product": "NVIDIA-L4"})

    assert await told_of(pod, coming) == []


def at_work(cluster: Cluster, builds: BuildQueue[Any], pace: float = 0.0) -> Reconciler:
    """Return a reconciler whose clock goes on by ``pace`` seconds when it is looked at."""
    time = itertools.count(100.0, pace)
    return Reconciler(
        cluster=cluster,
        observer=Observer(cluster, FakeWorld(), now=lambda: 1767225600.0),
        world=FakeWorld(),
        queue=WorkQueue(),
        builds=builds,
        settings=JobSettings(gateway_url="https://gateway.invalid"),
        clock=Clock(wall=lambda: 1767225600.0, steady=lambda: next(time)),
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


def on_a_node(name: str = "server", arch: str = "sm_120", engines: str = "resnet50", **spec: Any) -> Object:
    return {
        "metadata": {
            "name": name,
            "namespace": "vision",
            "uid": f"uid of {name}",
            "annotations": {"ignitionhub.io/engines": engines},
        },
        "spec": {"nodeName": f"node-{arch}", "containers": [{"name": "main", "image": "busybox"}], **spec},
    }


def a_cluster_that_builds_for_pods(kube: Any, *archs: str, **limits: Any) -> Cluster:
    cluster = Cluster(kube, "builds")
    cluster.pools.put(make_pool(autoBuild={"namespaces": ["vision"], **limits}))
    for arch in archs:
        labels = {"ignitionhub.io/gpu-arch": arch}
        cluster.demand.nodes.put({"metadata": {"name": f"node-{arch}", "labels": labels}})
    cluster.demand.is_known = True
    return cluster


def statuses(cluster: Cluster, name: str = "resnet50") -> Any:
    body = cluster.engines.get("vision", name)
    assert body is not None
    conditions = {one["type"]: one for one in body["status"]["conditions"]}
    return body["status"], conditions


async def test_a_pod_on_a_gpu_that_no_target_serves_has_one_built_and_is_told() -> None:
    kube: Any = FakeKube()
    cluster, builds = a_cluster_that_builds_for_pods(kube, "sm_120"), BuildQueue[Any]()
    engine = make_engine()
    await applied(kube, cluster, engine)
    cluster.demand.pods.put(on_a_node())
    reconciler = at_work(cluster, builds, pace=10.0)

    for _ in range(4):  # the status says first what the specification asks for
        await reconciler.reconcile(engine_key(engine))

    jobs = [body for key, body in kube.objects.items() if key[0] == "jobs"]
    assert len(jobs) == 2
    status, conditions = statuses(cluster)
    asked, added = status["targets"]
    assert "autoBuild" not in asked
    assert (added["name"], added["state"], added["pool"]) == ("auto-sm-120", "Building", "rtx")
    assert added["autoBuild"]["pod"] == "server"
    assert status["readyTargets"] == "0/1"
    assert status["summary"]["added"] == "auto-sm-120"
    told = conditions["AutoBuild"]
    assert (told["status"], told["reason"]) == ("True", "TargetsAdded")
    assert told["message"] == (
        "auto-sm-120: no target of spec.targets serves sm_120 of node node-sm_120, where pod server is; "
        "BuildPool rtx builds for it"
    )
    events = [body for key, body in kube.objects.items() if key[0] == "events"]
    about = {(one["regarding"]["kind"], one["regarding"]["uid"], one["reason"]) for one in events}
    assert {("TensorRTEngine", "u", "TargetAdded"), ("Pod", "uid of server", "TargetAdded")} <= about

    assert cluster.added_targets() == {"rtx": 1}

    writes = len(kube.writes)
    await reconciler.reconcile(engine_key(engine))
    assert len(kube.writes) == writes


async def test_a_pod_that_nothing_is_built_for_is_told_once_why() -> None:
    kube: Any = FakeKube()
    cluster, builds = a_cluster_that_builds_for_pods(kube, "sm_90"), BuildQueue[Any]()
    engine = make_engine()
    await applied(kube, cluster, engine)
    cluster.demand.pods.put(on_a_node(arch="sm_90"))
    reconciler = at_work(cluster, builds, pace=10.0)

    for _ in range(3):
        await reconciler.reconcile(engine_key(engine))

    status, conditions = statuses(cluster)
    assert len(status["targets"]) == 1
    told = conditions["AutoBuild"]
    assert (told["status"], told["reason"]) == ("False", "AutoBuildRefused")
    assert told["message"].startswith("sm_90: no BuildPool with spec.autoBuild can build for it")
    events = [body for key, body in kube.objects.items() if key[0] == "events"]
    (refused,) = [one for one in events if one["reason"] == "AutoBuildRefused"]
    assert (refused["regarding"]["kind"], refused["regarding"]["name"]) == ("Pod", "server")
    assert refused["type"] == "Warning"


async def test_what_was_refused_before_is_not_told_again_with_what_is_refused_now() -> None:
    kube: Any = FakeKube()
    cluster, builds = a_cluster_that_builds_for_pods(kube, "sm_90", "sm_100"), BuildQueue[Any]()
    engine = make_engine()
    await applied(kube, cluster, engine)
    reconciler = at_work(cluster, builds, pace=10.0)

    for arch in ("sm_90", "sm_100"):
        cluster.demand.pods.put(on_a_node(f"on-{arch}", arch))
        for _ in range(3):
            await reconciler.reconcile(engine_key(engine))

    events = [body for key, body in kube.objects.items() if key[0] == "events"]
    refused = [one["regarding"]["name"] for one in events if one["reason"] == "AutoBuildRefused"]
    assert refused == ["on-sm_90", "on-sm_100"]
    assert "sm_90: " in statuses(cluster)[1]["AutoBuild"]["message"]


async def test_an_added_target_is_written_at_once_because_the_status_is_what_counts() -> None:
    kube: Any = FakeKube()
    cluster, builds = a_cluster_that_builds_for_pods(kube, "sm_120"), BuildQueue[Any]()
    engine = make_engine()
    await applied(kube, cluster, engine)
    slow = at_work(cluster, builds, pace=10.0)
    for _ in range(2):
        await slow.reconcile(engine_key(engine))
    cluster.demand.pods.put(on_a_node())

    await at_work(cluster, builds).reconcile(engine_key(engine))

    assert +cluster.engines.added == {("rtx", "vision"): 1}


async def test_two_passes_at_the_same_time_take_no_more_than_a_limit_has() -> None:
    kube: Any = FakeKube()
    cluster, builds = (
        a_cluster_that_builds_for_pods(kube, "sm_120", maxTargetsPerNamespace=1),
        BuildQueue[Any](),
    )
    engines = make_engine("one"), make_engine("two")
    await applied(kube, cluster, *engines)
    cluster.demand.pods.put(on_a_node(engines="one, two"))
    reconciler = at_work(cluster, builds, pace=10.0)

    for _ in range(3):
        await asyncio.gather(*(reconciler.reconcile(engine_key(engine)) for engine in engines))

    added = [
        one for name in ("one", "two") for one in statuses(cluster, name)[0]["targets"] if "autoBuild" in one
    ]
    assert len(added) == 1
    assert +cluster.engines.added == {("rtx", "vision"): 1}


async def test_a_resource_beyond_the_limit_of_its_namespace_gets_no_target_for_a_pod() -> None:
    kube: Any = FakeKube()
    cluster, builds = a_cluster_that_builds_for_pods(kube, "sm_120"), BuildQueue[Any]()
    cluster.engines = Engines(most=1)
    engines = make_engine("older"), make_engine("younger")
    await applied(kube, cluster, *engines)
    cluster.demand.pods.put(on_a_node(engines="younger"))
    reconciler = at_work(cluster, builds, pace=10.0)

    for _ in range(2):
        await reconciler.reconcile(engine_key(engines[1]))

    assert [one["reason"] for one in statuses(cluster, "younger")[0]["targets"]] == ["TooManyEngines"]


def test_only_what_is_known_of_the_node_of_a_pod_counts_and_not_what_the_pod_says() -> None:
    cluster = a_cluster_that_builds_for_pods(FakeKube(), "sm_89", "sm_120")
    demand = cluster.demand
    liar = on_a_node("liar", "sm_89", nodeSelector={"ignitionhub.io/gpu-arch": "sm_120"})
    liar["metadata"]["labels"] = {"ignitionhub.io/gpu-arch": "sm_120"}
    claims = [{"name": "gpu", "resourceClaimName": "mine"}]
    claiming = {"name": "main", "image": "busybox", "resources": {"claims": [{"name": "gpu"}]}}
    for pod in (
        liar,
        on_a_node("waits", "sm_120", nodeName=""),
        on_a_node("elsewhere", "sm_75"),
        on_a_node("claims", "sm_120", resourceClaims=claims, containers=[claiming]),
        on_a_node("over", "sm_120") | {"status": {"phase": "Succeeded"}},
    ):
        demand.pods.put(pod)

    needs = demand.needs_of("vision", "resnet50")
    assert needs is not None
    assert [(one.pod, one.gpu.arch) for one in needs] == [("liar", "sm_89")]


def test_pods_and_nodes_that_were_not_listed_yet_say_nothing() -> None:
    cluster = a_cluster_that_builds_for_pods(FakeKube(), "sm_120")
    cluster.demand.pods.put(on_a_node())
    cluster.demand.is_known = False

    assert cluster.demand.needs_of("vision", "resnet50") is None


def test_of_a_pod_that_ends_moves_or_is_deleted_nothing_is_left() -> None:
    pods = Cluster(FakeKube(), "builds").demand.pods  # type: ignore[arg-type]
    pods.put(
        on_a_node() | {"spec": {"containers": [{"name": "main", "env": [{"name": "KEY", "value": "x"}]}]}}
    )
    assert "KEY" not in str(list(pods))
    assert pods.of_engine("vision", "resnet50") == []
    placed = on_a_node()
    for version, change in enumerate([placed, placed | {"status": {"phase": "Failed"}}, placed], start=1):
        pods.put(change | {"metadata": change["metadata"] | {"resourceVersion": str(version)}})
        is_there = version != 2
        assert bool(pods.of_engine("vision", "resnet50")) is is_there
        assert bool(pods.on("node-sm_120")) is is_there
    pods.drop(placed)
    assert pods.of_engine("vision", "resnet50") == pods.on("node-sm_120") == []


async def test_a_pool_that_a_status_names_and_that_adds_nothing_is_no_figure() -> None:
    kube: Any = FakeKube()
    cluster = a_cluster_that_builds_for_pods(kube)
    engine = make_engine()
    why = {"pool": "of a tenant's choice"}
    engine["status"] = {"targets": [{"name": "a", "autoBuild": why}]}
    await applied(kube, cluster, engine)

    assert cluster.added_targets() == {"rtx": 0}


DEVICE = {
    "name": "gpu-0-mig-1g10gb-19-0",
    "attributes": {
        "productName": {"string": "NVIDIA H100 80GB HBM3"},
        "profile": {"string": "1g.10gb"},
        "cudaComputeCapability": {"version": "9.0.0"},
    },
}


def claim(version: int, **allocation: Any) -> Object:
    metadata = {"name": "mine", "namespace": "vision", "resourceVersion": str(version)}
    return {"metadata": metadata, "status": {"allocation": allocation} if allocation else {}}


def test_a_pod_with_a_claim_has_the_gpu_that_the_claim_was_given_and_none_until_it_was() -> None:
    demand = a_cluster_that_builds_for_pods(FakeKube(), "sm_120").demand
    asks = {"name": "main", "image": "busybox", "resources": {"claims": [{"name": "gpu"}]}}
    claims = [{"name": "gpu", "resourceClaimName": "mine"}]
    demand.pods.put(on_a_node("claims", "sm_120", resourceClaims=claims, containers=[asks]))
    assert demand.needs_of("vision", "resnet50") == []
    demand.claims.put(claim(1))
    assert demand.needs_of("vision", "resnet50") == []

    given = {"request": "gpu", "driver": "gpu.nvidia.com", "pool": "third", "device": DEVICE["name"]}
    demand.claims.put(claim(2, devices={"results": [given]}))
    assert demand.needs_of("vision", "resnet50") == []  # no slice tells what it is
    spec = {"driver": "gpu.nvidia.com", "pool": {"name": "third", "generation": 1}, "devices": [DEVICE]}
    demand.slices.put({"metadata": {"name": "third"}, "spec": spec})
    needs = demand.needs_of("vision", "resnet50")
    assert needs is not None
    assert [one.gpu.exact_product for one in needs] == ["NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"]


def test_a_claim_for_another_kind_of_device_leaves_the_gpu_to_the_node() -> None:
    demand = a_cluster_that_builds_for_pods(FakeKube(), "sm_120").demand
    asks = {"name": "main", "image": "busybox", "resources": {"claims": [{"name": "gpu"}]}}
    claims = [{"name": "gpu", "resourceClaimName": "mine"}]
    demand.pods.put(on_a_node("claims", "sm_120", resourceClaims=claims, containers=[asks]))
    given = {"request": "nic", "driver": "nic.example.com", "pool": "third", "device": "nic-0"}
    demand.claims.put(claim(1, devices={"results": [given]}))

    needs = demand.needs_of("vision", "resnet50")
    assert needs is not None
    assert [one.gpu.arch for one in needs] == ["sm_120"]
