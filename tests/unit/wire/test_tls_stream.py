"""TLS for large answers: every byte arrives, in order, whatever the sizes, and an end is an end."""

import contextlib
import random
import socket
import ssl
import threading

import pytest

from ignition_hub.wire.address import Address, tls_context
from ignition_hub.wire.tls_stream import TlsStream
from loopback_certificate import loopback_certificate


@contextlib.contextmanager
def peers(folder, serve):
    """Give a stream to a server that runs ``serve`` on its own socket with TLS."""
    authority = loopback_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        accepted, _ = listener.accept()
        with contextlib.suppress(OSError), context.wrap_socket(accepted, server_side=True) as server:
            serve(server)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    wire = socket.create_connection(listener.getsockname(), timeout=10)
    stream = TlsStream(wire, tls_context(authority, only=True), "127.0.0.1")
    try:
        yield stream
    finally:
        stream.close()
        thread.join(10)
        listener.close()


def test_what_is_sent_in_pieces_of_any_size_is_read_in_buffers_of_any_size(tmp_path):
    chance = random.Random(7)
    sent = chance.randbytes(3_000_000)
    pieces = [chance.choice([1, 100, 16384, 16385, 200_000]) for _ in range(200)]

    def serve(server):
        at = 0
        for size in [*pieces, len(sent)]:
            server.sendall(sent[at : at + size])
            at += size

    with peers(tmp_path, serve) as stream, stream.makefile() as file:
        found = bytearray()
        while chunk := file.read(chance.choice([1, 8191, 70_000, 1_048_576])):
            found += chunk

    assert bytes(found) == sent


def test_what_is_written_arrives_whole(tmp_path):
    sent, heard = random.Random(8).randbytes(1_000_000), bytearray()

    def serve(server):
        while len(heard) < len(sent):
            heard.extend(server.recv(65536))
        server.sendall(b"all")

    with peers(tmp_path, serve) as stream, stream.makefile() as file:
        stream.sendall(sent)
        assert file.read(3) == b"all"

    assert bytes(heard) == sent


def test_a_stream_that_was_cut_off_ends(tmp_path):
    def serve(server):
        server.sendall(b"half")
        server.shutdown(socket.SHUT_RDWR)

    with peers(tmp_path, serve) as stream, stream.makefile() as file:
        assert file.read() == b"half"


def test_a_peer_that_says_nothing_is_waited_for_as_long_as_was_said(tmp_path):
    done = threading.Event()
    with peers(tmp_path, lambda _: done.wait(10)) as stream:
        stream.settimeout(0.05)
        with pytest.raises(TimeoutError):
            stream.recv_into(memoryview(bytearray(1)))
        done.set()


def test_the_socket_is_open_until_its_last_file_is_closed(tmp_path):
    with peers(tmp_path, lambda server: server.sendall(b"late")) as stream:
        file = stream.makefile()
        stream.close()
        assert file.read(4) == b"late"
        file.close()
        with pytest.raises(OSError, match="descriptor"):
            stream.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_authority_or_name_is_refused_and_the_socket_closed(tmp_path, host):
    authority = loopback_certificate(tmp_path)  # for 127.0.0.1 alone
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        accepted, _ = listener.accept()
        with contextlib.suppress(OSError), context.wrap_socket(accepted, server_side=True) as server:
            server.recv(1)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    trust = tls_context(authority if host == "localhost" else None, only=host == "localhost")
    connection = Address.of(f"https://{host}:{listener.getsockname()[1]}/").bulk_connection(trust, 10)
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.connect()
    assert connection.sock is None
    thread.join(10)
    listener.close()
