"""What must agree with an upload before anything is signed, and what is told of the store that keeps it."""

import asyncio
import contextlib
import hashlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fakekube import FakeKube
from fakeruntime import plan
from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.buckets.workers import Workers
from ignition_hub.controller.policy.store_status import Heard, Probe, store_status
from ignition_hub.engine.errors import TransientError
from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.engine.identity import Model, identity_of
from ignition_hub.engine.naming import StorePaths
from ignition_hub.engine.plan_header import PlanHeader
from ignition_hub.engine.protocol import Completion
from ignition_hub.engine.request import BuildRequest
from ignition_hub.engine.store_findings import StoreReason
from ignition_hub.gateway.artifacts.careful_publishing import CarefulPublishing
from ignition_hub.gateway.artifacts.publishing import Signer, complete, manifest_of
from ignition_hub.gateway.artifacts.store_watch import StoreWatch
from ignition_hub.gateway.artifacts.upload_check import (
    ObjectRejected,
    UploadRejected,
    check_facts,
    check_size,
    check_target,
    plan_header,
)
from ignition_hub.gateway.artifacts.uploads import abort_uploads
from ignition_hub.gateway.cluster import turns
from ignition_hub.gateway.cluster.callers import Build
from ignition_hub.gateway.process.metrics import Metrics
from ignition_hub.store import habits, request_questions
from ignition_hub.store.errors import AccessDenied
from ignition_hub.store.objects import ObjectStore, UnfinishedUpload
from ignition_hub.store.trust import SigningKey
from oddstore import odd_store
from storefixtures import SHA, make_facts, make_inputs

MODEL_URI = "s3://models/resnet50.onnx"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HEADER = PlanHeader("TensorRTRTX", "1.7.1.116", 100, ("sm_89",), 0)


def make_build(*, model_sha256=None, builder_image=None, inputs=None):
    inputs = inputs or make_inputs()
    request = BuildRequest(
        identity=identity_of(inputs),
        inputs=inputs,
        model_sha256=model_sha256,
        model_uri=MODEL_URI,
        source_size=9,
        options={},
        verification={},
        timeout_seconds=60,
        low_memory=False,
        name="x.trt",
        namespace="vision",
        engine_resource="resnet50",
    )
    return Build(request, "job", "uid", builder_image, rebuild=False)


def test_the_header_that_was_asked_for_passes():
    check_target(HEADER, make_inputs())
    check_size(HEADER, 100)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            HEADER._replace(flavor="TensorRT"),
            "was built with TensorRT 1.7.1.116; TensorRTRTX 1.7.1.116 was requested",
        ),
        (HEADER._replace(version="1.7.2.116"), "was built with TensorRTRTX 1.7.2.116"),
        (HEADER._replace(capabilities=()), "contains code for no architecture"),
        (HEADER._replace(capabilities=("sm_86", "sm_89")), "contains code for sm_86, sm_89"),
        (HEADER._replace(ultralytics_prefix=8), "preceded by metadata"),
    ],
)
def test_another_header_is_rejected_with_what_was_found(header, words):
    with pytest.raises(ObjectRejected) as refused:
        check_target(header, make_inputs())

    assert words in refused.value.message


def test_a_plan_that_was_cut_off_is_rejected_with_both_sizes():
    with pytest.raises(ObjectRejected, match="plan's header says 100 bytes; the object has 99"):
        check_size(HEADER, 99)


@pytest.mark.parametrize("content", [b"", b"vtrt"], ids=["empty", "cut"])
def test_an_object_without_a_header_is_rejected_and_not_blamed_on_the_store(content):
    with odd_store() as server, contextlib.closing(ObjectStore(server.settings())) as store:
        server.objects["engines", "e"] = content
        with pytest.raises(ObjectRejected, match=f"{len(content)} bytes are fewer than a header has"):
            plan_header(OpenStore(store, {}, store.settings), "e")


def test_a_tensorrt_plan_says_nothing_about_architectures():
    inputs = make_inputs(flavor="TensorRT", tensorrt_version="10.13.2.6")

    check_target(PlanHeader("TensorRT", "10.13.2.6", 7, (), 0), inputs)


def test_an_account_of_another_tensorrt_is_rejected():
    with pytest.raises(UploadRejected, match=r"built with TensorRTRTX 1\.6\.0\.1"):
        check_facts(make_build(), make_facts(tensorrt_version="1.6.0.1"))


def test_a_pinned_model_must_be_the_one_that_was_built_from():
    check_facts(make_build(model_sha256="cd" * 32), make_facts())
    with pytest.raises(UploadRejected, match="is pinned"):
        check_facts(make_build(model_sha256="ab" * 32), make_facts())


def test_the_manifest_names_the_image_the_kubelet_saw_not_the_one_the_builder_claims():
    build = make_build(builder_image="registry.example.com/builder@sha256:1234")
    paths = StorePaths("ignition", build.request.inputs, build.request.identity)
    facts = make_facts(builder_image="registry.example.com/lie@sha256:0000")
    upload = Completion("u", paths.engine(SHA), SHA, 3, ("e",), facts, "")

    manifest = manifest_of(build, upload, paths, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))

    assert manifest.build.builder_image == "registry.example.com/builder@sha256:1234"
    assert manifest.built_at == "2026-01-02T03:04:05Z"
    assert manifest.inputs.model.fingerprint == fingerprint("s3://models/resnet50.onnx", etag="e1", size=9)


class Objects:
    """Unfinished uploads of one folder, in no order."""

    def __init__(self, *ages, refuses=False):
        self.uploads = [UnfinishedUpload("folder/x", str(age), NOON - timedelta(seconds=age)) for age in ages]
        self.refuses, self.aborted = refuses, []

    def unfinished_uploads(self, prefix):
        assert prefix == "folder/"
        if self.refuses:
            raise AccessDenied("the bucket does not permit list_multipart_uploads with these credentials")
        return self.uploads

    def abort_upload(self, key, upload_id):
        assert key == "folder/x"
        self.aborted.append(upload_id)


def aborted(objects, keep):
    abort_uploads(SimpleNamespace(objects=objects), "folder", keep=keep)
    return objects.aborted


def test_the_latest_uploads_stay():
    assert aborted(Objects(5, 1, 9), keep=1) == ["9", "5"]
    assert aborted(Objects(5), keep=1) == []
    assert aborted(Objects(), keep=1) == []
    assert aborted(Objects(5, 1), keep=0) == ["5", "1"]


def test_a_store_that_lists_no_uploads_stops_no_build(caplog):
    assert aborted(Objects(5, refuses=True), keep=0) == []

    assert "unfinished uploads of folder cannot be aborted" in caplog.text


@pytest.fixture
def impatient(monkeypatch):
    """Turns that are asked for often, and waited for shortly."""
    monkeypatch.setattr(turns, "PAUSE", 0.01)
    monkeypatch.setattr(turns, "PATIENCE", 0.2)
    return FakeKube()


def replica(kube):
    return turns.Turns(kube, "ignition-hub", turns.PUBLISH, "another engine is being published")


def test_the_turns_of_replicas_never_overlap(impatient, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 10)
    seen = []

    async def publication(one, name):
        async with one.one():
            seen.append(f"{name} begins")
            await asyncio.sleep(0.02)
            seen.append(f"{name} ends")

    async def all_of_them():
        replicas = [replica(impatient) for _ in range(3)]
        await asyncio.gather(*(publication(replicas[n % 3], str(n)) for n in range(6)))

    asyncio.run(all_of_them())

    assert [line.split()[1] for line in seen] == ["begins", "ends"] * 6
    assert [line[0] for line in seen[::2]] == [line[0] for line in seen[1::2]]


def test_a_turn_that_lasts_is_renewed_and_one_that_was_cut_off_gives_way(impatient, monkeypatch):
    monkeypatch.setattr(turns, "SECONDS", 0.3)

    async def story():
        async with replica(impatient).one():
            await asyncio.sleep(0.5)
            with pytest.raises(TransientError, match="another engine is being published"):
                async with replica(impatient).one():
                    pass
        await replica(impatient).renew("cut off")
        monkeypatch.setattr(turns, "PATIENCE", 10)
        async with replica(impatient).one():
            pass

    asyncio.run(story())


async def returned(value):
    return value


def store_told(status):
    condition = {"type": "ConditionalWrites", "status": status, "observedGeneration": 2}
    return {"metadata": {"generation": 2}, "status": {"conditions": [condition]}}


@pytest.mark.parametrize(
    ("oddities", "told", "writes"),
    [({}, "True", 0), ({}, "Unknown", 0), ({"completes_over": True}, "True", 2), ({}, "False", 2)],
    ids=["atomic", "not known", "not", "not for another gateway"],
)
def test_publications_take_turns_where_the_store_keeps_no_two_writers_apart(
    impatient, monkeypatch, oddities, told, writes
):
    monkeypatch.setattr(request_questions, "ROUNDS", 1)

    async def story(store, workers):
        publishing = CarefulPublishing(
            None, replica(impatient), workers, lambda: returned([store_told(told)])
        )
        paths = StorePaths("ignition", make_inputs(), identity_of(make_inputs()))
        upload = Completion("u", f"{paths.engine(SHA)}x", SHA, 3, ("e",), make_facts(), "")
        with pytest.raises(UploadRejected, match="may not write to key"):
            await publishing.complete(OpenStore(store, {}, store.settings), make_build(), upload)

    with odd_store(**oddities) as server, contextlib.closing(ObjectStore(server.settings())) as store:
        workers = Workers(name="engine", threads=1, waiting=4, deadline=60)
        asyncio.run(story(store, workers))
        workers.close()

    assert len(impatient.writes) == writes


def test_publications_take_turns_while_a_server_is_too_busy_to_be_asked_what_it_does(monkeypatch):
    monkeypatch.setattr(habits, "TRIES", 1)

    async def story(store, workers):
        publishing = CarefulPublishing(None, None, workers, lambda: returned([store_told("True")]))
        found = [await publishing._is_conditional(store)]
        asked = len(server.asked)
        found.append(await publishing._is_conditional(store))
        return found, len(server.asked) - asked

    def busy(method, key):
        return 503 if key.endswith("/new") else None

    with odd_store(fails=busy) as server, contextlib.closing(ObjectStore(server.settings())) as store:
        workers = Workers(name="engine", threads=1, waiting=4, deadline=60)
        assert asyncio.run(story(store, workers)) == ([False, False], 0)
        workers.close()


def test_a_publication_looks_once_whether_its_engine_is_there():
    data, model = plan("TensorRTRTX", "1.7.1.116", body=b"kernels"), b"model"
    of_model = fingerprint(MODEL_URI, etag=hashlib.md5(model).hexdigest(), size=len(model))
    inputs = make_inputs(model=Model("resnet50", "v1", of_model))
    sha = hashlib.sha256(data).hexdigest()
    key = StorePaths("ignition", inputs, identity_of(inputs)).engine(sha)
    signing = SigningKey(Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
    with odd_store() as server, contextlib.closing(ObjectStore(server.settings())) as store:
        server.buckets.add("models")
        server.objects["models", "resnet50.onnx"] = model
        upload_id = store.start_upload(key)
        etags = (store.put_part(key, upload_id, 1, data),)
        upload = Completion(upload_id, key, sha, len(data), etags, make_facts())
        signer = Signer(signing, {signing.keyid: signing.public})
        server.asked.clear()

        done = complete(OpenStore(store, {}, store.settings), signer, make_build(inputs=inputs), upload)

    assert done.is_new
    assert [method for method, asked in server.asked if asked == key] == ["HEAD", "POST", "GET", "GET"]


@contextlib.contextmanager
def watching(server, **settings):
    """Watch a server as a gateway does whose EngineStore has these settings."""
    workers = Workers(name="store", threads=4, waiting=4, deadline=60)
    with contextlib.closing(ObjectStore(server.settings(**settings))) as store:
        opened = OpenStore(store, {}, store.settings)
        stores = SimpleNamespace(current=lambda: returned(opened))
        publishing = CarefulPublishing(None, None, workers, None)
        yield StoreWatch(stores, publishing, workers, Metrics())
    workers.close()


def conditions_of(watch):
    """Return what the status says after a look: status and reason of Ready and of ConditionalWrites."""
    asyncio.run(watch.look())
    place = watch.findings.place
    s3 = {"endpoint": place.endpoint, "bucket": place.bucket}
    body = {"metadata": {"name": "main", "generation": 1}, "spec": {"s3": s3}}
    reads = Probe(StoreReason.BUCKET_REACHABLE)
    status = store_status(body, reads, default="main", now="", heard=Heard((watch.findings,)))
    return {one["type"]: (one["status"], one["reason"], one["message"]) for one in status["conditions"]}


@pytest.mark.parametrize(
    ("oddities", "ready", "writes", "seen"),
    [
        ({}, "BucketReachable", "ConditionsHonoured", "Writes that overlap"),
        ({"literal_if_match": True}, "BucketReachable", "ConditionsHonoured", "PutObject, If-Match"),
        (
            {"ignores_conditions": True},
            "BucketReachable",
            "ConditionsNotHonoured",
            "PutObject, If-None-Match: ignored: a second write replaced the first",
        ),
        (
            {"completes_over": True},
            "BucketReachable",
            "ConditionsNotHonoured",
            "CompleteMultipartUpload, If-None-Match: ignored: a second upload replaced the first",
        ),
        ({"matches_nothing": True}, "BucketReachable", "ConditionsNotHonoured", "which is its ETag"),
        (
            {"pause": lambda key, data: 0.05},
            "BucketReachable",
            "ConditionsNotHonoured",
            "not atomic: of 4 writers 4 were told that they wrote",
        ),
        ({"lists_etags": False}, "BucketRefuses", "NotProbed", "without its ETag"),
        ({"aborts_objects": True}, "BucketRefuses", "NotProbed", "engines that are published would go"),
        (
            {"lacks_conditions": True},
            "BucketRefuses",
            "NotProbed",
            "does not implement all of PutObject, such as conditional writes: A header",
        ),
        ({"refuses_signed_urls": True}, "SignedUrlsRefused", "ConditionsHonoured", ""),
        ({"region": "garage"}, "RegionMistaken", "NotProbed", "set spec.s3.region to garage"),
        ({"read_only": True}, "AccessDenied", "NotProbed", "does not permit PutObject"),
        (
            {"refusal": (403, "SignatureDoesNotMatch", "")},
            "AccessDenied",
            "NotProbed",
            "rejected the credentials",
        ),
        ({"refusal": (404, "NoSuchBucket", "")}, "BucketNotFound", "NotProbed", "does not exist"),
    ],
    ids=lambda each: "-".join(each) or "none" if isinstance(each, dict) else "",
)
def test_each_habit_of_a_server_is_told_by_the_conditions_of_its_store(
    oddities, ready, writes, seen, monkeypatch
):
    monkeypatch.setattr(request_questions, "ROUNDS", 1)
    with odd_store(**oddities) as server, watching(server) as watch:
        told = conditions_of(watch)

    assert told["Ready"][:2] == ("True" if ready == "BucketReachable" else "False", ready)
    statuses = {"ConditionsHonoured": "True", "ConditionsNotHonoured": "False", "NotProbed": "Unknown"}
    assert told["ConditionalWrites"][:2] == (statuses[writes], writes)
    assert seen in told["ConditionalWrites"][2]
    assert "GetObject without a signature: answered" in told["Ready"][2] or ready != "BucketReachable"


def test_a_store_that_goes_away_is_not_ready_and_what_its_server_was_found_to_do_stands(monkeypatch):
    monkeypatch.setattr(request_questions, "ROUNDS", 1)
    with odd_store() as server, watching(server) as watch:
        before = conditions_of(watch)
        server.oddities.refusal = (403, "AccessDenied", "closed")
        after = conditions_of(watch)

    assert (before["Ready"][0], after["Ready"][:2]) == ("True", ("False", "AccessDenied"))
    assert after["ConditionalWrites"] == before["ConditionalWrites"]


def test_what_a_busy_server_answers_is_not_remembered_as_its_habit(monkeypatch):
    monkeypatch.setattr(request_questions, "ROUNDS", 1)
    monkeypatch.setattr(habits, "TRIES", 1)
    with odd_store() as server, watching(server) as watch:
        server.oddities.fails = lambda method, key: 503 if (method, key[-7:]) == ("PUT", "/signed") else None
        busy = conditions_of(watch)
        server.oddities.fails = None
        later = conditions_of(watch)

    assert busy["Ready"][:2] == ("False", "BucketUnreachable")
    assert "answered 503 to a URL that was signed" in busy["Ready"][2]
    assert (later["Ready"][0], later["ConditionalWrites"][0]) == ("True", "True")
