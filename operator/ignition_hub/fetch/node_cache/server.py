"""
What the cache of a node answers, over HTTP.

``POST /v1/engines/<sha256>`` asks for an engine to be here: 200 when it is, 202 with the bytes that have
arrived while it is being fetched. ``GET`` of the same path gives one range of its bytes, those that are still
being fetched as they arrive. Both carry the presigned URL and the size that the gateway answered. Every other
answer sends the fetcher to the store.
``DELETE`` says that the bytes were wrong: they are read again, and removed if they are.
"""

import re
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO

from ignition_hub.engine.quoting import on_one_line
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.gateway import Resolved
from ignition_hub.fetch.lines import say
from ignition_hub.fetch.node_cache.proofs import StoreProofs, lies_below
from ignition_hub.fetch.node_cache.settings import CacheSettings
from ignition_hub.fetch.node_cache.shelf import EngineShelf, KeptEngine, NoRoom, NotHere
from ignition_hub.fetch.node_source import ARRIVING_HEADER, ENGINES_PATH, SIZE_HEADER, SOURCE_HEADER
from ignition_hub.wire.address import Address
from ignition_hub.wire.outcomes import LinkExpired, Transient

IDLE_SECONDS = 30.0
MOST_CONNECTIONS = 256
"""At a time; one more is closed at once, and its pod goes to the store."""
CHUNK = 256 * 1024
PATH = re.compile(f"{ENGINES_PATH}([0-9a-f]{{64}})")
RANGE = re.compile(r"bytes=(\d{1,19})-(\d{1,19})")


class CacheServer(ThreadingHTTPServer):
    """Listens for the pods of one node."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, settings: CacheSettings) -> None:
        self.settings = settings
        self.proofs = StoreProofs(settings.store_tls)
        self.shelf = EngineShelf(settings, say)
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(("", settings.port), CacheRequest)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread, or close it where too many have one."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread: one that is slow keeps no other waiting."""
        request.settimeout(IDLE_SECONDS)
        if self.settings.tls is None:
            super().finish_request(request, client_address)
            return
        with self.settings.tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in one line what a defect ended a connection with; clients that leave are usual."""
        if not isinstance(error := sys.exc_info()[1], OSError):
            say(on_one_line(f"connection closed: {error!r}"))


class CacheRequest(BaseHTTPRequestHandler):
    """One connection of a pod."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    server: CacheServer

    def do_POST(self) -> None:
        """Have an engine fetched, and say how far that is."""
        if (found := self._permitted()) is None:
            return
        try:
            kept = self.server.shelf.want(found)
        except NoRoom as error:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        else:
            if kept.failure:
                self._answer(HTTPStatus.BAD_GATEWAY, kept.failure)
            elif kept.ready:
                self._answer(HTTPStatus.OK, str(kept.done))
            else:
                self._answer(HTTPStatus.ACCEPTED, str(kept.done), ARRIVING_HEADER)

    def do_GET(self) -> None:
        """Give one range of an engine."""
        asked = RANGE.fullmatch(self.headers.get("Range", ""))
        if (found := self._permitted()) is None:
            return
        first, last = (int(asked[1]), int(asked[2])) if asked else (0, -1)
        if not first <= last < found.size:
            self._answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "one range within the engine is needed")
            return
        with self.server.shelf.reading(found) as kept:
            try:
                self._give(kept, first, last, found.size)
            except NotHere as error:
                self._answer(HTTPStatus.NOT_FOUND, str(error))

    def do_DELETE(self) -> None:
        """Look at an engine again that a pod found wrong."""
        if (found := self._permitted()) is not None:
            threading.Thread(target=self.server.shelf.doubt, args=(found,), daemon=True).start()
            self._answer(HTTPStatus.ACCEPTED, "it is read again")  # the pod does not wait for that

    def _permitted(self) -> Resolved | None:
        """Return the engine that is asked for, or answer why not."""
        try:
            found = self._asked_for()
            self.server.proofs.require(found.source, found.size)
        except ValueError as error:
            self._answer(HTTPStatus.BAD_REQUEST, str(error))
        except (LinkExpired, FetchError) as error:
            self._answer(HTTPStatus.FORBIDDEN, str(error))
        except Transient as error:
            self._answer(HTTPStatus.BAD_GATEWAY, str(error))
        else:
            return found
        return None

    def _asked_for(self) -> Resolved:
        path, size = PATH.fullmatch(self.path), self.headers.get(SIZE_HEADER, "")
        if path is None:
            raise ValueError(f"the path must be {ENGINES_PATH} and a SHA-256 in hex")
        if not re.fullmatch(r"[1-9]\d{0,18}", size, re.ASCII):
            raise ValueError(f"{SIZE_HEADER} must be a number of bytes")
        source = Address.of(self.headers.get(SOURCE_HEADER, ""))
        if not lies_below(source, self.server.settings.engines):
            raise ValueError(f"{SOURCE_HEADER} must be the URL of an engine in the hub's store")
        return Resolved(source, int(size), path[1], {})

    def _give(self, kept: KeptEngine | None, first: int, last: int, size: int) -> None:
        if kept is None:
            raise NotHere("the engine is not here")
        self.server.shelf.bytes_beyond(kept, first)
        with kept.open() as file:
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.send_header("Content-Length", str(last + 1 - first))
            self.end_headers()
            try:
                while first <= last:
                    stop = min(self.server.shelf.bytes_beyond(kept, first), last + 1)
                    self._send(file, first, stop)
                    first = stop
            except NotHere:
                self.close_connection = True  # its length was promised: this alone says that no more comes

    def _send(self, file: BinaryIO, start: int, stop: int) -> None:
        if self.server.settings.tls is None:
            self.connection.sendfile(file, start, stop - start)
            return
        file.seek(start)
        while chunk := file.read(min(CHUNK, stop - file.tell())):
            self.connection.sendall(chunk)

    def _answer(self, status: HTTPStatus, text: str, *marks: str) -> None:
        body = on_one_line(text).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for mark in marks:
            self.send_header(mark, "true")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: a fetch is a hundred requests."""
