"""Mutants of the gateway's answers by the ten thousand: used as they are, or refused by the field."""

import json
from typing import Any

import pytest

from contractdocuments import MANIFEST
from ignition_hub.engine.errors import Reason, exit_code_of
from ignition_hub.engine.pod_annotations import OnMiss
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.gateway import DIGEST, Resolved, asking_again_helps, read_resolved, refusal
from ignition_hub.wire.response import MESSAGE_CHARACTERS, GatewayResponse
from mutants import COUNT, FEW, of_bytes, of_document, survey

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
