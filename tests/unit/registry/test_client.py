"""A registry that asks for tokens, that sends uploads elsewhere, or that breaks off."""

import contextlib
import json
from http.server import BaseHTTPRequestHandler

import pytest

from ignition_hub.registry.challenge import challenge_in
from ignition_hub.registry.client import Registry
from ignition_hub.registry.errors import RegistryRefused, RegistryUnavailable
from ignition_hub.registry.image import Blob
from ignition_hub.registry.settings import RegistrySettings
from ignition_hub.wire.deadline import Deadline
from loopbackserver import LoopbackServer

CONFIG = Blob("application/vnd.oci.image.config.v1+json", b"{}")


@contextlib.contextmanager
def answering(answer):
    """Serve ``answer(handler) -> (status, headers, body)`` on the loopback; yield a registry's settings."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = answer(self)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET = do_POST = do_PUT = do_PATCH = _handle  # noqa: N815

        def log_message(self, *_):
            pass

    with LoopbackServer(Handler) as server:
        host = f"127.0.0.1:{server.server_port}"
        yield RegistrySettings(host=host, path="", user="hub", password="pw", plain_http=True)


def digest_of(settings, seconds=10):
    return Registry(settings, Deadline(seconds)).digest_of("team/resnet50", "tag")


def test_a_token_is_asked_for_where_the_registry_says_with_the_right_to_push():
    seen = []

    def answer(handler):
        seen.append((handler.path, handler.headers.get("Authorization")))
        if handler.path.startswith("/token"):
            return 200, {}, json.dumps({"token": "T1"}).encode()
        if handler.headers.get("Authorization") == "Bearer T1":
            return 200, {"Docker-Content-Digest": "sha256:1"}, b""
        realm = f"http://{handler.headers['Host']}/token"
        return 401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="registry"'}, b""

    with answering(answer) as settings:
        assert digest_of(settings) == "sha256:1"
    assert seen[1] == (
        "/token?scope=repository%3Ateam%2Fresnet50%3Apull%2Cpush&service=registry",
        "Basic aHViOnB3",
    )
    assert seen[0][1] is None


def test_a_password_is_not_sent_to_a_token_server_without_tls_where_the_registry_has_it():
    asked = Registry(RegistrySettings(host="r", path="", user="hub", password="pw"), Deadline(1))
    header = {"www-authenticate": 'Bearer realm="http://tokens.example.com/t"'}

    with pytest.raises(RegistryRefused, match="is no https:// address"):
        asked._accepted_by(type("Answer", (), {"headers": header}), "team/resnet50")


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("https://elsewhere.example.com/upload", r"https://elsewhere\.example\.com:443"),
        ("//elsewhere.example.com/upload", r"http://elsewhere\.example\.com:80"),
        ("ftp://127.0.0.1/upload", "scheme 'ftp' is not http or https"),
        ("http://127.0.0.1:99999/upload", "Port out of range"),
    ],
)
def test_an_upload_is_not_followed_to_another_host(where, says):
    def answer(handler):
        return 202, {"Location": where}, b""

    with answering(answer) as settings, pytest.raises(RegistryRefused, match=says):
        Registry(settings, Deadline(10)).upload("team/resnet50", [b"x"], 1)


@pytest.mark.parametrize("status", [200, 301, 302, 303, 307, 308])
def test_a_blob_whose_bytes_the_registry_keeps_elsewhere_is_there_and_is_not_uploaded_again(status):
    asked = []

    def answer(handler):
        asked.append((handler.command, handler.path))
        return status, {"Location": f"http://{handler.headers['Host']}/bucket/blob?X-Amz-Signature=1"}, b""

    with answering(answer) as settings:
        Registry(settings, Deadline(10)).put_blob("team/resnet50", CONFIG)
    assert asked == [("HEAD", f"/v2/team/resnet50/blobs/{CONFIG.digest}")]


@pytest.mark.parametrize(
    ("status", "kind"), [(503, RegistryUnavailable), (429, RegistryUnavailable), (403, RegistryRefused)]
)
def test_not_now_and_never_are_told_apart(status, kind):
    with answering(lambda _: (status, {}, b"")) as settings, pytest.raises(kind, match=f"answered {status}"):
        digest_of(settings)


def test_what_the_registry_says_reaches_no_terminal_as_it_is():
    body = json.dumps({"errors": [{"code": "DENIED", "message": "\x1b[31mquota\n" + "x" * 900}]}).encode()

    with answering(lambda _: (403, {}, body)) as settings, pytest.raises(RegistryRefused) as refused:
        Registry(settings, Deadline(10)).upload("team/resnet50", [b"x"], 1)
    assert "DENIED: \ufffd[31mquota xxx" in refused.value.message
    assert len(refused.value.message) < 400


@pytest.mark.parametrize("header", ["", "Negotiate", 'Bearer service="x"'])
def test_an_authentication_that_a_machine_cannot_give_is_refused(header):
    with pytest.raises(RegistryRefused, match="Basic or Bearer"):
        challenge_in(header)


def test_an_upload_ends_at_the_deadline_whatever_still_comes():
    def answer(handler):
        return 202, {"Location": "/v2/upload"}, b""

    registry_deadline = Deadline(0.2)

    def endless():
        while True:
            yield b"x" * 65536

    with answering(answer) as settings, pytest.raises(RegistryUnavailable):
        Registry(settings, registry_deadline).upload("team/resnet50", endless(), 1 << 40)
