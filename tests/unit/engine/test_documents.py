"""Requests, grants and manifests cross process borders as JSON."""

import json
from dataclasses import replace

import pytest

from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.identity import EngineInputs, Model, identity_of
from ignition_hub.engine.manifest import BuildFacts, EngineFile, Manifest
from ignition_hub.engine.naming import engine_file_name
from ignition_hub.engine.request import BuildGrant, BuildRequest, GrantedFile

INPUTS = EngineInputs(
    model=Model("resnet50", "v1", "sha256:" + "9f" * 32),
    precision="fp16",
    profiles=(),
    flavor="TensorRTRTX",
    tensorrt_version="1.7.1.116",
    platform="linux-x86_64",
    gpu_arch="sm_86",
    product=None,
    compatibility="SameComputeCapability",
    options={"optimizationLevel": 3},
    verification={},
)
REQUEST = BuildRequest(
    identity=identity_of(INPUTS),
    inputs=INPUTS,
    model_sha256="9f" * 32,
    model_uri="s3://models/resnet50.onnx",
    source_size=None,
    options={"optimizationLevel": 3},
    verification={},
    timeout_seconds=7200,
    low_memory=False,
    name=engine_file_name(INPUTS),
    namespace="vision",
    engine_resource="resnet50",
)
GRANT = BuildGrant(
    REQUEST,
    "https://s3.example.com/models/resnet50.onnx?X-Amz-Signature=0",
    97,
    1 << 33,
    (GrantedFile("data", "weights/a.bin", "https://s3.example.com/models/a?X-Amz-Signature=0", 12),),
)
FACTS = BuildFacts(
    flavor="TensorRTRTX",
    tensorrt_version="1.7.1.116",
    model={"sha256": "9f" * 32, "inputs": [{"name": "data", "dtype": "float32", "shape": [1, 3, 224, 224]}]},
    tf32={"asked": False, "in_force": False},
    seconds=0.8,
    warnings=({"code": "Int64Clamped", "count": 2},),
    flags=("STRONGLY_TYPED",),
    peak_memory_bytes=1 << 29,
    checked="model",
)
MANIFEST = Manifest(
    identity=identity_of(INPUTS),
    inputs=INPUTS,
    engine=EngineFile("ignition/engines/resnet50/x/y/z.trt", "ab" * 32, 133740),
    provenance_key="ignition/engines/resnet50/x/y/z.trt.intoto.json",
    built_at="2026-08-01T12:00:00Z",
    build=FACTS,
)
LATER = {
    BuildRequest: {"timing_cache"},
    BuildGrant: {"files", "model_etag"},
    GrantedFile: {"etag"},
    BuildFacts: {"typing", "settings", "engine_io", "plugins", "timing_cache", "environment"},
}
"""Fields that the first release did not write."""


@pytest.mark.parametrize("document", [REQUEST, GRANT, GRANT.files[0], FACTS, MANIFEST, MANIFEST.engine])
def test_a_document_survives_json(document):
    sent = canonical_json(document.to_json())

    assert type(document).from_json(json.loads(sent)) == document


@pytest.mark.parametrize("document", [REQUEST, GRANT, GRANT.files[0], FACTS, MANIFEST, MANIFEST.engine])
def test_a_missing_field_is_named(document):
    kind, fields = type(document), document.to_json()

    for name in fields.keys() - LATER.get(kind, set()):
        with pytest.raises(ContractError, match=rf"{kind.__name__}\.{name}: missing"):
            kind.from_json({other: value for other, value in fields.items() if other != name})


@pytest.mark.parametrize("document", [REQUEST, FACTS, replace(GRANT, files=())])
def test_a_document_of_the_first_release_stays_readable(document):
    kind, written = type(document), document.to_json()
    earlier = {name: value for name, value in written.items() if name not in LATER[kind]}

    assert kind.from_json(earlier) == document


@pytest.mark.parametrize(
    ("kind", "fields", "named"),
    [
        (BuildRequest, {"timing_cache": "Maybe"}, r"BuildRequest\.timing_cache: 'Maybe' is not known"),
        (BuildGrant, {"files": [{}]}, r"BuildGrant\.files\[0\]: GrantedFile\.role: missing"),
        (BuildRequest, {"timeout_seconds": True}, r"BuildRequest\.timeout_seconds: expected an integer"),
        (BuildRequest, {"low_memory": 0}, r"BuildRequest\.low_memory: expected true or false, got number"),
        (BuildRequest, {"model_uri": None}, r"BuildRequest\.model_uri: expected a string, got null"),
        (
            BuildRequest,
            {"source_size": "3"},
            r"BuildRequest\.source_size: expected an integer, got string '3'",
        ),
        (BuildFacts, {"seconds": "1"}, r"BuildFacts\.seconds: expected a number"),
        (BuildFacts, {"gpu": []}, r"BuildFacts\.gpu: expected an object, got array"),
        (BuildFacts, {"checked": "yes"}, r"BuildFacts\.checked: 'yes' is not known: use one of none, model"),
        (Manifest, {"schema": "v2"}, r"Manifest\.schema: 'v2' is not known"),
        (Manifest, {"engine": {}}, r"Manifest\.engine: EngineFile\.key: missing"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_field(kind, fields, named):
    valid = {BuildRequest: REQUEST, BuildGrant: GRANT, BuildFacts: FACTS, Manifest: MANIFEST}[kind]

    with pytest.raises(ContractError, match=named):
        kind.from_json({**valid.to_json(), **fields})


@pytest.mark.parametrize("field", ["options", "verification"])
def test_a_request_cannot_ask_for_more_than_its_identity_says(field):
    with pytest.raises(ContractError, match=rf"BuildRequest\.{field}: differs from inputs\.{field}"):
        replace(REQUEST, **{field: {"optimizationLevel": 5}})


def test_a_manifest_is_the_same_bytes_each_time():
    assert Manifest.from_bytes(MANIFEST.to_bytes()).to_bytes() == MANIFEST.to_bytes()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"null", b"[" * 100_000])
def test_bytes_that_are_no_manifest_are_refused(data):
    with pytest.raises(ContractError, match="Manifest"):
        Manifest.from_bytes(data)


def test_a_manifest_records_whether_the_engine_ever_ran():
    assert MANIFEST.to_json()["build"]["checked"] == "model"


@pytest.mark.parametrize("digits", [400, 4000])
def test_an_integer_that_no_float_holds_is_refused_where_a_number_is_expected(digits):
    with pytest.raises(ContractError, match=r"BuildFacts\.seconds: expected a number within the range"):
        BuildFacts.from_json({**FACTS.to_json(), "seconds": 10**digits})


def test_a_refusal_quotes_80_characters_of_a_word_and_of_a_name():
    with pytest.raises(ContractError) as refused:
        BuildFacts.from_json({**FACTS.to_json(), "flavor": "x" * 100_000})
    with pytest.raises(ContractError) as unknown:
        Manifest.from_json({**MANIFEST.to_json(), "inputs": {**MANIFEST.inputs.to_json(), "k" * 100_000: 1}})

    assert len(str(refused.value)) < 300
    assert len(str(unknown.value)) < 500


def test_a_value_nested_deeper_than_python_shows_is_refused_and_left_out():
    with pytest.raises(ContractError) as refused:
        BuildFacts.from_json({**FACTS.to_json(), "driver": json.loads("[" * 900 + "]" * 900)})
    deep = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ContractError, match="expected a string, got array …"):
        BuildFacts.from_json({**FACTS.to_json(), "driver": deep})

    assert len(str(refused.value)) < 200
