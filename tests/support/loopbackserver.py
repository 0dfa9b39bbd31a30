"""
An HTTP server on the loopback, in threads of the test's process: what the stand-ins here are served by.

    with LoopbackServer(Handler) as server:
        server.url
"""

from __future__ import annotations

import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LoopbackServer(ThreadingHTTPServer):
    """A server on a free port, silent about clients that hang up: tests read what stands on stderr."""

    scheme = "http"

    def __init__(self, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        if tls is not None:
            self.speak_tls(tls)

    @property
    def url(self) -> str:
        """Where it is asked, without a path."""
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def speak_tls(self, tls: ssl.SSLContext) -> None:
        """Take TLS from here on."""
        self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print a fault of the stand-in, and nothing of a connection that ended."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Take no more connections; those that are open end with their clients."""
        self.shutdown()
        self.server_close()

    def __enter__(self) -> LoopbackServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
