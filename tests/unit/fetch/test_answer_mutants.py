"""Mutants of the gateway's answers by the ten thousand: used as they are, or refused by the field."""

import json
from typing import Any

import pytest

from contractdocuments import MANIFEST
from ignition_hub.engine.errors import Reason, exit_code_of
from ignition_hub.engine.pod_annotations import LayoutName, OnMiss
from ignition_hub.fetch.beside import served_engine
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.gateway import DIGEST, Resolved, asking_again_helps, read_resolved, refusal
from ignition_hub.layouts.served import ServedEngine
from ignition_hub.layouts.table import LAYOUTS, files_of
from ignition_hub.wire.response import MESSAGE_CHARACTERS, GatewayResponse
from mutants import COUNT, FEW, of_bytes, of_document, survey
from servedmanifests import SERVED, profile

ANSWER = {
    "name": "resnet50",
    "identity": "5f" * 32,
    "gpu": {"arch": "sm_89", "product": None},
    "file_name": "resnet50.trt",
    "url": "https://s3.example.com:9000/resnet50.trt?X-Amz-Signature=0",
    "size": 3,
    "sha256": "ab" * 32,
    "manifest": MANIFEST.to_json(),
}
REFUSED = {"reason": "EngineNotReady", "message": "the engine for sm_89 is not built yet"}


@pytest.mark.parametrize("mutants", [of_document, of_bytes])
def test_every_mutant_of_an_answer_is_refused_or_used_as_it_is(mutants):
    origin = ANSWER if mutants is of_document else json.dumps(ANSWER).encode()

    def as_it_is(data: bytes, found: Resolved) -> None:
        document = json.loads(data)
        assert found.size == document["size"] > 0
        assert found.sha256 == document["sha256"]
        assert DIGEST.fullmatch(found.sha256)
        assert found.source.scheme in {"http", "https"}
        assert found.source.host in document["url"].lower()
        assert isinstance(found.file_name, str)
        json.dumps(found.record)

    found = survey(
        "resolve",
        31,
        mutants(origin, 31),
        lambda data: read_resolved("resnet50", GatewayResponse.of(200, data).body or {}),
        as_it_is,
        refusals=FetchError,
    )

    assert found.accepted > 0
    assert found.shown == COUNT


@pytest.mark.parametrize("name", [LayoutName.TRITON, LayoutName.DEEPSTREAM, LayoutName.EPCONTEXT])
def test_every_mutant_of_an_account_of_an_engine_is_laid_out_or_refused_by_what_is_wrong(name):
    origin = SERVED["images"].to_json()
    origin["build"]["flavor"] = LAYOUTS[name].flavor
    origin["build"]["engine_io"] = {
        "inputs": [{"name": "data", "dtype": "float", "shape": [-1, 3, 112, 112]}],
        "outputs": [{"name": "boxes", "dtype": "float16", "shape": [-1, 512]}],
    }
    origin["build"]["model"] = {
        "inputs": [{"name": "data", "dtype": "float", "shape": ["N", 3, 112, 112]}],
        "outputs": [{"name": "boxes", "dtype": "float16", "shape": ["N", 512]}],
    }
    origin["build"]["profiles"] = [profile(data=([1, 3, 112, 112],) * 3).to_json()]
    answer = {**ANSWER, "manifest": {"inputs": {"gpu_arch": "sm_89"}, "build": origin["build"]}}

    def laid_out(data: bytes) -> ServedEngine | None:
        found = read_resolved("faces", GatewayResponse.of(200, data).body or {})
        return served_engine(found, "faces", name)

    def is_readable(_: bytes, engine: ServedEngine | None) -> None:
        assert engine is not None
        for file in files_of(name, engine):
            assert file.content is None or 0 < len(file.content) < 1 << 20

    found = survey(
        f"layout {name}", 33, of_document(answer, 33, FEW // 2), laid_out, is_readable, refusals=FetchError
    )

    assert found.accepted > 0


@pytest.mark.parametrize("mutants", [of_document, of_bytes])
def test_every_mutant_of_a_refusal_is_a_refusal_with_an_exit_code(mutants):
    origin = REFUSED if mutants is of_document else json.dumps(REFUSED).encode()

    def read(data: bytes) -> tuple[FetchError, bool]:
        answer = GatewayResponse.of(409, data)
        return refusal("resnet50", answer), asking_again_helps(answer, OnMiss.WAIT)

    def has_an_ending(_: bytes, found: Any) -> None:
        error, again = found
        assert error.reason in Reason
        assert again in {True, False}
        assert 0 < exit_code_of(error.reason, "fetcher") < 256
        assert len(str(error)) <= MESSAGE_CHARACTERS + 512
        str(error).encode()

    found = survey("refusal", 32, mutants(origin, 32, FEW), read, has_an_ending)

    assert found.accepted == FEW
