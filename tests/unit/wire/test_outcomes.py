"""What is said of a call that brought no answer, where the error's own words would not help."""

import http.client
import ssl
from http.server import BaseHTTPRequestHandler

import pytest

from ignition_hub.wire.outcomes import explained
from loopback_certificate import loopback_certificate
from loopbackserver import LoopbackServer


class Silent(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass


def words_of(server):
    """Ask a server over TLS, with the authorities of the system; return what is said of the error."""
    connection = http.client.HTTPSConnection("127.0.0.1", server.server_port, timeout=5)
    with pytest.raises(ssl.SSLError) as caught:
        connection.request("GET", "/")
    connection.close()
    return explained(caught.value)


def test_a_server_without_tls_is_told_by_that():
    with LoopbackServer(Silent) as server:
        assert words_of(server) == "it does not speak TLS"


def test_a_certificate_is_told_with_what_is_wrong_with_it(tmp_path):
    loopback_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "tls.pem")

    with LoopbackServer(Silent, tls) as server:
        assert words_of(server) == "its certificate is not trusted (self-signed certificate)"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError("timed out"), "it did not answer in time"),
        (ConnectionRefusedError(111, "Connection refused"), "[Errno 111] Connection refused"),
        (http.client.IncompleteRead(b""), "IncompleteRead(0 bytes read)"),
        (ConnectionAbortedError(), "ConnectionAbortedError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_other_error_has_words(error, words):
    assert explained(error) == words
