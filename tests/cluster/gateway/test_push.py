"""
Models that people push through the gateway, and the bound on every model: a real process, API server and S3.
"""

import gzip
import hashlib
from dataclasses import replace

import pytest

from gateway_harness import BUNDLE, allow_push, make_request, push, push_part, read
from gatewayprocess import running_gateway
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.request import BuildGrant
from ignition_hub.store.bundles import read_bundle

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def narrow_hub(hub, control_plane, tmp_path_factory):
    folder = tmp_path_factory.mktemp("narrow")
    with running_gateway(control_plane.kubeconfig, folder, "--max-model-bytes=1000") as gateway:
        yield replace(hub, gateway=gateway)


def test_a_pushed_model_lies_in_its_namespaces_folder(hub, team):
    allow_push(hub, team)
    data = b"onnx" * (6 * 1024 * 1024)  # two parts

    answers = [push(hub, team, data), push(hub, team, data)]

    sha256 = hashlib.sha256(data).hexdigest()
    key = f"ignition/models/{team}/{sha256}.onnx"
    assert [a.status for a in answers] == [200, 200], answers
    assert answers[0].body == {"uri": f"s3://engines/{key}", "sha256": sha256, "size": len(data)}
    assert hub.store.digest(key) == (sha256, len(data))


@pytest.mark.parametrize("is_bundle", [False, True])
def test_a_model_that_is_pushed_again_counts_as_used_from_now_and_leaves_no_upload(hub, team, is_bundle):
    allow_push(hub, team)

    def again():
        return push_part(hub, team, "vit.onnx", b"graph") if is_bundle else push(hub, team, b"graph")

    uri = again().body["bundle" if is_bundle else "uri"]
    unused = uri.removeprefix("s3://engines/").rstrip("/").removesuffix(".onnx") + ".unused"
    hub.store.put(unused, b"")

    assert again().status == 200
    assert hub.store.head(unused) is None
    assert list(hub.store.every_upload(f"ignition/models/{team}/")) == []


def test_a_push_that_is_not_what_it_announces_leaves_nothing(hub, team):
    allow_push(hub, team)

    answer = push(hub, team, b"onnx", sha256="ab" * 32)

    assert (answer.status, answer.reason) == (422, "ModelDigestMismatch")
    assert hub.store.head(f"ignition/models/{team}/{'ab' * 32}.onnx") is None


def test_a_compressed_model_is_refused_and_leaves_nothing(hub, team):
    allow_push(hub, team)
    packed = gzip.compress(b"onnx" * 1024)
    sha256 = hashlib.sha256(packed).hexdigest()
    headers = {"X-Content-SHA256": sha256, "Content-Encoding": "gzip"}

    answer = hub.gateway.ask("POST", "/v1/models", packed, token=hub.token(team), headers=headers)

    assert (answer.status, answer.reason) == (400, "InvalidRequest")
    assert answer.message.startswith("Content-Encoding: 'gzip' is not accepted")
    assert hub.store.listed(f"ignition/models/{team}/", most=1) == []


def test_a_pushed_bundle_lies_in_its_namespaces_folder_and_can_be_built_from(hub, team):
    allow_push(hub, team)
    parts = {"layers/0 ä.bin": b"layer", "weights.bin": b"weights", "vit.onnx": b"graph"}

    answers = [push_part(hub, team, name, data) for name, data in parts.items()]

    folder = f"ignition/models/{team}/{BUNDLE}/"
    assert [answer.status for answer in answers] == [200] * 3, answers
    assert {answer.body["bundle"] for answer in answers} == {f"s3://engines/{folder}"}
    assert answers[1].body["uri"] == f"s3://engines/{folder}weights.bin"
    bundle = read_bundle(hub.store, f"s3://engines/{folder}")
    assert (bundle.model.name, [name for name, _ in bundle.data()]) == (
        "vit.onnx",
        ["layers/0 ä.bin", "weights.bin"],
    )
    plain = make_request(hub, team)
    inputs = replace(plain.inputs, model=replace(plain.inputs.model, fingerprint=bundle.fingerprint))
    request = replace(plain, identity=identity_of(inputs), inputs=inputs, model_uri=f"s3://engines/{folder}")
    builder = hub.builder(hub.job(request))
    grant = BuildGrant.from_json(hub.gateway.ask("GET", "/v1/builds/self", token=builder).body)
    assert {file.name: read(file.url) for file in grant.files} == {
        "layers/0 ä.bin": b"layer",
        "weights.bin": b"weights",
    }


def test_a_bundle_that_is_pushed_again_is_the_same_and_no_file_of_it_is_ever_replaced(hub, team):
    allow_push(hub, team)
    again = [push_part(hub, team, "weights.bin", b"weights") for _ in range(2)]
    other = push_part(hub, team, "weights.bin", b"WEIGHTS")

    assert [answer.status for answer in again] == [200, 200]
    assert (other.status, other.reason) == (422, "ModelDigestMismatch")
    assert hub.store.get(f"ignition/models/{team}/{BUNDLE}/weights.bin", 100) == b"weights"


@pytest.mark.parametrize("name", ["", "../escape", "/etc/passwd", "a//b", "a/./b", "a\\b", "a\nb", "x" * 513])
def test_a_file_of_a_bundle_has_a_plain_name(hub, team, name):
    allow_push(hub, team)
    answer = push_part(hub, team, name, b"weights")

    assert (answer.status, answer.reason) == (400, "InvalidRequest")
    assert answer.message.startswith("X-Name: ")


def test_a_bundle_has_a_digest(hub, team):
    allow_push(hub, team)
    answer = push_part(hub, team, "weights.bin", b"weights", bundle="../others")

    assert answer.status == 400
    assert answer.message.startswith("X-Bundle: ")


def test_the_size_of_a_bundle_is_a_number(hub, team):
    allow_push(hub, team)
    answer = push_part(hub, team, "weights.bin", b"weights", size="1e3")

    assert answer.status == 400
    assert answer.message.startswith("X-Bundle-Size: ")


def test_a_push_needs_the_right_to_create_engines(hub, team):
    answer = push(hub, team, b"onnx")

    assert (answer.status, answer.reason) == (403, "NotPermitted")
    assert f"in namespace {team}" in answer.message


def test_a_push_above_the_bound_is_refused_before_it_is_read(narrow_hub, team):
    allow_push(narrow_hub, team)
    data = b"o" * 1001

    answer = push(narrow_hub, team, data)

    assert (answer.status, answer.reason) == (413, "ModelTooLarge")
    assert answer.message.startswith("the model has 1001 bytes; at most 1000 are accepted: ")
    assert "--max-model-bytes" in answer.message
    assert narrow_hub.store.head(f"ignition/models/{team}/{hashlib.sha256(data).hexdigest()}.onnx") is None


def test_a_model_above_the_bound_is_granted_to_no_builder(narrow_hub, team):
    job = narrow_hub.job(make_request(narrow_hub, team, model=b"o" * 1001))

    answer = narrow_hub.gateway.ask("GET", "/v1/builds/self", token=narrow_hub.builder(job))

    assert (answer.status, answer.reason) == (413, "ModelTooLarge")
    assert answer.message.startswith("the model has 1001 bytes; at most 1000 are accepted: ")
