"""
What the gateway grants besides a model of one file: bundles, calibration data, accuracy inputs, plugins.
"""

import hashlib
import urllib.error
from dataclasses import replace
from uuid import uuid4

import pytest

from gateway_harness import make_request, plan, published, read
from ignition_hub.engine.identity import Model, identity_of
from ignition_hub.engine.naming import engine_file_name
from ignition_hub.engine.request import BuildGrant
from ignition_hub.store.bundles import read_bundle

GATEWAY_FLAGS = (
    "--max-model-bytes",
    "1000",
)

pytestmark = pytest.mark.cluster


def put_bundle(hub, **files):
    """Put files into a folder of their own and return its URI."""
    folder = f"nlp/{uuid4().hex}/"
    for name, data in files.items():
        hub.models.put(folder + name.replace("__", "/").replace("_", "."), data)
    return f"s3://models/{folder}"


def bundle_request(hub, namespace, uri):
    plain = make_request(hub, namespace)
    model = Model("bert", "v1", read_bundle(hub.models, uri).fingerprint)
    inputs = replace(plain.inputs, model=model)
    return replace(
        plain,
        identity=identity_of(inputs),
        inputs=inputs,
        model_uri=uri,
        name=engine_file_name(inputs),
    )


def pinned_request(hub, namespace, *, options=None, verification=None):
    plain = make_request(hub, namespace)
    inputs = replace(plain.inputs, options=options or {}, verification=verification or {})
    return replace(
        plain,
        identity=identity_of(inputs),
        inputs=inputs,
        options=inputs.options,
        verification=inputs.verification,
    )


def put_file(hub, key, data):
    """Put a file and return a source that pins it."""
    hub.models.put(key, data)
    return {"uri": f"s3://models/{key}", "sha256": hashlib.sha256(data).hexdigest()}


def ask(hub, request):
    return hub.gateway.ask("GET", "/v1/builds/self", token=hub.builder(hub.job(request)))


def granted(hub, request):
    answer = ask(hub, request)
    assert answer.status == 200, answer.message
    return BuildGrant.from_json(answer.body)


def test_a_bundle_is_granted_whole(hub, team):
    uri = put_bundle(hub, bert_onnx=b"graph", weights_bin=b"weights", layers__0_bin=b"layer")
    grant = granted(hub, bundle_request(hub, team, uri))

    assert (read(grant.model_url), grant.model_size) == (b"graph", 5)
    assert {file.name: read(file.url) for file in grant.files} == {
        "weights.bin": b"weights",
        "layers/0.bin": b"layer",
    }
    assert {(file.role, file.size) for file in grant.files} == {("data", 7), ("data", 5)}


def status_of(url, etag=None):
    try:
        return 200 if read(url, etag) else None
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_url_reads_the_version_that_was_looked_at_and_no_other(hub, team):
    request = make_request(hub, team, model=b"first")
    key = request.model_uri.removeprefix("s3://models/")
    token = hub.builder(hub.job(request))

    grant = BuildGrant.from_json(hub.gateway.ask("GET", "/v1/builds/self?if-match=true", token=token).body)

    assert read(grant.model_url, grant.model_etag) == b"first"
    assert status_of(grant.model_url) == 403
    assert status_of(grant.model_url, "0" * 32) == 403
    hub.models.put(key, b"other")
    assert status_of(grant.model_url, grant.model_etag) == 412


def test_every_file_of_a_bundle_is_read_in_the_version_that_was_looked_at(hub, team):
    uri = put_bundle(hub, bert_onnx=b"graph", weights_bin=b"weights")
    token = hub.builder(hub.job(bundle_request(hub, team, uri)))

    grant = BuildGrant.from_json(hub.gateway.ask("GET", "/v1/builds/self?if-match=true", token=token).body)

    assert read(grant.model_url, grant.model_etag) == b"graph"
    assert [read(file.url, file.etag) for file in grant.files] == [b"weights"]
    assert [status_of(file.url) for file in grant.files] == [403]


def test_a_builder_that_sends_no_condition_is_granted_as_before(hub, team):
    token = hub.builder(hub.job(make_request(hub, team, model=b"model")))

    body = hub.gateway.ask("GET", "/v1/builds/self", token=token).body

    assert "model_etag" not in body
    assert read(body["model_url"]) == b"model"


def test_a_bundle_becomes_an_engine(hub, team):
    request = bundle_request(hub, team, put_bundle(hub, bert_onnx=b"graph", weights_bin=b"weights"))
    builder = hub.builder(hub.job(request))

    done = hub.complete(builder, hub.upload(builder, plan()))

    assert done.status == 200, done.message
    assert published(hub, request) is not None


@pytest.mark.parametrize("change", ["changed", "added", "removed"])
def test_a_bundle_with_another_file_is_not_the_one_that_was_asked_for(hub, team, change):
    uri = put_bundle(hub, bert_onnx=b"graph", weights_bin=b"weights")
    request = bundle_request(hub, team, uri)
    builder = hub.builder(hub.job(request))
    upload = hub.upload(builder, plan())
    key = uri.removeprefix("s3://models/")
    if change == "removed":
        hub.models.delete(f"{key}weights.bin")
    else:
        hub.models.put(key + ("weights.bin" if change == "changed" else "more.bin"), b"other")

    for answer in (ask_again(hub, builder), hub.complete(builder, upload)):
        assert (answer.status, answer.reason) == (422, "ModelDigestMismatch")
        assert f"{uri} changed after this build was requested" in answer.message
    assert published(hub, request) is None


def ask_again(hub, builder):
    return hub.gateway.ask("GET", "/v1/builds/self", token=builder)


def test_a_bundle_that_is_gone_or_has_no_model_is_said_so(hub, team):
    uri = put_bundle(hub, bert_onnx=b"graph")
    builder = hub.builder(hub.job(bundle_request(hub, team, uri)))
    key = uri.removeprefix("s3://models/")
    hub.models.delete(f"{key}bert.onnx")
    gone = ask_again(hub, builder)
    hub.models.put(f"{key}weights.bin", b"weights")
    headless = ask_again(hub, builder)

    assert (gone.status, gone.reason) == (404, "SourceNotFound")
    assert (headless.status, headless.reason) == (404, "SourceNotFound")
    assert "has no .onnx file, only weights.bin" in headless.message


def test_a_bundle_with_two_models_is_none(hub, team):
    uri = put_bundle(hub, bert_onnx=b"graph")
    builder = hub.builder(hub.job(bundle_request(hub, team, uri)))
    hub.models.put(f"{uri.removeprefix('s3://models/')}other.onnx", b"graph")
    answer = ask_again(hub, builder)

    assert (answer.status, answer.reason) == (422, "InvalidModel")
    assert "has 2 .onnx files: bert.onnx, other.onnx" in answer.message


def test_a_model_and_its_data_together_have_a_limit(hub, team):
    uri = put_bundle(hub, bert_onnx=b"g" * 500, weights_bin=b"w" * 501)
    answer = ask(hub, bundle_request(hub, team, uri))

    assert (answer.status, answer.reason) == (413, "ModelTooLarge")


def test_every_pinned_file_is_granted_with_its_digest(hub, team):
    samples = put_file(hub, "samples.npz", b"samples")
    inputs = put_file(hub, "inputs.npz", b"inputs")
    library = put_file(hub, "plugins/libattention.so", b"ELF")
    options = {"calibration": {"source": samples}, "plugins": [{"name": "attention", "source": library}]}
    verification = {"accuracy": {"inputs": {"source": inputs}}}

    grant = granted(hub, pinned_request(hub, team, options=options, verification=verification))

    assert [(file.role, file.name, read(file.url), file.sha256) for file in grant.files] == [
        ("calibration", "samples.npz", b"samples", samples["sha256"]),
        ("inputs", "inputs.npz", b"inputs", inputs["sha256"]),
        ("plugin", "attention", b"ELF", library["sha256"]),
    ]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("libattention.so", "may not load plugin libraries from s3://models/libattention.so"),
        ("plugins-of-mine/a.so", "it may load them from s3://models/plugins/"),
    ],
)
def test_a_plugin_library_comes_only_from_where_the_platform_team_says(hub, team, key, why):
    options = {"plugins": [{"name": "attention", "source": put_file(hub, key, b"ELF")}]}
    answer = ask(hub, pinned_request(hub, team, options=options))

    assert (answer.status, answer.reason) == (403, "SourceForbidden")
    assert answer.message.startswith("spec.options.plugins[attention].source: ")
    assert why in answer.message


def test_a_pushed_file_is_data_for_its_namespace_and_never_a_library(hub, team):
    key = f"ignition/models/{team}/{'9f' * 32}.onnx"
    hub.store.put(key, b"ELF")
    source = {"uri": f"s3://engines/{key}", "sha256": hashlib.sha256(b"ELF").hexdigest()}
    as_data = pinned_request(hub, team, options={"calibration": {"source": source}})
    as_code = pinned_request(hub, team, options={"plugins": [{"name": "a", "source": source}]})

    assert granted(hub, as_data).files[0].role == "calibration"
    assert ask(hub, as_code).reason == "SourceForbidden"


def test_a_file_of_another_namespace_is_not_granted(hub, team):
    key = f"ignition/models/somebody-else/{'9f' * 32}.onnx"
    hub.store.put(key, b"theirs")
    source = {"uri": f"s3://engines/{key}", "sha256": hashlib.sha256(b"theirs").hexdigest()}
    verification = {"accuracy": {"inputs": {"source": source}}}
    answer = ask(hub, pinned_request(hub, team, verification=verification))

    assert (answer.status, answer.reason) == (403, "SourceForbidden")
    assert answer.message.startswith("spec.verification.accuracy.inputs.source: ")


def test_a_file_that_is_not_there_is_named(hub, team):
    source = {"uri": "s3://models/nothing.npz", "sha256": "9f" * 32}
    answer = ask(hub, pinned_request(hub, team, options={"calibration": {"source": source}}))

    assert (answer.status, answer.reason) == (404, "SourceNotFound")
    assert "spec.options.calibration.source: s3://models/nothing.npz does not exist" in answer.message
