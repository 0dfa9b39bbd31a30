"""Nothing in a request body is believed, and what is wrong is named."""

import json
import math

import pytest
from prometheus_client import CollectorRegistry

from contractdocuments import REQUEST
from ignition_hub.engine.errors import ContractError, NewerRelease
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.naming import job_name
from ignition_hub.engine.protocol import ProgressReport
from ignition_hub.engine.quoting import shortened
from ignition_hub.engine.request import BuildRequest
from ignition_hub.gateway.cluster.callers import build_from
from ignition_hub.gateway.documents import (
    FACTS_BYTES,
    MIB,
    annotation_of,
    completion_in,
    failure_in,
    fetches_in,
    progress_in,
    upload_in,
)
from ignition_hub.gateway.errors import BuildNotFound
from ignition_hub.gateway.process.bodies import json_object
from ignition_hub.gateway.process.metrics import FetchMetrics
from ignition_hub.gateway.routes.fetches import count
from mutants import COUNT, FEW, of_bytes, of_document, survey
from storefixtures import SHA, make_facts

GIB = 1024 * MIB


def test_an_upload_knows_its_parts():
    upload = upload_in({"size": 33 * MIB, "sha256": SHA, "part_size": 16 * MIB}, most=GIB)

    assert upload.parts == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 0}, "size: 0 is out of range"),
        ({"size": 2 * GIB}, "size: 2147483648 is out of range"),
        ({"part_size": MIB}, "part_size: 1048576"),
        ({"sha256": SHA.upper()}, "64 lower-case hex digits"),
        ({"size": True}, "Upload.size: expected an integer"),
    ],
)
def test_an_upload_out_of_bounds_is_refused_by_field(changes, words):
    document = {"size": 1, "sha256": SHA, "part_size": 16 * MIB, **changes}

    with pytest.raises(ContractError) as refused:
        upload_in(document, most=GIB)

    assert words in str(refused.value)


def test_too_many_parts_are_refused_with_a_part_size_that_works():
    size = 60 * GIB
    with pytest.raises(ContractError) as refused:
        upload_in({"size": size, "sha256": SHA, "part_size": 5 * MIB}, most=size)

    least = int(refused.value.remedy.removeprefix("use at least "))
    assert upload_in({"size": size, "sha256": SHA, "part_size": least}, most=size).parts <= 4096


def test_progress_is_bounded():
    assert progress_in({"phase": "x" * 99, "percent": 41.9}) == ProgressReport("x" * 62 + "…", 41)
    for wrong in (-1, math.nan, math.inf):
        with pytest.raises(ContractError, match=f"percent: {wrong}"):
            progress_in({"phase": "x", "percent": wrong})


def test_a_failure_needs_a_reason_of_one_word_which_the_table_of_a_later_release_may_have():
    failure = failure_in({"reason": "OutOfMemory", "message": "m" * 9999, "exit_code": 137})

    assert annotation_of(failure)["exitCode"] == 137
    assert len(failure.message) == 2048
    assert failure_in({"reason": "GPUOnStrike", "message": "", "exit_code": 1}).reason == "GPUOnStrike"
    for wrong in ("", "because", "Out of memory", "A" * 64, "Out\n"):
        with pytest.raises(ContractError, match="is not one CamelCase word"):
            failure_in({"reason": wrong, "message": "", "exit_code": 1})
    with pytest.raises(ContractError, match="exit_code: 0"):
        failure_in({"reason": "OutOfMemory", "message": "", "exit_code": 0})


def make_completion(**changes):
    document = {
        "upload_id": "u",
        "key": "k",
        "sha256": SHA,
        "size": 1,
        "etags": ["e"],
        "facts": make_facts().to_json(),
        "log": "",
    }
    return {**document, **changes}


def test_of_a_long_log_the_end_is_kept():
    assert completion_in(make_completion(log="a" * 5 * MIB + "end"), most=GIB).log.endswith("aend")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"etags": []}, "number of etags: 0"),
        ({"etags": [1]}, "Completion.etags: expected an array of strings"),
        ({"facts": {}}, "Completion.facts: BuildFacts"),
        ({"size": GIB + 1}, "size: 1073741825 is out of range"),
        ({"size": -1}, "size: -1 is out of range"),
        ({"upload_id": "../other/id"}, "invalid upload_id '../other/id'"),
        ({"upload_id": "a\nb"}, "invalid upload_id 'a\\nb'"),
        ({"upload_id": ""}, "invalid upload_id ''"),
    ],
)
def test_a_completion_that_is_wrong_is_refused_by_field(changes, words):
    with pytest.raises(ContractError) as refused:
        completion_in(make_completion(**changes), most=GIB)

    assert words in str(refused.value)


def nested(depth):
    return {"a": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seconds": -1.0}, "facts.seconds: -1.0 is not a duration"),
        ({"seconds": float("nan")}, "nan is not a JSON number"),
        ({"driver": "d" * 254}, "facts.driver"),
        ({"gpu": {"name": "g" * 254}}, "facts.gpu.name"),
        ({"gpu": {"name": 4}}, "facts.gpu.name"),
        ({"warnings": ("Int64Clamped",)}, "facts.warnings[0]"),
        ({"warnings": ({"code": "Int64Clamped", "count": "many"},)}, "facts.warnings[0]"),
        ({"warnings": ({"code": "Int64Clamped", "count": 2**64},)}, "facts.warnings[0]"),
        ({"warnings": ({"code": "A", "count": 1},) * 1025}, "facts.warnings[1024]"),
        ({"parser_messages": ("m" * FACTS_BYTES,)}, "at most 1048576 are accepted"),
        ({"parser_messages": ("\ud800",)}, "lone surrogate"),
        ({"model": nested(900)}, "nested too deeply"),
    ],
)
def test_an_account_that_no_status_could_hold_is_never_signed(changes, words):
    document = make_completion(facts=make_facts(**changes).to_json())

    with pytest.raises(ContractError) as refused:
        completion_in(document, most=GIB)

    assert words in str(refused.value)


def test_the_words_of_a_builder_steer_no_terminal():
    failure = failure_in(
        {"reason": "BuildFailed", "message": "layer \x1b[2J\u202egnp.\ud800\nline 2 é", "exit_code": 18}
    )

    assert failure.message == "layer \ufffd[2J\ufffdgnp.\ufffd\nline 2 é"
    assert progress_in({"phase": "\x1b]0;x\x07", "percent": 1}).phase == "\ufffd]0;x\ufffd"


def test_short_text_is_left_alone():
    assert shortened("abc", 3) == "abc"
    assert shortened("abcd", 3) == "ab…"


BODIES = {
    "progress": ({"phase": "Building engine", "percent": 41.9}, progress_in),
    "upload": (
        {"size": 33 * MIB, "sha256": SHA, "part_size": 16 * MIB},
        lambda document: upload_in(document, most=GIB),
    ),
    "completion": (make_completion(), lambda document: completion_in(document, most=GIB)),
    "failure": ({"reason": "OutOfMemory", "message": "m", "exit_code": 137}, failure_in),
    "fetches": (
        {
            "engines": [
                {"outcome": "fetched", "waited": 0.5, "seconds": 2.0, "fetched_bytes": 9, "reason": ""}
            ]
        },
        lambda document: fetches_in(document, most=GIB),
    ),
}


@pytest.mark.parametrize("mutants", [of_document, of_bytes])
@pytest.mark.parametrize("name", BODIES)
def test_every_mutant_of_a_body_is_refused_by_field_or_read_so_that_it_is_read_again(name, mutants):
    document, read = BODIES[name]
    count = COUNT if name == "completion" and mutants is of_document else FEW
    origin = document if mutants is of_document else json.dumps(document).encode()

    def is_read_again(_, body):
        assert read(body.to_json()) == body

    found = survey(
        f"body of {name}",
        41,
        mutants(origin, 41, count),
        lambda data: read(json_object(data, name)),
        is_read_again,
        refusals=ContractError,
    )

    assert found.accepted > 0
    assert found.shown == count


def test_every_mutant_of_the_request_on_a_job_is_refused_or_is_of_the_jobs_identity():
    def read(data):
        annotations = {"ignitionhub.io/request": data.decode("utf-8", "replace")}
        job = {"metadata": {"name": job_name(REQUEST.identity), "uid": "u", "annotations": annotations}}
        return build_from(job, {}).request

    def builds_the_same(_, request):
        assert identity_of(request.inputs) == REQUEST.identity
        assert BuildRequest.from_json(request.to_json()) == request

    found = survey(
        "request on a Job",
        42,
        of_document(REQUEST.to_json(), 42),
        read,
        builds_the_same,
        refusals=(BuildNotFound, NewerRelease),
    )

    assert found.accepted > 0
    assert found.shown == COUNT


def fetch_document(**changes):
    account = {"outcome": "fetched", "waited": 0.5, "seconds": 2.0, "fetched_bytes": 9, **changes}
    return {"engines": [account]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"outcome": "stolen"}, "outcome: 'stolen' is unknown"),
        ({"seconds": -0.1}, "seconds: -0.1 is out of range"),
        ({"seconds": math.nan}, "seconds: nan is out of range"),
        ({"waited": 1e300}, "waited: 1e+300 is out of range"),
        ({"fetched_bytes": GIB + 1}, "fetched_bytes: 1073741825 is out of range"),
        ({"outcome": "failed", "reason": "TenantsOwnWord"}, "reason: 'TenantsOwnWord' does not belong"),
        ({"outcome": "failed", "reason": "AllTargetsReady"}, "reason: 'AllTargetsReady' does not belong"),
        ({"outcome": "failed"}, "reason: '' does not belong"),
        ({"reason": "DigestMismatch"}, "reason: 'DigestMismatch' does not belong"),
    ],
)
def test_what_a_pod_says_of_a_fetch_makes_no_series_and_no_number_that_honest_pods_do_not(changes, words):
    with pytest.raises(ContractError) as refused:
        fetches_in(fetch_document(**changes), most=GIB)

    assert words in str(refused.value)


@pytest.mark.parametrize("engines", [[], fetch_document()["engines"] * 17])
def test_a_pod_tells_of_as_many_fetches_as_it_can_name_engines(engines):
    with pytest.raises(ContractError, match="number of engines"):
        fetches_in({"engines": engines}, most=GIB)


def test_a_fetch_is_counted_with_its_bytes_and_only_a_download_with_its_seconds():
    registry = CollectorRegistry()
    metrics = FetchMetrics(registry)
    documents = (
        fetch_document(),
        fetch_document(outcome="present", fetched_bytes=0),
        fetch_document(outcome="failed", fetched_bytes=0, reason="StoreUnavailable"),
    )
    for document in documents:
        count(metrics, fetches_in(document, most=GIB).engines[0])

    read = registry.get_sample_value
    failed = {"outcome": "failed", "reason": "StoreUnavailable"}
    assert read("ignition_gateway_fetches_total", failed) == 1
    assert read("ignition_gateway_fetched_bytes_total") == 9
    assert read("ignition_gateway_fetch_seconds_count") == 1
    assert read("ignition_gateway_fetch_wait_seconds_count") == 3
