"""A record's JSON: the same bytes for ever where they are hashed or signed, and read as it is typed."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Optional

import pytest

import ignition_hub
from contractdocuments import FACTS, INPUTS, MANIFEST, RECORDS
from ignition_hub.engine.codec import MAY_BE_MISSING, Record, Whole
from ignition_hub.engine.errors import ContractError, NewerRelease, Reason, UnknownWord
from ignition_hub.engine.fields import one_of
from ignition_hub.engine.identity import Profile, identity_of

IDENTITY = "c4a4a65d32f8bcfbb7c7dffa6d59285bbc300d5d2bfcc0b102944a761ac6ec05"
SIGNED = (
    '{"build":{"accuracy":{"outputs":[{"maxAbsolute":0.25,"output":"y"}]},'
    '"benchmark":{"milliseconds":1.5},"builder_image":"builder:1","checked":"engine",'
    '"converter":{"path":"AsIs","proof":{"proven":true}},"cuda_version":"12.9","driver":"580.65",'
    '"engine_io":{"inputs":[],"outputs":[]},"environment":{"cpus":2},"flags":["STRONGLY_TYPED"],'
    '"flavor":"TensorRT","gpu":{"memory_bytes":17179869184,"name":"NVIDIA L4"},'
    '"model":{"inputs":[{"name":"x","shape":[1,3]}],'
    '"sha256":"9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f"},'
    '"parser_messages":["unused weight: é"],"peak_memory_bytes":536870912,"plugins":[{"creators":["A:1"],'
    '"name":"p"}],"profiles":[{"batch_size":{"max":8,"min":1,"opt":4},"max_sequence_length":0,'
    '"shapes":{"a":{"max":[8,3],"min":[1,3],"opt":[4,3]},"x":{"max":[8,3],"min":[1,3],"opt":[4,3]}},'
    '"values":{"shape":{"max":[8,3],"min":[1,3],"opt":[4,3]}}}],"seconds":2,'
    '"settings":{"builder_optimization_level":3},"tensorrt_version":"10.13.2.6","tf32":{"asked":false,'
    '"in_force":false},"timing_cache":{"misses":0},"typing":"Strong","warnings":[{"code":"Int64Clamped",'
    '"count":2}]},"built_at":"2026-08-01T12:00:00Z",'
    '"engine":{"key":"ignition/engines/resnet50/x/y/z.trt",'
    '"sha256":"abababababababababababababababababababababababababababababababab","size":133740},'
    '"identity":"c4a4a65d32f8bcfbb7c7dffa6d59285bbc300d5d2bfcc0b102944a761ac6ec05",'
    '"inputs":{"calibration_digest":"abababababababababababababababababababababababababababababababab",'
    '"compatibility":"Product","flavor":"TensorRT","gpu_arch":"sm_89",'
    '"model":{"fingerprint":"sha256:9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f",'
    '"name":"resnet50","version":"v1"},"options":{"größe":null,"plugins":[{"name":"p","workspace":2}],'
    '"timingCache":"ReadOnly"},"platform":"linux-x86_64",'
    '"plugin_digests":["cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"],'
    '"precision":"int8","product":"NVIDIA-L4","profiles":[{"batch_size":{"max":8,"min":1,"opt":4},'
    '"max_sequence_length":0,"shapes":{"a":{"max":[8,3],"min":[1,3],"opt":[4,3]},"x":{"max":[8,3],'
    '"min":[1,3],"opt":[4,3]}},"values":{"shape":{"max":[8,3],"min":[1,3],"opt":[4,3]}}},'
    '{"shapes":{"x":{"max":[8,3],"min":[1,3],"opt":[4,3]}}},{"shapes":{}}],'
    '"tensorrt_version":"10.13.2.6","verification":{"accuracy":{"rtol":0.001}}},'
    '"provenance_key":"ignition/engines/resnet50/x/y/z.trt.intoto.json",'
    '"schema":"ignitionhub.io/manifest/v1"}'
)
WRITTEN = {
    "inputs": "19c0729567e238395c2af696c9f018da8dbdf523dd17225f11ac6be5ef454b9b",
    "request": "15441ce4b8752e41966b90987a2633ce5827519b6d01c7dc775eb4cdbb41cc4d",
    "grant": "a9c85f0fb76a4ebd1859d634589e1b8a370f7a0a889661d3751801b375bb394e",
    "facts": "4fc11ba4638a25e22e360dc65d941b9b61350e08d350c69cb215d74ba11876bd",
    "manifest": "ee479279425a2193a4102296f57c87cb3c7ae20c03e042c646921e985d33008b",
    "stored timing cache": "57792ab4cf9d173cf87029981bf95333f0dc0effbd8ff4f7de1fd88f68d24275",
    "no timing cache": "df848ee5ad6bc408077df3ca49e3519dabb35571f5a989558bf7c08abd4321b3",
    "timing cache upload": "4f6296aa778d81d974addd9ef6c0d7b6b0e06681a4b33230ec1324d9d754ec85",
    "prepared": "62c77d74c14ffd6ce9384dbccf202312f7648d14673089db62464646e194f632",
    "proof": "efe98cd440dbcf824b2840c5732a488567dee69a2fc2c01171baf4967c2f66d3",
    "compiled": "faaf9091f48e7357b37753c3b1e59b0b3f6be2c5ab53bc2ce0d949df375dc5c1",
    "verified": "6129b8a2ce44b623bcb11e71e6f3a84604514071bd46be733ff20f5a6e1f8045",
    "task": "59e2df51a8822807b9ea7c8a907400ce9178fcdcc8a3ed62610959579efbdbdf",
    "bare task": "88702ea25381068d0a53ff3246766f303a05c379867882befa63ff237390c154",
}
"""The SHA-256 of the JSON of each record, keys in order, as it was before there was a codec."""


@dataclass(frozen=True, slots=True)
class Inner(Record):
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ContractError(f"Inner.number: {self.number} is negative", "use 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer(Record):
    text: str = "t"
    count: int = 1
    ratio: float = 0.5
    flag: bool = True
    anything: Mapping[str, Any] = field(default_factory=dict, hash=False)
    words: tuple[str, ...] = ("w",)
    numbers: tuple[int, ...] = (1,)
    items: tuple[Any, ...] = (None,)
    inner: Inner = Inner(1)
    inners: tuple[Inner, ...] = (Inner(2),)
    named: Mapping[str, Inner] = field(default_factory=lambda: {"a": Inner(3)}, hash=False)
    headers: Mapping[str, str] = field(default_factory=lambda: {"h": "v"}, hash=False)
    path: Path = Path("/p")
    paths: Mapping[str, Path] = field(default_factory=lambda: {"p": Path("/q")}, hash=False)
    later: tuple[Inner, ...] = field(default=(Inner(4),), metadata=MAY_BE_MISSING)
    optional_text: str | None = None
    optional_inner: "Inner | None" = None
    optional_words: Optional[tuple[str, ...]] = None  # noqa: UP045  (both spellings are read)
    optional_path: Path | None = None


@dataclass(frozen=True, slots=True)
class All(Whole):
    number: int


@dataclass(frozen=True, slots=True)
class Word(Record):
    word: str

    def __post_init__(self) -> None:
        one_of("Word.word", self.word, ("a", "b"))


@dataclass(frozen=True, slots=True)
class Words(Record):
    nested: Word


OUTER = Outer()


def refused(document: Any) -> str:
    with pytest.raises(ContractError) as error:
        Outer.from_json(document)
    return str(error.value)


def test_a_signed_manifest_has_the_bytes_it_always_had():
    assert MANIFEST.to_bytes().decode() == SIGNED


def test_an_identity_is_what_it_always_was():
    assert identity_of(INPUTS) == IDENTITY


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_written_as_it_always_was(name):
    assert sha256(json.dumps(RECORDS[name].to_json()).encode()).hexdigest() == WRITTEN[name]


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_was_written_is_read_again(name):
    record = RECORDS[name]
    document = json.loads(json.dumps(record.to_json()))

    assert type(record).from_json(document).to_json() == document


def test_every_type_a_field_may_have_survives_json():
    outer = Outer(optional_text="o", optional_inner=Inner(5), optional_words=("x",), optional_path=Path("/r"))

    for record in (OUTER, outer):
        assert Outer.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_keys_come_in_the_order_of_the_fields():
    assert list(OUTER.to_json()) == list(Outer.__dataclass_fields__)
    assert next(iter(MANIFEST.to_json())) == "schema"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "Outer: expected an object, got null"),
        ([], "Outer: expected an object, got array"),
        ({"text": 1}, "Outer.text: expected a string, got number 1"),
        ({"text": None}, "Outer.text: expected a string, got null None"),
        ({"text": "x" * 99, "count": "y" * 99}, "Outer.count: expected an integer, got string '" + "y" * 79),
        ({"count": True}, "Outer.count: expected an integer, got boolean True"),
        ({"count": 1.0}, "Outer.count: expected an integer, got number 1.0"),
        ({"ratio": "1"}, "Outer.ratio: expected a number, got string '1'"),
        ({"ratio": False}, "Outer.ratio: expected a number, got boolean False"),
        ({"flag": 1}, "Outer.flag: expected true or false, got number 1"),
        ({"anything": []}, "Outer.anything: expected an object, got array []"),
        ({"words": "w"}, "Outer.words: expected an array, got string 'w'"),
        ({"words": ["w", 1]}, "Outer.words: expected an array of strings, got array ['w', 1]"),
        ({"numbers": [True]}, "Outer.numbers: expected an array of integers, got array [True]"),
        ({"items": {}}, "Outer.items: expected an array, got object {}"),
        ({"inner": None}, "Outer.inner: Inner: expected an object, got null"),
        ({"inner": {}}, "Outer.inner: Inner.number: missing"),
        ({"inner": {"number": "1"}}, "Outer.inner: Inner.number: expected an integer, got string '1'"),
        ({"inner": {"number": -1}}, "Outer.inner: Inner.number: -1 is negative: use 0 or more"),
        ({"inners": {}}, "Outer.inners: expected an array, got object {}"),
        ({"inners": [{"number": 1}, 2]}, "Outer.inners[1]: Inner: expected an object, got number"),
        ({"named": []}, "Outer.named: expected an object, got array []"),
        ({"named": {"b": {"x": 1}}}, "Outer.named.b: Inner.number: missing"),
        ({"headers": {"h": None}}, "Outer.headers.h: expected a string, got null None"),
        ({"path": 3}, "Outer.path: expected a string, got number 3"),
        ({"paths": {"p": 3}}, "Outer.paths.p: expected a string, got number 3"),
        ({"later": [{}]}, "Outer.later[0]: Inner.number: missing"),
        ({"later": None}, "Outer.later: expected an array, got null None"),
        ({"optional_text": 1}, "Outer.optional_text: expected a string, got number 1"),
        ({"optional_inner": []}, "Outer.optional_inner: Inner: expected an object, got array"),
        ({"optional_words": [1]}, "Outer.optional_words: expected an array of strings, got array [1]"),
        ({"optional_path": 1}, "Outer.optional_path: expected a string, got number 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_class_field_and_value(document, message):
    whole = {**OUTER.to_json(), **document} if isinstance(document, dict) else document

    assert refused(whole).startswith(message)


def test_a_field_that_only_a_later_release_knows_is_left_out():
    assert Outer.from_json({**OUTER.to_json(), "surprise": 1}) == OUTER


def test_a_whole_is_not_read_without_a_field_that_only_a_later_release_knows():
    with pytest.raises(NewerRelease) as error:
        All.from_json({"number": 1, "surprise": 1})

    assert error.value.message == "All.surprise: unknown field; the fields are number"
    assert "upgrade" in error.value.remedy


def test_a_word_that_only_a_later_release_knows_is_no_mistake_of_a_document_and_one_of_a_caller():
    with pytest.raises(NewerRelease, match=r"^Words\.nested: Word\.word: 'c' is not known: use one of a, b"):
        Words.from_json({"nested": {"word": "c"}})
    with pytest.raises(UnknownWord) as error:
        Word("c")

    assert error.value.reason is Reason.InvalidRequest


@pytest.mark.parametrize("name", sorted(OUTER.to_json().keys() - {"later"}))
def test_a_default_does_not_let_a_field_be_missing(name):
    document = {other: value for other, value in OUTER.to_json().items() if other != name}

    assert refused(document) == f"Outer.{name}: missing"


def test_a_field_that_a_later_release_added_may_be_missing():
    document = {name: value for name, value in OUTER.to_json().items() if name != "later"}

    assert Outer.from_json(document) == OUTER


def test_a_profile_leaves_out_what_is_not_set():
    assert Profile().to_json() == {"shapes": {}}
    assert Profile(max_sequence_length=0).to_json() == {"shapes": {}, "max_sequence_length": 0}
    with pytest.raises(ContractError, match=r"^Profile\.shapes: missing$"):
        Profile.from_json({})


def test_what_a_builder_nests_is_written_as_deep_as_it_is():
    deep: dict[str, Any] = {}
    for _ in range(50_000):
        deep = {"a": deep}
    facts = FACTS.from_json({**FACTS.to_json(), "model": deep})

    assert facts.to_json()["model"]["a"] is deep["a"]


@pytest.mark.parametrize("hint", [set[str], dict[str, int], str | int, int | str | None, tuple[int, str]])
def test_a_type_without_a_json_form_is_an_error_of_the_program(hint):
    kind = dataclass(frozen=True)(type("Odd", (Record,), {"__annotations__": {"value": hint}}))

    with pytest.raises(TypeError, match="has no JSON form"):
        kind.from_json({"value": 1})


def test_a_process_that_only_imports_the_contract_resolves_no_types():
    code = (
        "import ignition_builder.documents, ignition_hub.engine.manifest\n"
        "import ignition_hub.engine.codec as codec\n"
        "raise SystemExit(codec._schema_of.cache_info().currsize)"
    )
    roots = [str(Path(ignition_hub.__file__).parents[1]), *sys.path]

    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)}, check=False
    )

    assert done.returncode == 0
