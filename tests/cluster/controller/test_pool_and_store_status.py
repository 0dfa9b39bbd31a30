"""
The status of BuildPools and EngineStores on a real API server: it appears, follows what happens, and rests.

The bucket is real too; the test plays the Job controller and the gateway.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from controller_harness import Hub
from fakeworld import FakeWorld, make_engine
from ignition_hub.controller.adapters.bucket import Buckets
from ignition_hub.controller.adapters.object_cache import Mirror
from ignition_hub.controller.adapters.public_keys import GatewayKeys
from ignition_hub.controller.passes import engine_stores
from ignition_hub.controller.policy.pool_status import COUNT_AFTER
from ignition_hub.controller.policy.store_status import Probe
from ignition_hub.engine.names import ANNOTATION_DEFAULT_STORE, RELEASE_NAMESPACE
from ignition_hub.kube import ENGINES, POOLS, SECRETS, STORES, Kube, Object, Resource
from ignition_hub.store.errors import StoreMisconfigured
from ignition_hub.wire.back_off import BackOff
from job_controller import condition_of, eventually
from localcluster import ControlPlane
from s3server import S3Server

pytestmark = pytest.mark.cluster

POOL_WRITE, STORE_WRITE = "patch buildpools/status", "patch enginestores/status"
DEFAULT = {ANNOTATION_DEFAULT_STORE: "true"}


class ProbingWorld(FakeWorld):
    """Keeps engines in memory and asks the real buckets of stores."""

    def __init__(self, kube: Kube) -> None:
        super().__init__()
        keys = GatewayKeys("https://gateway.invalid", None)
        self.buckets = Buckets(kube, Mirror(), RELEASE_NAMESPACE, keys)

    async def probe(self, store: Mapping[str, Any]) -> Probe:
        return await self.buckets.probe(store)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server.start() as started:
        started.create_bucket("engines")
        yield started


@pytest.fixture(autouse=True)
async def _probing(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Ask real buckets, with a Secret that is not there yet and is read twice a second."""
    monkeypatch.setattr(engine_stores, "READ_SECRET_EVERY", 0.5)
    await hub.kube.delete(SECRETS, "engine-store", RELEASE_NAMESPACE)
    hub.world = world = ProbingWorld(hub.kube)
    yield
    world.buckets.close()


def store(s3: S3Server, name: str = "main", **changes: Any) -> Object:
    bucket = {"endpoint": s3.endpoint, "bucket": "engines", "prefix": "ignition", **changes}
    spec = {"s3": {**bucket, "credentialsSecretRef": {"name": "engine-store"}}}
    return {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "EngineStore",
        "metadata": {"name": name},
        "spec": spec,
    }


async def give_secret(hub: Hub, access_key: str, secret_key: str) -> None:
    await hub.kube.delete(SECRETS, "engine-store", RELEASE_NAMESPACE)
    given = {"accessKey": access_key, "secretKey": secret_key}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in given.items()}
    await hub.kube.create(SECRETS, {"metadata": {"name": "engine-store"}, "data": data}, RELEASE_NAMESPACE)


async def until_ready(
    hub: Hub, kind: Resource, name: str, reason: str, namespace: str | None = None
) -> Object:
    """Wait until the condition Ready of an object has ``reason`` for its newest spec; return the object."""

    async def has_it() -> Object | None:
        body = await hub.kube.get(kind, name, namespace)
        assert body is not None
        ready = condition_of(body, "Ready")
        current = ready.get("observedGeneration") == body["metadata"]["generation"]
        return body if current and ready.get("reason") == reason else None

    return await eventually(has_it)


async def until_builds(hub: Hub, running: int, queued: int) -> Object:
    async def counted() -> Object | None:
        body = await hub.kube.get(POOLS, "rtx")
        assert body is not None
        status = body["status"]
        counts = (status.get("runningBuilds"), status.get("queuedBuilds"))
        return body if counts == (running, queued) else None

    return await eventually(counted)


def platform_writes(hub: Hub) -> tuple[int, int]:
    return hub.writes[POOL_WRITE], hub.writes[STORE_WRITE]


async def test_a_store_follows_its_secret_from_missing_to_wrong_to_right_and_back(
    hub: Hub, s3: S3Server
) -> None:
    await hub.apply(store(s3))
    async with hub.controller():
        body = await until_ready(hub, STORES, "main", "CredentialsInvalid")
        first = condition_of(body, "Ready")
        assert first["status"] == "False"
        assert first["message"].startswith(
            "spec.s3.credentialsSecretRef.name: Secret engine-store of EngineStore main does not exist"
        )

        await give_secret(hub, "unknown", "wrong")
        denied = condition_of(await until_ready(hub, STORES, "main", "AccessDenied"), "Ready")
        assert "correct accessKey and secretKey in the Secret" in denied["message"]
        assert denied["lastTransitionTime"] == first["lastTransitionTime"]

        await give_secret(hub, s3.access_key, s3.secret_key)
        body = await until_ready(hub, STORES, "main", "BucketReachable")
        assert condition_of(body, "Ready")["message"] == (
            f"bucket engines at {s3.endpoint} answers; it is the default"
        )
        assert body["status"]["default"] is True

        await hub.kube.delete(SECRETS, "engine-store", RELEASE_NAMESPACE)
        await until_ready(hub, STORES, "main", "CredentialsInvalid")


async def test_a_store_says_which_field_is_wrong_and_forgets_it_when_it_is_corrected(
    hub: Hub, s3: S3Server
) -> None:
    await give_secret(hub, s3.access_key, s3.secret_key)
    await hub.apply(store(s3, bucket="nowhere"))
    async with hub.controller():
        body = await until_ready(hub, STORES, "main", "BucketNotFound")
        assert condition_of(body, "Ready")["message"].startswith("spec.s3.bucket: bucket nowhere at ")

        spec = store(s3, endpoint="http://127.0.0.1:9")["spec"]
        await hub.kube.merge_patch(STORES, "main", {"spec": spec})
        body = await until_ready(hub, STORES, "main", "BucketUnreachable")
        assert condition_of(body, "Ready")["message"].startswith("spec.s3.endpoint: http://127.0.0.1:9: ")

        await hub.kube.merge_patch(STORES, "main", {"spec": store(s3)["spec"]})
        await until_ready(hub, STORES, "main", "BucketReachable")


async def test_a_second_store_asks_which_is_the_default_until_one_is_marked(hub: Hub, s3: S3Server) -> None:
    await give_secret(hub, s3.access_key, s3.secret_key)
    await hub.apply(store(s3))
    async with hub.controller():
        await until_ready(hub, STORES, "main", "BucketReachable")
        await hub.apply(store(s3, "other"))
        for name in ("main", "other"):
            body = await until_ready(hub, STORES, name, "SeveralDefaults")
            assert body["status"]["default"] is False

        await hub.kube.merge_patch(STORES, "other", {"metadata": {"annotations": DEFAULT}})
        for name, default in (("main", False), ("other", True)):
            body = await until_ready(hub, STORES, name, "BucketReachable")
            assert body["status"]["default"] is default


async def test_engines_that_wait_for_a_store_go_on_when_it_is_ready(hub: Hub, s3: S3Server) -> None:
    hub.world.trouble = StoreMisconfigured("Secret engine-store does not exist")
    await hub.apply(store(s3))
    async with hub.controller() as controller:
        controller.queue._back_off = BackOff(first=600.0, longest=600.0)
        await until_ready(hub, STORES, "main", "CredentialsInvalid")
        await hub.apply(make_engine())
        await until_ready(hub, ENGINES, "resnet50", "StoreMisconfigured", hub.namespace)
        hub.world.trouble = None
        await hub.rest(1.0)
        assert await hub.jobs() == []

        await give_secret(hub, s3.access_key, s3.secret_key)
        await until_ready(hub, STORES, "main", "BucketReachable")
        await hub.until_job()


async def test_a_pool_counts_builds_that_run_and_wait_in_few_writes(hub: Hub) -> None:
    await hub.kube.merge_patch(POOLS, "rtx", {"spec": {"maxConcurrentBuilds": 2}})
    async with hub.controller():
        body = await until_builds(hub, 0, 0)
        assert condition_of(body, "Ready")["message"] == (
            "builds with TensorRT-RTX 1.7.1.116 for sm_75, sm_80, sm_86, sm_89, sm_120"
        )
        for number in range(5):
            source = {"uri": "s3://models/resnet50.onnx"}
            model = {"name": f"model-{number}", "version": "v1", "source": source}
            await hub.apply(make_engine(f"engine-{number}", model=model))
        await until_builds(hub, 2, 3)
        before = hub.writes[POOL_WRITE]
        for _ in range(5):
            await hub.complete(await hub.until_job())
        await until_builds(hub, 0, 0)
        assert hub.writes[POOL_WRITE] - before <= 3
        hub.writes.clear()
        await hub.rest(COUNT_AFTER + 2.0)
        assert hub.writes == {}


async def test_a_pool_that_is_paused_says_so_and_counts_what_waits(hub: Hub) -> None:
    await hub.kube.merge_patch(POOLS, "rtx", {"spec": {"maxConcurrentBuilds": 0}})
    async with hub.controller():
        await until_ready(hub, POOLS, "rtx", "StartsNoBuilds")
        await hub.apply(make_engine())
        await until_builds(hub, 0, 1)
        await hub.kube.merge_patch(POOLS, "rtx", {"spec": {"maxConcurrentBuilds": 1}})
        await until_ready(hub, POOLS, "rtx", "CanBuild")
        await until_builds(hub, 1, 0)


async def test_at_rest_and_after_a_restart_nothing_is_written(hub: Hub, s3: S3Server) -> None:
    await give_secret(hub, s3.access_key, s3.secret_key)
    await hub.apply(store(s3))
    async with hub.controller():
        await hub.apply(make_engine())
        await hub.until_job()
        await until_builds(hub, 1, 0)
        await until_ready(hub, STORES, "main", "BucketReachable")
        await hub.rest()
        written = platform_writes(hub)
        await hub.rest(COUNT_AFTER + 2.0)
        assert platform_writes(hub) == written

    async with hub.controller(resync=2.0):
        await hub.rest(2 * COUNT_AFTER)
        assert platform_writes(hub) == written
        job = await hub.until_job()
        await hub.complete(job)
        await until_builds(hub, 0, 0)


async def test_a_store_tells_what_namespaces_use_of_their_quotas_and_rests(hub: Hub, s3: S3Server) -> None:
    await give_secret(hub, s3.access_key, s3.secret_key)
    body = store(s3)
    body["spec"]["quotas"] = [{"namespaces": ["vision"], "storage": "200Gi"}]
    hub.world.bucket.quotas, hub.world.bucket.pushed["vision"] = {"vision": 200 * 1024**3}, 150 * 1024**3
    await hub.apply(body)
    async with hub.controller():
        told = await until_ready(hub, STORES, "main", "BucketReachable")
        writes = hub.writes[STORE_WRITE]
        await hub.rest(3.0)

    assert told["status"]["storage"] == [{"namespace": "vision", "used": "150Gi", "quota": "200Gi"}]
    assert hub.writes[STORE_WRITE] == writes


async def test_a_status_that_is_overwritten_is_written_again(hub: Hub) -> None:
    async with hub.controller():
        await until_builds(hub, 0, 0)
        await hub.kube.merge_patch(POOLS, "rtx", {"status": {"runningBuilds": 99}}, None, "status")
        await until_builds(hub, 0, 0)


async def test_kubectl_shows_what_a_pool_does_and_whether_a_store_answers(
    hub: Hub, s3: S3Server, plane: ControlPlane
) -> None:
    await hub.apply(store(s3))
    async with hub.controller():
        await until_builds(hub, 0, 0)
        await until_ready(hub, STORES, "main", "CredentialsInvalid")

    [header, row] = (await asyncio.to_thread(plane.kubectl, "get", "buildpools")).splitlines()
    assert header.split()[-7:] == ["READY", "REASON", "RUNNING", "QUEUED", "MAX", "BUILDS", "AGE"]
    assert row.split()[-6:-1] == ["True", "CanBuild", "0", "0", "1000"]
    [_, row] = (await asyncio.to_thread(plane.kubectl, "get", "enginestores")).splitlines()
    assert row.split()[:-1] == [
        "main",
        "engines",
        "ignition",
        "true",
        "False",
        "CredentialsInvalid",
        "Unknown",
    ]
    found = json.loads(await asyncio.to_thread(plane.kubectl, "get", "enginestore", "main", "-o", "json"))
    assert set(found["status"]) == {"observedGeneration", "conditions", "default"}
