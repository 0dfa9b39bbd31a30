"""Pushing a model: what is sent, what is tried again, and what the user is told."""

import hashlib
import json
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from ignition_hub.cli.errors import CliError, Unreachable
from ignition_hub.cli.upload import ATTEMPTS, CHUNK, GatewayEndpoint, UploadFile, push

Handler = Callable[[httpx.Request], httpx.Response]
CONTENT = b"x" * (CHUNK + 5)
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> UploadFile:
    path = tmp_path / "model.onnx"
    path.write_bytes(CONTENT)
    return UploadFile.of(path)


def gateway(handler: Handler) -> GatewayEndpoint:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return GatewayEndpoint(
        "https://gateway",
        "secret",
        context,
        server_name="gateway.svc",
        transport=httpx.MockTransport(handler),
    )


def accepted(request: httpx.Request) -> httpx.Response:
    request.read()
    return httpx.Response(200, json={"uri": "s3://b/m.onnx", "sha256": SHA, "size": len(CONTENT)})


def test_the_file_is_sent_with_its_digest_size_and_token(file: UploadFile):
    seen: list[httpx.Request] = []
    told: list[int] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return accepted(request)

    assert push(gateway(handler), file, progress=told.append) == "s3://b/m.onnx"

    (request,) = seen
    assert request.url.path == "/v1/models"
    assert request.content == CONTENT
    assert request.headers["X-Content-SHA256"] == SHA
    assert request.headers["Content-Length"] == str(len(CONTENT))
    assert "Transfer-Encoding" not in request.headers
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.extensions["sni_hostname"] == "gateway.svc"
    assert told == [0, CHUNK, CHUNK + 5]


def test_a_gateway_that_comes_back_is_tried_again_with_the_whole_file(file: UploadFile):
    answers = iter([httpx.Response(503, json={"message": "busy"}), httpx.ConnectError("refused"), None])
    pauses: list[float] = []

    def handler(request: httpx.Request) -> httpx.Response:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer or accepted(request)

    assert push(gateway(handler), file, pause=pauses.append) == "s3://b/m.onnx"
    assert len(pauses) == 2
    assert all(pause > 0 for pause in pauses)


def test_a_gateway_that_stays_away_is_given_up(file: UploadFile):
    pauses: list[float] = []

    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(Unreachable, match="rejected the model: refused") as caught:
        push(gateway(handler), file, pause=pauses.append)
    assert caught.value.exit_code == 3
    assert len(pauses) == ATTEMPTS - 1


def test_a_refusal_is_passed_on_and_not_tried_again(file: UploadFile):
    calls: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return httpx.Response(403, json={"reason": "NotPermitted", "message": "bind the role edit"})

    with pytest.raises(CliError, match="bind the role edit") as caught:
        push(gateway(handler), file, pause=pytest.fail)
    assert caught.value.exit_code == 1
    assert len(calls) == 1


@pytest.mark.parametrize("answer", ["<html>", json.dumps({"uri": "s3://b/x", "sha256": "00"}), "[]"])
def test_an_answer_about_another_model_is_not_believed(file: UploadFile, answer: str):
    with pytest.raises(CliError, match="answered for another model"):
        push(gateway(lambda request: httpx.Response(200, text=answer)), file)


def test_a_file_of_a_bundle_says_so_and_is_answered_with_the_bundle(file: UploadFile):
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        request.read()
        return httpx.Response(200, json={"uri": "s3://b/f/ä.bin", "bundle": "s3://b/f/", "sha256": SHA})

    part = replace(file, name="layers/ä 1.bin", bundle="9f" * 32, bundle_size=1000)

    assert push(gateway(handler), part) == "s3://b/f/"
    assert seen[0].headers["X-Bundle"] == "9f" * 32
    assert seen[0].headers["X-Bundle-Size"] == "1000"
    assert seen[0].headers["X-Name"] == "layers/%C3%A4%201.bin"


def test_a_gateway_that_knows_no_bundles_is_not_believed(file: UploadFile):
    with pytest.raises(CliError, match="answered for another model"):
        push(gateway(accepted), replace(file, name="a.bin", bundle="9f" * 32))


def test_a_file_that_is_not_there_or_empty_is_named(tmp_path: Path):
    with pytest.raises(CliError, match=r"nothing\.onnx: No such file"):
        UploadFile.of(tmp_path / "nothing.onnx")

    (tmp_path / "empty.onnx").touch()
    with pytest.raises(CliError, match=r"empty\.onnx: the file is empty"):
        UploadFile.of(tmp_path / "empty.onnx")
