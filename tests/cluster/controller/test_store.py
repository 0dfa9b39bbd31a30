"""
A store that is away, misnamed or locked, and models it does not give: what an engine's status says of each.

The bucket is real and so is everything between it and the verdict; the API server is a dictionary.
"""

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fakeworld import make_engine, make_pool
from ignition_hub.controller.adapters.bucket import Buckets
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.public_keys import GatewayKeys
from ignition_hub.controller.observe import Observer
from ignition_hub.controller.policy.parsing import engine_snapshot
from ignition_hub.controller.policy.views import Trouble
from ignition_hub.engine.errors import Reason
from ignition_hub.store.objects import ObjectStore
from s3server import S3Server

pytestmark = pytest.mark.cluster

NOW = 1767225600.0


class FakeKube:
    """Knows one Secret."""

    def __init__(self, secret: dict[str, str] | None) -> None:
        self.secret = secret

    async def get(self, *_: Any) -> dict[str, Any] | None:
        if self.secret is None:
            return None
        return {
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in self.secret.items()}
        }


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server.start() as started:
        for bucket in ("engines", "models"):
            started.create_bucket(bucket)
        yield started


@pytest.fixture
def secret(s3: S3Server) -> dict[str, str]:
    return {"accessKey": s3.access_key, "secretKey": s3.secret_key}


def store(s3: S3Server, **changes: str) -> dict[str, Any]:
    """Return an EngineStore; keywords replace parts of ``spec.s3``."""
    bucket = {"endpoint": s3.endpoint, "bucket": "engines", "prefix": "ignition", **changes}
    return {
        "metadata": {"name": "default", "resourceVersion": "1"},
        "spec": {
            "s3": {**bucket, "credentialsSecretRef": {"name": "engine-store"}},
            "modelSources": [
                {"prefix": "s3://models/vision/", "namespaces": ["vision"]},
                {"prefix": "s3://nowhere/", "namespaces": ["vision"]},
            ],
        },
    }


async def trouble(
    a_store: dict[str, Any] | None,
    secret: dict[str, str] | None,
    uri: str = "s3://models/vision/resnet50.onnx",
) -> Trouble:
    """Observe an engine of namespace vision and return what its target is told."""
    async with observing(a_store, secret) as observer:
        body = make_engine(model={"name": "resnet50", "version": "v1", "source": {"uri": uri}})
        body["metadata"] |= {"generation": 1, "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
        engine = engine_snapshot({**body, "status": {"observedGeneration": -1}})
        [target] = (await observer.observe(engine)).targets
    assert target.trouble is not None
    assert target.manifest is None
    return target.trouble


@asynccontextmanager
async def observing(a_store: dict[str, Any] | None, secret: dict[str, str] | None) -> AsyncIterator[Observer]:
    kube: Any = FakeKube(secret)
    cluster = Cluster(kube, "ignition-hub-builds")
    cluster.pools.put(make_pool())
    if a_store is not None:
        cluster.stores.put(a_store)
    keys = GatewayKeys("https://gateway.invalid", None)
    buckets = Buckets(kube, cluster.stores, "ignition-hub", keys)
    try:
        yield Observer(cluster, buckets, now=lambda: NOW)
    finally:
        buckets.close()


async def test_a_store_that_is_down_is_named_and_waited_for(s3: S3Server, secret: dict[str, str]) -> None:
    told = await trouble(store(s3, endpoint="http://127.0.0.1:9"), secret)

    assert (told.reason, told.unknown) == (Reason.StoreUnavailable, True)
    assert told.message.startswith("http://127.0.0.1:9: ")
    assert told.message.endswith(": the request is retried")


async def test_a_missing_bucket_is_named_with_where_to_correct_it(
    s3: S3Server, secret: dict[str, str]
) -> None:
    told = await trouble(store(s3), secret, "s3://nowhere/resnet50.onnx")

    assert (told.reason, told.unknown) == (Reason.StoreMisconfigured, True)
    assert told.message.startswith(f"bucket nowhere at {s3.endpoint} does not exist: create it")


async def test_credentials_the_store_does_not_know_are_said_to_be_wrong(
    s3: S3Server, secret: dict[str, str]
) -> None:
    told = await trouble(store(s3), {**secret, "secretKey": "wrong"})

    assert (told.reason, told.unknown) == (Reason.StoreMisconfigured, True)
    assert f"bucket models at {s3.endpoint}" in told.message
    assert "credentials" in told.message
    assert told.message.endswith("in the Secret of the EngineStore")
    assert "wrong" not in told.message


async def test_a_secret_that_is_not_there_is_named(s3: S3Server) -> None:
    told = await trouble(store(s3), None)

    assert (told.reason, told.unknown) == (Reason.StoreMisconfigured, True)
    assert told.message.startswith("Secret engine-store of EngineStore default does not exist")


async def test_without_a_store_the_status_asks_for_one(secret: dict[str, str]) -> None:
    told = await trouble(None, secret)

    assert (told.reason, told.unknown) == (Reason.StoreMisconfigured, True)
    assert told.message == "no EngineStore exists: apply an EngineStore with the bucket"


async def test_a_model_that_is_not_there_is_said_to_be_missing(s3: S3Server, secret: dict[str, str]) -> None:
    told = await trouble(store(s3), secret)

    assert (told.reason, told.unknown) == (Reason.SourceNotFound, False)
    assert told.message.startswith("s3://models/vision/resnet50.onnx does not exist")


async def test_a_model_of_others_is_refused_with_what_may_be_read(
    s3: S3Server, secret: dict[str, str]
) -> None:
    told = await trouble(store(s3), secret, "s3://models/speech/whisper.onnx")

    assert (told.reason, told.unknown) == (Reason.SourceForbidden, False)
    assert "namespace vision may not read s3://models/speech/whisper.onnx" in told.message
    assert "it may read s3://models/vision/, s3://nowhere/" in told.message


@pytest.fixture
def models(s3: S3Server) -> Iterator[ObjectStore]:
    opened = ObjectStore(s3.settings(bucket="models"))
    yield opened
    opened.close()


BUNDLE = "s3://models/vision/vit/"


async def test_a_bundle_is_listed_and_its_size_is_that_of_all_its_files(
    s3: S3Server, secret: dict[str, str], models: ObjectStore
) -> None:
    models.put("vision/vit/vit.onnx", b"graph")
    models.put("vision/vit/weights/0.bin", b"weights")
    async with observing(store(s3), secret) as observer:
        facts = await (await observer._world.store()).model(BUNDLE)

    assert facts is not None
    assert facts.files is not None
    assert (facts.size, sorted(facts.files)) == (12, ["vit.onnx", "weights/0.bin"])


async def test_a_bundle_with_two_models_is_said_to_have_them(
    s3: S3Server, secret: dict[str, str], models: ObjectStore
) -> None:
    models.put("vision/two/a.onnx", b"graph")
    models.put("vision/two/b.onnx", b"graph")
    told = await trouble(store(s3), secret, "s3://models/vision/two/")

    assert told.reason is Reason.InvalidModel
    assert "has 2 .onnx files: a.onnx, b.onnx: keep one model per bundle" in told.message


async def test_a_bundle_that_is_not_there_is_said_to_be_missing(s3: S3Server, secret: dict[str, str]) -> None:
    told = await trouble(store(s3), secret, "s3://models/vision/nothing/")

    assert (told.reason, told.unknown) == (Reason.SourceNotFound, False)
    assert told.message.startswith("s3://models/vision/nothing/ does not exist")


async def test_a_whole_source_may_be_no_bundle_of_others(s3: S3Server, secret: dict[str, str]) -> None:
    told = await trouble(store(s3), secret, "s3://models/speech/")

    assert told.reason is Reason.SourceForbidden


async def test_what_a_namespace_pushed_is_what_lies_in_its_folder(
    s3: S3Server, secret: dict[str, str]
) -> None:
    a_store = store(s3)
    a_store["spec"]["quotas"] = [{"namespaces": ["vision"], "storage": "1Ki"}]
    settings = s3.settings(bucket="engines")
    objects = ObjectStore(settings)
    for key, size in (("vision/a.onnx", 700), ("vision/bundle/w.bin", 324), ("vision-too/b.onnx", 5000)):
        objects.put(f"ignition/models/{key}", b"x" * size)
    objects.close()
    kube: Any = FakeKube(secret)
    cluster = Cluster(kube, "ignition-hub-builds")
    cluster.stores.put(a_store)
    buckets = Buckets(kube, cluster.stores, "ignition-hub", GatewayKeys("https://gateway.invalid", None))
    try:
        opened = await buckets.store()
        assert (opened.quota("vision"), opened.quota("vision-too")) == (1024, None)
        assert await opened.pushed_bytes("vision") == 1024
        assert await opened.pushed_bytes("nobody") == 0
    finally:
        buckets.close()
