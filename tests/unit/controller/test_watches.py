"""What wakes whom: a key is asked for when its answer may be another, and not for the rest."""

from typing import Any

import pytest

from fakeworld import make_engine, make_pool
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.passes.rollouts import SOON
from ignition_hub.controller.policy.build_queue import BuildQueue
from ignition_hub.controller.policy.pool_status import COUNT_AFTER
from ignition_hub.controller.process.keys import Key, engine_key, pod_key, pool_key, rollouts_key
from ignition_hub.controller.process.work_queue import WorkQueue
from ignition_hub.controller.watches import TOGETHER, UNTIL_REPLACED, Watching
from ignition_hub.engine.names import (
    ANNOTATION_FAILURE,
    ANNOTATION_PROGRESS,
    ANNOTATION_REBUILD,
    LABEL_IDENTITY,
    LABEL_POOL,
)
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.kube import Object

IDENTITY = "a" * 32
COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}
READY = {"observedGeneration": 1, "readyTargets": "1/1"}


class FakeKube:
    """An API server whose watch is faster than its answers: ``event`` is told before they come."""

    def __init__(self) -> None:
        self.event: Any = None
        self.answer: Object = {}

    async def merge_patch(self, *_: Any) -> Object:
        self.event("MODIFIED", self.answer)
        return self.answer

    async def create(self, _kind: Any, body: Object, *_: Any) -> Object:
        self.event("ADDED", body)
        return body


class Queue(WorkQueue[Key]):
    """Notes what is asked for at once."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Key] = []
        self.later: list[tuple[Key, float]] = []

    def add(self, key: Key) -> None:
        self.asked.append(key)

    def add_after(self, key: Key, seconds: float) -> None:
        self.later.append((key, seconds))


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube()


@pytest.fixture
def cluster(kube: Any) -> Cluster:
    return Cluster(kube, "builds")


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def watching(cluster: Cluster, queue: Queue) -> Watching:
    builds: BuildQueue[Key] = BuildQueue()
    builds.want(Key("engine", "vision", "resnet50"), [IDENTITY])
    return Watching(cluster, queue, builds)


def job(version: int, *, annotations: Any = None, uid: str = "1", **status: Any) -> Object:
    metadata = {"name": "build-a", "namespace": "builds", "uid": uid, "resourceVersion": str(version)}
    labels = {LABEL_POOL: "rtx", LABEL_IDENTITY: IDENTITY}
    return {"metadata": {**metadata, "labels": labels, "annotations": annotations or {}}, "status": status}


def test_who_gets_the_place_and_who_may_get_the_room_of_a_deleted_engine_is_looked_at(kube: Any) -> None:
    cluster, queue = Cluster(kube, "builds", most_engines=1), Queue()
    watching = Watching(cluster, queue, BuildQueue())
    waiting = {"targets": [{"name": "sm-86", "reason": "StorageQuotaExceeded"}]}
    watching.engine("ADDED", engine(1, name="first", creationTimestamp="2026-01-01"))
    watching.engine("ADDED", engine(2, name="second", creationTimestamp="2026-01-02"))
    watching.engine("ADDED", {**engine(3, name="third", creationTimestamp="2026-01-03"), "status": waiting})
    queue.asked.clear()

    watching.engine("DELETED", engine(4, name="first", creationTimestamp="2026-01-01"))

    assert [key.name for key in queue.asked] == ["first", "second", "third"]


def engine(version: int, **metadata: Any) -> Object:
    body = make_engine()
    body["metadata"] |= {"resourceVersion": str(version), "generation": 1, "uid": "1", **metadata}
    return body


def gated_pod(name: str, engines: str) -> Object:
    annotations = {ANNOTATION_ENGINES.name: engines}
    return {
        "metadata": {"name": name, "namespace": "vision", "resourceVersion": "1", "annotations": annotations}
    }


def test_the_rollouts_of_a_namespace_are_looked_at_when_a_pod_or_an_engine_of_it_changes(
    watching: Watching, queue: Queue
) -> None:
    watching.engine("ADDED", engine(1))
    assert rollouts_key("vision") not in [key for key, _ in queue.later]

    watching.rolling_pod("ADDED", gated_pod("server", "resnet50"))
    assert queue.later.pop() == (rollouts_key("vision"), SOON)

    watching.engine("MODIFIED", engine(2))
    assert queue.later.pop() == (rollouts_key("vision"), SOON)

    watching.wake_all(within=1.0)
    assert (rollouts_key("vision"), 1.0 + SOON) in queue.later


def test_what_the_job_controller_counts_for_itself_wakes_nobody(watching: Watching, queue: Queue) -> None:
    watching.job("ADDED", job(1))
    queue.asked.clear()
    queue.later.clear()
    watching.job("MODIFIED", job(2, active=1, startTime="2026-01-01T00:00:00Z"))
    watching.job("MODIFIED", job(3, active=1, uncountedTerminatedPods={}))

    assert queue.asked == []
    assert queue.later == []


@pytest.mark.parametrize(
    "change",
    [
        COMPLETE,
        {"ready": 1},
        {"uid": "2"},
        {"annotations": {ANNOTATION_PROGRESS: "{}"}},
        {"annotations": {ANNOTATION_FAILURE: "{}"}},
        {"annotations": {ANNOTATION_REBUILD: "now"}},
    ],
    ids=str,
)
def test_what_changes_the_answer_wakes_who_waits_for_the_job(
    watching: Watching, queue: Queue, change: dict[str, Any]
) -> None:
    watching.job("ADDED", job(1))
    queue.asked.clear()
    watching.job("MODIFIED", job(2, **change))

    assert queue.asked == [Key("engine", "vision", "resnet50")]


def test_a_job_that_is_gone_wakes_who_waited_for_it(watching: Watching, queue: Queue) -> None:
    watching.job("ADDED", job(1))
    queue.asked.clear()
    watching.job("DELETED", job(2))

    assert queue.asked == [Key("engine", "vision", "resnet50")]


async def test_who_creates_a_job_is_not_woken_by_it_and_who_finds_one_is(
    watching: Watching, queue: Queue, cluster: Cluster, kube: FakeKube
) -> None:
    kube.event = watching.job
    assert await cluster.create_job(job(1))
    assert queue.asked == []
    assert cluster.job("build-a") is not None

    cluster.jobs.drop(job(2))
    watching.job("ADDED", job(3))
    assert queue.asked == [Key("engine", "vision", "resnet50")]


async def test_a_job_that_ended_before_the_answer_to_its_creation_wakes_who_waits_for_it(
    watching: Watching, queue: Queue, cluster: Cluster, kube: FakeKube
) -> None:
    kube.event = watching.job
    assert await cluster.create_job(job(1, **COMPLETE))

    assert queue.asked == [Key("engine", "vision", "resnet50")]


async def test_a_status_of_our_own_wakes_nobody_although_the_watch_is_faster_than_the_answer(
    watching: Watching, queue: Queue, cluster: Cluster, kube: FakeKube
) -> None:
    cluster.engines.put(engine(1))
    cluster.waiting_pods.put(gated_pod("one", "resnet50"))
    kube.event, kube.answer = watching.engine, {**engine(2), "status": READY}
    await cluster.write_status(engine(1), READY)

    assert queue.asked == []
    assert cluster.engines.get("vision", "resnet50") == kube.answer


@pytest.mark.parametrize(
    "change",
    [
        {**engine(2, generation=2), "status": READY},
        {**engine(2, annotations={ANNOTATION_REBUILD: "now"}), "status": READY},
        {**engine(2), "status": {**READY, "readyTargets": "0/1"}},
        {**engine(2, uid="2"), "status": READY},
        {**engine(2, deletionTimestamp="2026-01-01T00:00:00Z"), "status": READY},
    ],
    ids=["spec", "annotation", "status", "recreated", "going"],
)
async def test_what_others_change_while_a_status_is_written_wakes_the_engine(
    watching: Watching, queue: Queue, cluster: Cluster, kube: FakeKube, change: Object
) -> None:
    cluster.engines.put(engine(1))
    kube.event, kube.answer = watching.engine, change
    await cluster.write_status(engine(1), READY)

    assert queue.asked == [engine_key(change)]


def test_an_engine_wakes_the_pods_that_name_it_and_no_other(
    watching: Watching, queue: Queue, cluster: Cluster
) -> None:
    waits, other = gated_pod("one", "main=resnet50"), gated_pod("two", "yolo")
    for pod in (waits, other):
        cluster.waiting_pods.put(pod)
    watching.engine("MODIFIED", engine(2))

    assert queue.asked == [engine_key(engine(2)), pod_key(waits)]


def test_a_job_counts_in_its_pool_once_it_is_there(watching: Watching, queue: Queue) -> None:
    watching.job("ADDED", job(1))

    assert queue.later == [(pool_key("rtx"), COUNT_AFTER)]


def placed_pod(version: int, node: str | None = "third", **status: Any) -> Object:
    body = gated_pod("server", "resnet50, other")
    body["metadata"] |= {"uid": "1", "resourceVersion": str(version)}
    return {**body, "spec": {"containers": [], **({"nodeName": node} if node else {})}, "status": status}


OF_THE_POD = [Key("engine", "vision", "resnet50"), Key("engine", "vision", "other")]


def test_engines_are_looked_at_when_a_pod_got_its_node_and_some_time_after_it_has_ended(
    watching: Watching, queue: Queue
) -> None:
    watching.placed_pod("ADDED", placed_pod(1, node=None))
    assert queue.later == []
    watching.placed_pod("MODIFIED", placed_pod(2))
    assert queue.later == [(key, TOGETHER) for key in OF_THE_POD]
    queue.later.clear()
    watching.placed_pod("MODIFIED", placed_pod(3, phase="Running"))
    assert queue.later == []
    watching.placed_pod("MODIFIED", placed_pod(4, phase="Succeeded"))
    assert set(queue.later) == {(key, UNTIL_REPLACED) for key in OF_THE_POD}
    queue.later.clear()
    watching.placed_pod("DELETED", placed_pod(5, phase="Succeeded"))
    assert queue.later == []


def test_a_pod_that_is_deleted_while_it_runs_has_its_engines_looked_at_later(
    watching: Watching, queue: Queue
) -> None:
    watching.placed_pod("ADDED", placed_pod(1))
    queue.later.clear()

    watching.placed_pod("DELETED", placed_pod(2))

    assert queue.later == [(key, UNTIL_REPLACED) for key in OF_THE_POD]


def test_the_engines_of_a_node_are_looked_at_when_what_tells_of_its_gpu_changed(
    watching: Watching, queue: Queue
) -> None:
    watching.placed_pod("ADDED", placed_pod(1))
    node = {"metadata": {"name": "third", "resourceVersion": "2"}}
    watching.node("ADDED", node)
    assert sorted(queue.asked) == sorted(OF_THE_POD)
    queue.asked.clear()
    heartbeat = {"metadata": {"name": "third", "resourceVersion": "3", "labels": {"zone": "a"}}}
    watching.node("MODIFIED", heartbeat)
    assert queue.asked == []
    labels = {"ignitionhub.io/gpu-arch": "sm_120"}
    watching.node("MODIFIED", {"metadata": {"name": "third", "resourceVersion": "4", "labels": labels}})
    assert sorted(queue.asked) == sorted(OF_THE_POD)


def test_nothing_of_pods_and_nodes_is_wanted_until_a_pool_builds_for_pods(
    cluster: Cluster, watching: Watching
) -> None:
    watching.pool("ADDED", pool(1))
    assert not cluster.demand.wanted.is_set()

    watching.pool("MODIFIED", pool(2, autoBuild={"namespaces": ["*"]}))
    assert cluster.demand.wanted.is_set()


def test_pods_are_looked_at_too_while_a_status_has_what_was_added_for_one(
    cluster: Cluster, watching: Watching
) -> None:
    watching.engine("ADDED", engine(1))
    assert not cluster.demand.wanted.is_set()

    added = {"targets": [{"name": "auto-sm-120", "autoBuild": {"pool": "rtx"}}]}
    watching.engine("MODIFIED", {**engine(2), "status": added})
    assert cluster.demand.wanted.is_set()


def pool(version: int, **spec: Any) -> Object:
    body = make_pool(**spec)
    return {**body, "metadata": {**body["metadata"], "resourceVersion": str(version)}}


def test_the_engines_of_a_pod_are_looked_at_when_its_claim_or_what_tells_of_devices_changed(
    watching: Watching, queue: Queue
) -> None:
    pod = placed_pod(1)
    asks = {"name": "main", "resources": {"claims": [{"name": "gpu"}]}}
    claims = [{"name": "gpu", "resourceClaimName": "mine"}]
    watching.placed_pod(
        "ADDED", {**pod, "spec": {**pod["spec"], "containers": [asks], "resourceClaims": claims}}
    )
    queue.later.clear()

    for name, woken in (("another", []), ("mine", OF_THE_POD)):
        watching.claim("ADDED", {"metadata": {"name": name, "namespace": "vision", "resourceVersion": "2"}})
        assert [key for key, _ in queue.later] == woken
    queue.later.clear()
    spec: Object = {"driver": "gpu.nvidia.com", "pool": {"name": "third"}, "devices": []}
    for version, woken in ((3, OF_THE_POD), (4, [])):
        metadata = {"name": "third", "resourceVersion": str(version)}
        watching.device_slice("MODIFIED", {"metadata": metadata, "spec": spec})
        assert [key for key, _ in queue.later] == woken
        queue.later.clear()
