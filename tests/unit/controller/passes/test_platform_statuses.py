"""The passes about pools and stores: when they write, when they come again, and which events wake them."""

from typing import Any

import pytest

from fakeworld import FakeWorld, make_engine, make_pool
from ignition_hub.controller.adapters.bucket import Buckets
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.public_keys import GatewayKeys
from ignition_hub.controller.passes.build_pools import UNTIL_ALL_ARE_DECIDED, describe_pool
from ignition_hub.controller.passes.engine_stores import READ_SECRET_EVERY, describe_store
from ignition_hub.controller.passes.storage_report import StorageReport
from ignition_hub.controller.policy.build_queue import BuildQueue
from ignition_hub.controller.policy.pool_status import COUNT_AFTER
from ignition_hub.controller.policy.store_status import Probe
from ignition_hub.controller.process.keys import JOBS_KEY, Key, engine_key, pool_key, store_key
from ignition_hub.controller.process.work_queue import Again, WorkQueue
from ignition_hub.controller.watches import Watching
from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.names import ANNOTATION_DEFAULT_STORE, LABEL_POOL
from ignition_hub.engine.store_findings import StoreReason
from ignition_hub.kube import Conflict, Forbidden, Object

NOW = "2026-01-02T00:00:00Z"
DEFAULT = {ANNOTATION_DEFAULT_STORE: "true"}


class FakeKube:
    """Merges status patches into what it is given, and counts them; ``secret`` answers every ``get``."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.writes: list[dict[str, Any]] = []
        self.secret: Object | Exception | None = None
        self.in_between = False

    async def merge_patch(self, _kind: Any, name: str, body: Object, *_: Any) -> Object:
        if self.in_between:
            raise Conflict(409, "the object has been modified")
        self.writes.append(body["status"])
        before = self.objects[name]
        after = {**before, "status": {**before.get("status", {}), **body["status"]}}
        version = str(int(before["metadata"]["resourceVersion"]) + 1)
        self.objects[name] = {**after, "metadata": {**before["metadata"], "resourceVersion": version}}
        return self.objects[name]

    async def get(self, *_: Any) -> Object | None:
        if isinstance(self.secret, Exception):
            raise self.secret
        return self.secret


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube()


@pytest.fixture
def cluster(kube: Any) -> Cluster:
    return Cluster(kube, "builds")


def added(kube: FakeKube, mirror: Any, body: Object) -> Object:
    body["metadata"] |= {"generation": 1, "resourceVersion": "1"}
    kube.objects[body["metadata"]["name"]] = body
    mirror.put(body)
    return body


def make_store(name: str = "main", annotations: dict[str, str] | None = None) -> Object:
    s3 = {"endpoint": "http://s3", "bucket": "engines", "credentialsSecretRef": {"name": "keys"}}
    return {"metadata": {"name": name, "annotations": annotations or {}}, "spec": {"s3": s3}}


class World(FakeWorld):
    """Has one answer about every bucket."""

    answer = Probe(StoreReason.BUCKET_REACHABLE)

    async def probe(self, store: Any) -> Probe:
        return self.answer


async def pool_pass(cluster: Cluster, builds: BuildQueue[Key] | None = None) -> Again:
    return await describe_pool(cluster, builds or BuildQueue(), pool_key("rtx"), NOW)


async def store_pass(
    cluster: Cluster, answer: Probe, name: str = "main", report: StorageReport | None = None
) -> Again:
    world = World()
    world.answer = answer
    report = report or StorageReport(cluster, world)
    return await describe_store(cluster, world, report, Key("store", name=name), NOW)


async def test_a_pool_is_described_once(kube: FakeKube, cluster: Cluster) -> None:
    added(kube, cluster.pools, make_pool())

    assert await pool_pass(cluster) == await pool_pass(cluster) == Again()
    assert len(kube.writes) == 1


async def test_a_pool_that_is_gone_is_not_written(kube: FakeKube, cluster: Cluster) -> None:
    body = make_pool()
    body["metadata"]["deletionTimestamp"] = NOW
    added(kube, cluster.pools, body)
    await pool_pass(cluster)
    cluster.pools.drop(body)

    assert await pool_pass(cluster) == Again()
    assert kube.writes == []


async def test_what_waits_is_counted_when_every_engine_has_been_judged(
    kube: FakeKube, cluster: Cluster
) -> None:
    added(kube, cluster.pools, make_pool())
    engine = make_engine()
    cluster.engines.put(engine)
    builds: BuildQueue[Key] = BuildQueue()

    assert await pool_pass(cluster, builds) == Again(seconds=UNTIL_ALL_ARE_DECIDED)
    assert "queuedBuilds" not in kube.writes[0]
    builds.want(engine_key(engine), [])
    assert await pool_pass(cluster, builds) == Again()
    assert kube.writes[1:] == [{"queuedBuilds": 0}]


async def test_a_pool_that_changed_meanwhile_keeps_its_old_view_until_the_watch_brings_the_new_one(
    kube: FakeKube, cluster: Cluster
) -> None:
    body = added(kube, cluster.pools, make_pool())
    kube.in_between = True
    kube.secret = {**body, "metadata": {**body["metadata"], "resourceVersion": "9"}}

    with pytest.raises(Conflict):
        await pool_pass(cluster)
    assert cluster.pools.get("", "rtx")["metadata"]["resourceVersion"] == "1"


@pytest.mark.parametrize(
    "reason",
    [
        StoreReason.BUCKET_UNREACHABLE,
        StoreReason.BUCKET_NOT_FOUND,
        StoreReason.ACCESS_DENIED,
        StoreReason.BUCKET_REFUSES,
    ],
)
async def test_a_bucket_that_fails_is_asked_less_and_less_often_and_at_least_every_half_minute(
    kube: FakeKube, cluster: Cluster, reason: StoreReason
) -> None:
    added(kube, cluster.stores, make_store())

    for _ in range(2):
        again = await store_pass(cluster, Probe(reason, "why"))
        assert again.back_off
        assert 0.8 * READ_SECRET_EVERY <= (again.seconds or 0) <= READ_SECRET_EVERY
    assert len(kube.writes) == 1


@pytest.mark.parametrize("reason", [StoreReason.BUCKET_REACHABLE, StoreReason.CREDENTIALS_INVALID])
async def test_a_secret_is_read_every_half_minute(
    kube: FakeKube, cluster: Cluster, reason: StoreReason
) -> None:
    added(kube, cluster.stores, make_store())
    again = await store_pass(cluster, Probe(reason, "why"))

    assert not again.back_off
    assert 0.8 * READ_SECRET_EVERY <= (again.seconds or 0) <= READ_SECRET_EVERY


async def test_of_several_stores_the_status_says_which_is_used_or_that_none_can_be(
    kube: FakeKube, cluster: Cluster
) -> None:
    added(kube, cluster.stores, make_store("main"))
    added(kube, cluster.stores, make_store("other"))
    assert await store_pass(cluster, World.answer) == Again()
    [written] = kube.writes
    assert written["default"] is False
    assert written["conditions"][0]["reason"] == StoreReason.SEVERAL_DEFAULTS
    assert "annotate exactly one of them" in written["conditions"][0]["message"]

    marked = make_store("other", DEFAULT)
    marked["metadata"] |= {"resourceVersion": "5", "generation": 1}
    cluster.stores.put(marked)
    await store_pass(cluster, World.answer)
    assert kube.writes[-1]["conditions"][0]["message"].endswith("; EngineStore other is used")


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        (None, "Secret keys of EngineStore main does not exist"),
        ({"data": {"accessKey": "YQ=="}}, "Secret keys has no key secretKey"),
        (
            {"data": {"accessKey": "!", "secretKey": "YQ=="}},
            "key accessKey of Secret keys is not base64 text",
        ),
        (Forbidden(403, 'secrets "keys" is forbidden'), "store.extraCredentialsSecrets of the chart"),
    ],
)
async def test_a_secret_that_cannot_be_used_is_told_without_asking_the_bucket(
    kube: Any, cluster: Cluster, secret: Any, message: str
) -> None:
    kube.secret = secret
    buckets = Buckets(kube, cluster.stores, "ignition-hub", GatewayKeys("https://gateway.invalid", None))
    probe = await buckets.probe(make_store())
    buckets.close()

    assert probe.reason is StoreReason.CREDENTIALS_INVALID
    assert message in probe.message


class Queue(WorkQueue[Key]):
    """Notes what is asked for, and how soon."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Key, float]] = []

    def add(self, key: Key) -> None:
        self.asked.append((key, 0.0))

    def add_after(self, key: Key, seconds: float) -> None:
        self.asked.append((key, seconds))


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def watching(cluster: Cluster, queue: Queue) -> Watching:
    cluster.engines.put(make_engine())
    return Watching(cluster, queue, BuildQueue())


def changed(body: Object, version: str, **parts: Any) -> Object:
    return {**body, **parts, "metadata": {**body["metadata"], "resourceVersion": version}}


def woken(queue: Queue) -> set[str]:
    kinds = {key.kind for key, _ in queue.asked}
    queue.asked.clear()
    return kinds


def test_a_new_pool_or_another_spec_wakes_every_engine_and_a_status_only_its_count(
    watching: Watching, queue: Queue, kube: FakeKube, cluster: Cluster
) -> None:
    body = changed(make_pool(), "1")
    watching.pool("ADDED", body)
    assert (pool_key("rtx"), 0.0) in queue.asked
    assert {"engine", "pool", "jobs"} == woken(queue)

    watching.pool("MODIFIED", changed(body, "2", status={"runningBuilds": 3}))
    assert queue.asked == [(pool_key("rtx"), COUNT_AFTER)]
    woken(queue)

    watching.pool("MODIFIED", changed(body, "3", spec={**body["spec"], "maxConcurrentBuilds": 2}))
    assert "engine" in woken(queue)
    watching.pool("DELETED", changed(body, "4", spec={**body["spec"], "maxConcurrentBuilds": 2}))
    assert "engine" in woken(queue)


def test_a_status_of_a_store_wakes_nothing_and_its_annotation_every_store(
    watching: Watching, queue: Queue, cluster: Cluster
) -> None:
    body = changed(make_store(), "1")
    watching.store("ADDED", body)
    assert (store_key(body), 0.0) in queue.asked
    woken(queue)

    watching.store("MODIFIED", changed(body, "2", status={"default": True}))
    assert queue.asked == []
    marked = make_store(annotations=DEFAULT)
    watching.store("MODIFIED", changed(marked, "3"))
    assert {"engine", "store", "jobs"} == woken(queue)


def test_jobs_that_come_and_go_count_their_pool_once_in_a_while(watching: Watching, queue: Queue) -> None:
    labels = {LABEL_POOL: "rtx"}
    metadata = {"name": "a", "namespace": "builds", "labels": labels, "resourceVersion": "1"}
    watching.job("ADDED", {"metadata": metadata, "spec": {}, "status": {}})

    assert queue.asked == [(JOBS_KEY, 0.0), (pool_key("rtx"), COUNT_AFTER)]


async def test_a_hundred_changes_within_the_pause_are_one_pass() -> None:
    queue: WorkQueue[Key] = WorkQueue()
    for _ in range(100):
        queue.add_after(pool_key("rtx"), 0.0)

    assert await queue.take() == pool_key("rtx")
    queue.finish(pool_key("rtx"))
    assert len(queue) == 0


def with_quotas(kube: FakeKube, cluster: Cluster, *quotas: tuple[list[str], str]) -> Object:
    body = make_store()
    body["spec"]["quotas"] = [{"namespaces": names, "storage": storage} for names, storage in quotas]
    target = {"name": "sm-86", "identity": "ab" * 32, "sizeBytes": 60}
    cluster.engines.put({**make_engine(namespace="audio"), "status": {"targets": [target]}})
    return added(kube, cluster.stores, body)


async def test_what_namespaces_use_is_looked_at_every_few_minutes_and_at_rest_written_once(
    kube: FakeKube, cluster: Cluster
) -> None:
    with_quotas(kube, cluster, (["vision"], "200"), (["*"], "100"))
    world = World()
    world.bucket.quotas, world.bucket.pushed["vision"] = {"vision": 200, "audio": 100}, 150
    report = StorageReport(cluster, world)

    for _ in range(3):
        await store_pass(cluster, World.answer, report=report)

    assert [write["storage"] for write in kube.writes] == [
        [
            {"namespace": "audio", "used": "60B", "quota": "100B"},
            {"namespace": "vision", "used": "150B", "quota": "200B"},
        ]
    ]
    assert world.bucket.asked["pushed_bytes"] == 2
    assert [use.namespace for use in report.latest] == ["audio", "vision"]


async def test_while_the_bucket_fails_the_last_report_stands_and_without_quotas_there_is_none(
    kube: FakeKube, cluster: Cluster
) -> None:
    body = with_quotas(kube, cluster, (["vision"], "200"))
    world = World()
    world.bucket.quotas = {"vision": 200}
    report = StorageReport(cluster, world)
    before = await report.on(body)
    body["metadata"]["generation"] = 2
    world.trouble = IgnitionError(Reason.StoreUnavailable, "s3 does not answer")

    assert [use.namespace for use in before] == ["vision"]
    assert await report.on(body) == before
    world.trouble = None
    assert await report.on({**body, "spec": {**body["spec"], "quotas": []}}) == ()
    assert report.latest == ()
