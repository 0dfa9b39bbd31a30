"""Request bodies are read strictly, and what is wrong is named."""

import pytest

from ignition_hub.engine.errors import ContractError
from ignition_hub.gateway.documents import MIB, Completion, Failure, Progress, Upload, shortened
from storefixtures import SHA, make_facts

GIB = 1024 * MIB


def test_an_upload_knows_its_parts():
    upload = Upload.from_json({"size": 33 * MIB, "sha256": SHA, "part_size": 16 * MIB}, most=GIB)

    assert upload.parts == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 0}, "size: 0 is out of bounds"),
        ({"size": 2 * GIB}, "size: 2147483648 is out of bounds"),
        ({"part_size": MIB}, "part_size: 1048576"),
        ({"sha256": SHA.upper()}, "64 lower-case hex digits"),
        ({"size": True}, "Upload.size: expected an integer"),
        ({"bucket": "mine"}, "Upload.bucket: unknown field"),
    ],
)
def test_an_upload_out_of_bounds_is_refused_by_field(changes, words):
    document = {"size": 1, "sha256": SHA, "part_size": 16 * MIB, **changes}

    with pytest.raises(ContractError) as refused:
        Upload.from_json(document, most=GIB)

    assert words in str(refused.value)


def test_too_many_parts_are_refused_with_a_part_size_that_works():
    size = 60 * GIB
    with pytest.raises(ContractError) as refused:
        Upload.from_json({"size": size, "sha256": SHA, "part_size": 5 * MIB}, most=size)

    least = int(refused.value.remedy.removeprefix("use at least "))
    assert Upload.from_json({"size": size, "sha256": SHA, "part_size": least}, most=size).parts <= 4096


def test_progress_is_bounded():
    assert Progress.from_json({"phase": "x" * 99, "percent": 41.9}) == Progress("x" * 62 + "…", 41)
    with pytest.raises(ContractError, match="percent: -1"):
        Progress.from_json({"phase": "x", "percent": -1})


def test_a_failure_needs_a_reason_of_the_table():
    failure = Failure.from_json({"reason": "OutOfMemory", "message": "m" * 9999, "exit_code": 137})

    assert failure.to_json()["exitCode"] == 137
    assert len(failure.message) == 2048
    with pytest.raises(ContractError, match="'Because' is not a known reason"):
        Failure.from_json({"reason": "Because", "message": "", "exit_code": 1})
    with pytest.raises(ContractError, match="exit_code: 0"):
        Failure.from_json({"reason": "OutOfMemory", "message": "", "exit_code": 0})


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
    assert Completion.from_json(make_completion(log="a" * 5 * MIB + "end")).log.endswith("aend")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"etags": []}, "number of etags: 0"),
        ({"etags": [1]}, "Completion.etags: expected an array of strings"),
        ({"facts": {}}, "Completion.facts: BuildFacts"),
    ],
)
def test_a_completion_that_is_wrong_is_refused_by_field(changes, words):
    with pytest.raises(ContractError) as refused:
        Completion.from_json(make_completion(**changes))

    assert words in str(refused.value)


def test_short_text_is_left_alone():
    assert shortened("abc", 3) == "abc"
    assert shortened("abcd", 3) == "ab…"
