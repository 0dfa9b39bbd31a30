"""What every program in a pod does before it knows what it asks: its token out, the gateway's answer in."""

import pytest

from ignition_hub.wire.response import GatewayResponse
from ignition_hub.wire.token import read_token


def test_a_failure_carries_its_reason_and_its_sentence():
    answer = GatewayResponse.of(409, b'{"reason": "EngineNotReady", "message": "building, 42 %"}')

    assert (answer.status, answer.reason, answer.message) == (409, "EngineNotReady", "building, 42 %")


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b"[]", b"null", b"\xff\xfe\xff", b"[" * 100_000],
    ids=["empty", "page", "list", "null", "no text", "too deep"],
)
def test_an_answer_that_is_no_json_object_has_no_body_and_says_its_status(data):
    answer = GatewayResponse.of(502, data)

    assert (answer.body, answer.reason, answer.message) == (None, "", "the gateway answered 502")


def test_a_reason_or_message_of_null_is_none_at_all():
    answer = GatewayResponse.of(503, b'{"reason": null, "message": null}')

    assert (answer.reason, answer.message) == ("", "the gateway answered 503")


def test_an_empty_object_is_an_answer():
    assert GatewayResponse.of(200, b"{}").body == {}


def test_the_token_is_what_the_file_holds_now(tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    first = read_token(file)
    file.write_text("second\n")

    assert (first, read_token(file)) == ("first", "second")


@pytest.mark.parametrize("content", [None, "tökén"], ids=["missing", "not ASCII"])
def test_a_token_that_cannot_be_read_says_why(tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content, encoding="utf-8")

    with pytest.raises(ValueError, match=r"No such file|can't decode"):
        read_token(file)


@pytest.mark.parametrize("value", ['{"k": 1}', "5", "[]", "true", "[" * 500 + "]" * 500])
def test_a_reason_or_message_that_is_no_text_is_none_at_all(value):
    answer = GatewayResponse.of(503, f'{{"reason": {value}, "message": {value}}}'.encode())

    assert (answer.reason, answer.message) == ("", "the gateway answered 503")


def test_a_message_is_text_that_every_log_takes_and_no_longer_than_the_gateways():
    answer = GatewayResponse.of(503, b'{"reason": "A", "message": "\\ud800\\u001b[2J' + b"x" * 9999 + b'"}')

    assert answer.message.startswith("\ufffd\ufffd[2Jxxx")
    assert len(answer.message) == 2048
