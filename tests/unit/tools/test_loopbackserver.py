"""What a stand-in's server says of clients that hang up, and of its own faults."""

import contextlib
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler

from loopbackserver import LoopbackServer

RESET = struct.pack("ii", 1, 0)
"""Linger, for no seconds: closing sends a reset."""


@contextlib.contextmanager
def asking(answer):
    """Ask a server that answers by ``answer``; at the end wait until it has ended the connection."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

    class Server(LoopbackServer):
        def shutdown_request(self, request):
            super().shutdown_request(request)
            ended.set()

    with Server(Handler) as server, socket.create_connection(("127.0.0.1", server.server_port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        yield client
        assert ended.wait(10)


def test_nothing_is_said_of_a_client_that_hung_up(capfd):
    asked = threading.Event()

    def wait_for_more(handler):
        asked.set()
        handler.rfile.read(1)

    with asking(wait_for_more) as client:
        assert asked.wait(10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()

    assert capfd.readouterr() == ("", "")


def test_a_fault_of_the_stand_in_is_printed(capfd):
    with asking(lambda handler: handler.answer):
        pass

    assert "has no attribute 'answer'" in capfd.readouterr().err
