"""
The timing cache through the gateway: whose it is, and that the store itself refuses a write that lost.
"""

import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from gateway_harness import BUILDS, make_request, read
from ignition_hub.engine.identity import Model, identity_of
from ignition_hub.engine.timing_cache import MOST_BYTES

pytestmark = pytest.mark.cluster

PATH = "/v1/builds/self/timing-cache"
RELEASE = "10.13.2.6"
WHERE = f"ignition/timing-caches/NVIDIA-L4/{RELEASE}"
FILE = "linux-x86_64-cuda12.9.cache"


def changed(request, *, mode="ReadWrite", **inputs):
    inputs = replace(request.inputs, **{"flavor": "TensorRT", "tensorrt_version": RELEASE, **inputs})
    return replace(request, inputs=inputs, identity=identity_of(inputs), timing_cache=mode)


def own_request(hub, team, **changes):
    """A request for a model that only its namespace may read."""
    request = make_request(hub, team)
    key = f"ignition/models/{team}/{'ab' * 32}.onnx"
    hub.store.put(key, b"onnx")
    return changed(replace(request, model_uri=f"s3://engines/{key}"), **changes)


def ask(hub, token, cuda="12.9"):
    return hub.gateway.ask("POST", PATH, {"cuda": cuda}, token=token)


def ask_to_write(hub, token, size, etag=None, cuda="12.9"):
    body = {"cuda": cuda, "size": size, "etag": etag}
    return hub.gateway.ask("POST", f"{PATH}/upload", body, token=token)


def put(link, data, **headers):
    """Do the PUT as granted, with ``headers`` in place of what was granted; return the status."""
    sent = {**link.body["headers"], "Content-Type": "application/octet-stream", **headers}
    sent = {name: value for name, value in sent.items() if value is not None}
    request = urllib.request.Request(link.body["url"], data=data, method="PUT", headers=sent)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def builder_of(hub, request):
    return hub.builder(hub.job(request))


def test_what_one_build_leaves_the_next_one_reads(hub, team):
    first = builder_of(hub, own_request(hub, team))
    nothing = ask(hub, first)
    written = put(ask_to_write(hub, first, 4), b"time")
    second = builder_of(hub, own_request(hub, team, precision="int8"))
    found = ask(hub, second)

    key = f"{WHERE}/namespaces/{team}/{FILE}"
    assert (nothing.status, nothing.body) == (200, {"key": key, "url": None, "etag": None, "size": None})
    assert written == 200
    assert (found.body["key"], found.body["size"]) == (key, 4)
    assert read(found.body["url"]) == b"time"
    assert found.body["etag"] == hub.store.head(key).etag


def test_of_two_first_writers_the_store_takes_one(hub, team):
    builder = builder_of(hub, own_request(hub, team))
    links = ask_to_write(hub, builder, 3), ask_to_write(hub, builder, 5)

    assert [put(links[0], b"one"), put(links[1], b"other")] == [200, 412]
    assert read(ask(hub, builder).body["url"]) == b"one"


def test_a_version_that_was_replaced_is_not_written_over(hub, team):
    builder = builder_of(hub, own_request(hub, team))
    put(ask_to_write(hub, builder, 3), b"one")
    seen = ask(hub, builder).body["etag"]
    links = ask_to_write(hub, builder, 3, seen), ask_to_write(hub, builder, 5, seen)

    assert [put(links[0], b"two"), put(links[1], b"other")] == [200, 412]
    assert read(ask(hub, builder).body["url"]) == b"two"


@pytest.mark.parametrize("wrong", [{"If-None-Match": None}, {"If-None-Match": "x"}])
def test_the_condition_cannot_be_left_out_of_a_first_write(hub, team, wrong):
    builder = builder_of(hub, own_request(hub, team))

    assert put(ask_to_write(hub, builder, 3), b"one", **wrong) == 403
    assert ask(hub, builder).body["url"] is None


@pytest.mark.parametrize("wrong", [{"If-Match": None}, {"If-Match": '"x"'}])
def test_the_condition_cannot_be_left_out_of_a_later_write(hub, team, wrong):
    builder = builder_of(hub, own_request(hub, team))
    put(ask_to_write(hub, builder, 3), b"one")
    link = ask_to_write(hub, builder, 5, ask(hub, builder).body["etag"])

    assert put(link, b"other", **wrong) == 403
    assert read(ask(hub, builder).body["url"]) == b"one"


def test_the_size_that_was_granted_is_the_size_that_is_written(hub, team):
    builder = builder_of(hub, own_request(hub, team))

    assert put(ask_to_write(hub, builder, 3), b"much more", **{"Content-Length": "9"}) == 403
    assert ask(hub, builder).body["url"] is None


def test_the_product_is_the_node_of_the_token(hub, team):
    request = own_request(hub, team)
    job = hub.job(request)
    name, uid = job["metadata"]["name"], job["metadata"]["uid"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": True}
    labels = {"batch.kubernetes.io/job-name": name}
    account = "ignition-builder"

    def key_on(node):
        pod = hub.pod(BUILDS, node=node, account=account, labels=labels, ownerReferences=[owner])
        answer = ask(hub, hub.token(BUILDS, account, pod=pod))
        return answer.body.get("key") or answer.message

    assert "/NVIDIA-A10/" in key_on("gpu-a10")
    assert "node cpu-only: no label tells its GPU" in key_on("cpu-only")


def test_models_that_others_may_read_too_share_no_cache(hub, team):
    plain, model = make_request(hub, team), Model("resnet50", "v1", "sha256:" + "ab" * 32)
    shared = ask(hub, builder_of(hub, changed(plain))).body["key"]
    another = ask(hub, builder_of(hub, changed(make_request(hub, team)))).body["key"]
    again = ask(hub, builder_of(hub, changed(plain, precision="int8"))).body["key"]
    pinned = ask(hub, builder_of(hub, own_request(hub, team, model=model))).body["key"]

    assert all(key.startswith(f"{WHERE}/models/") for key in (shared, another, again, pinned))
    assert again == shared
    assert len({shared, another, pinned}) == 3


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"flavor": "TensorRTRTX", "tensorrt_version": "1.7.1.116"}, 422, "UnsupportedOption"),
        ({"mode": "Off"}, 403, "NotPermitted"),
    ],
)
def test_who_has_no_timing_cache_is_told_so(hub, team, changes, status, reason):
    builder = builder_of(hub, own_request(hub, team, **changes))

    for answer in (ask(hub, builder), ask_to_write(hub, builder, 3)):
        assert (answer.status, answer.reason) == (status, reason)


@pytest.mark.parametrize("mode", ["ReadOnly", "Locked"])
def test_who_only_reads_is_given_no_place_to_write(hub, team, mode):
    builder = builder_of(hub, own_request(hub, team, mode=mode))
    answer = ask_to_write(hub, builder, 3)

    assert ask(hub, builder).status == 200
    assert (answer.status, answer.reason) == (403, "NotPermitted")
    assert f"build.timingCache is {mode}" in answer.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"cuda": "../../12"}, "cuda: '../../12' cannot be part of"),
        ({"cuda": "12.9 "}, "cuda: '12.9 ' cannot be part of"),
        ({"size": 0}, "size: 0 is out of range"),
        ({"size": MOST_BYTES + 1}, f"size: {MOST_BYTES + 1} is out of range"),
        ({"etag": 'a"\r\nb'}, "invalid ETag "),
    ],
)
def test_what_a_builder_says_wrongly_is_refused_by_field(hub, team, body, words):
    builder = builder_of(hub, own_request(hub, team))
    body = {"cuda": "12.9", "size": 3, "etag": None, **body}
    answer = hub.gateway.ask("POST", f"{PATH}/upload", body, token=builder)

    assert (answer.status, answer.reason) == (400, "InvalidRequest")
    assert words in answer.message


def test_a_product_that_a_builder_names_is_not_listened_to(hub, team):
    builder = builder_of(hub, own_request(hub, team))
    body = {"cuda": "12.9", "size": 3, "etag": None}
    named = hub.gateway.ask("POST", f"{PATH}/upload", {**body, "product": "NVIDIA-A10"}, token=builder)
    own = hub.gateway.ask("POST", f"{PATH}/upload", body, token=builder)

    assert (named.status, own.status) == (200, 200)
    assert named.body["url"].partition("?")[0] == own.body["url"].partition("?")[0]


def test_who_is_no_builder_gets_nothing(hub, team):
    answer = ask(hub, hub.token(team, pod=hub.pod(team)))

    assert (answer.status, answer.reason) == (403, "NotPermitted")
