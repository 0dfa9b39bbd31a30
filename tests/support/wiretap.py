"""
A wire on which a process is killed: a proxy before an HTTP server that counts writes, one of them the last.

    fate = Fate()
    with Wire.before("http://127.0.0.1:9000", kind_of_s3, fate) as wire:
        wire.address, fate.arm(process, dies_at=3, dies_after=False)

The process gets SIGKILL either before the chosen request leaves the wire, or when its answer is there and was
not passed on. Several wires may share one ``Fate``: all writes of a process have one order.
"""

import contextlib
import http.client
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopbackserver import LoopbackServer
from mortal import kind_of

KindOf = Callable[[str, str, Mapping[str, str]], str | None]
"""Takes method, target and headers of a request; returns what it writes, None when that counts as nothing."""

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "expect", "content-length"})


@dataclass
class Fate:
    """At which write, counted from 1, which process is killed; and what was written since it was armed."""

    dies_at: int | None = None
    dies_after: bool = False
    writes: list[str] = field(default_factory=list)
    _process: "subprocess.Popen[bytes] | None" = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(
        self, process: "subprocess.Popen[bytes]", dies_at: int | None = None, *, dies_after: bool = False
    ) -> None:
        """Count from here, and kill ``process`` at write ``dies_at``."""
        self._process, self.dies_at, self.dies_after, self.writes = process, dies_at, dies_after, []

    def is_last(self, kind: str | None) -> bool:
        """Count a write; tell whether it is the one to die at."""
        if kind is None:
            return False
        with self._lock:
            self.writes.append(kind)
            return len(self.writes) == self.dies_at

    def kill(self) -> None:
        """Kill the process, and return when it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@dataclass
class Wire:
    """A running proxy; make it with ``before``."""

    address: str

    @classmethod
    @contextlib.contextmanager
    def before(
        cls, server: str, kind: KindOf, fate: Fate, *, tls: ssl.SSLContext | None = None
    ) -> Iterator["Wire"]:
        """Run a proxy before ``server`` until the block ends; it speaks plain HTTP, and ``tls`` behind."""
        handler = type("Handler", (_Handler,), {"upstream": server, "kind": staticmethod(kind), "fate": fate})
        handler.tls = tls  # type: ignore[attr-defined]
        with LoopbackServer(handler) as proxy:
            yield cls(proxy.url)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: str
    kind: KindOf
    fate: Fate
    tls: ssl.SSLContext | None

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_last = self.fate.is_last(self.kind(self.command, self.path, self.headers))
        if is_last and not self.fate.dies_after:
            self.fate.kill()
            self.close_connection = True
            return
        with contextlib.closing(self._connected()) as connection:
            self._send(connection, body)
            answer = connection.getresponse()
            if is_last:
                answer.read()
                self.fate.kill()
                self.close_connection = True
                return
            self._answer(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815  # names of http.server

    def _connected(self) -> http.client.HTTPConnection:
        where = urlsplit(self.upstream)
        assert where.hostname
        if self.tls is not None:
            return http.client.HTTPSConnection(where.hostname, where.port, context=self.tls)
        return http.client.HTTPConnection(where.hostname, where.port)

    def _send(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        # The host too as it came: signatures of S3 cover it.
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        length = answer.getheader("Content-Length")
        if length is not None or self.command == "HEAD" or answer.status == 204:
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(answer.read())
            return
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        while chunk := answer.read1(65536):
            self.wfile.write(chunk)
            self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        pass


def kind_of_s3(method: str, target: str, headers: Mapping[str, str]) -> str | None:
    """Return what a request to an S3 server writes; None for reading, and for what a URL was signed for."""
    where = urlsplit(target)
    query = parse_qs(where.query, keep_blank_values=True)
    if method in {"GET", "HEAD"} or "X-Amz-Signature" in query:
        return None
    if method == "POST":
        return "complete upload" if "uploadId" in query else "begin upload"
    if method == "DELETE":
        return "abort upload" if "uploadId" in query else "delete object"
    if "partNumber" in query:
        return "put part"
    verb = "put new" if "If-None-Match" in headers else "replace" if "If-Match" in headers else "put"
    return f"{verb} {_document(where.path)}"


def kind_of_api(method: str, target: str, headers: Mapping[str, str]) -> str | None:
    """Return what a request to the API server writes."""
    del headers
    return kind_of(method, target)


def _document(key: str) -> str:
    names = {
        ".intoto.json": "provenance",
        ".trt.json": "manifest",
        "build.log": "log",
    }
    return next((name for ending, name in names.items() if key.endswith(ending)), "object")
