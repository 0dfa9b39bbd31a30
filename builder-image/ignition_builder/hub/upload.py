"""
Put an engine into the store: parts in parallel, each repeated by itself, over URLs the gateway signed.

The builder has no key to the store; a URL of its own build is all it gets.
"""

import contextlib
import http.client
import io
import os
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from ignition_hub.engine.errors import IgnitionError, Reason, TransientError
from ignition_hub.engine.protocol import PART_BYTES, StartedUpload, UploadPart
from ignition_hub.wire.address import Address
from ignition_hub.wire.deadline import Deadline
from ignition_hub.wire.outcomes import LinkExpired, Transient, explained, is_passing
from ignition_hub.wire.presigned import is_expired

MOST_PARTS = 4000
THREADS = 4
CALL_SECONDS = 60.0
PATIENCE_SECONDS = 180.0
"""How long one part is repeated without success."""
CHUNK = 1024 * 1024


def part_size_for(size: int) -> int:
    """Return the bytes per part for an engine of ``size`` bytes: 16 MiB, more for very large ones."""
    least = -(-size // MOST_PARTS)
    return max(PART_BYTES, -(-least // CHUNK) * CHUNK)


class Uploader:
    """
    Sends the parts of one file with a few threads; leaving the ``with`` block stops them at once.

    ``count`` hears the fraction that was sent. ``patience`` is in seconds.
    """

    def __init__(
        self,
        path: Path,
        tls: ssl.SSLContext,
        count: Callable[[float], None],
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._path, self._tls, self._count, self._patience = path, tls, count, patience
        self._size = path.stat().st_size
        self._stop = threading.Event()
        self._open: set[http.client.HTTPConnection] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._sent = 0

    def __enter__(self) -> "Uploader":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with self._lock:
            for connection in self._open:
                _wake(connection)
        for thread in self._threads:
            thread.join(CALL_SECONDS)

    def send(self, upload: StartedUpload, part_size: int) -> list[str]:
        """
        Send every part and return their ETags in order.

        Raises LinkExpired, or TransientError (StoreUnavailable) when a part cannot be sent in time.
        """
        todo: queue.SimpleQueue[UploadPart] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[int, str] | Exception] = queue.SimpleQueue()
        for part in upload.parts:
            todo.put(part)
        for _ in range(min(THREADS, len(upload.parts))):
            thread = threading.Thread(target=self._work, args=(todo, done, part_size), daemon=True)
            self._threads.append(thread)
            thread.start()
        etags: dict[int, str] = {}
        while len(etags) < len(upload.parts):
            outcome = done.get()
            if isinstance(outcome, Exception):
                raise outcome
            etags[outcome[0]] = outcome[1]
        return [etags[part.number] for part in upload.parts]

    def _work(
        self,
        todo: "queue.SimpleQueue[UploadPart]",
        done: "queue.SimpleQueue[tuple[int, str] | Exception]",
        part_size: int,
    ) -> None:
        with contextlib.suppress(queue.Empty):
            while not self._stop.is_set():
                part = todo.get_nowait()
                try:
                    done.put((part.number, self._send_part(part, part_size)))
                except (IgnitionError, LinkExpired, ValueError) as error:
                    done.put(error)
                    return

    def _send_part(self, part: UploadPart, part_size: int) -> str:
        start = (part.number - 1) * part_size
        stop = min(start + part_size, self._size)
        deadline, attempt = Deadline(self._patience), 0
        while True:
            try:
                etag = self._put(Address.of(part.url), start, stop, deadline)
            except Transient as error:
                if self._stop.is_set() or deadline.passed:
                    raise TransientError(
                        Reason.StoreUnavailable, f"part {part.number} of the engine cannot be sent: {error}"
                    ) from error
                attempt += 1
                deadline.pause(attempt)
            else:
                self._note(stop - start)
                return etag

    def _put(self, target: Address, start: int, stop: int, deadline: Deadline) -> str:
        connection = target.connection(self._tls, deadline.timeout(CALL_SECONDS))
        with self._lock:
            self._open.add(connection)
        try:
            with self._path.open("rb") as file:
                body = _Slice(file, start, stop, self._stop)
                headers = {"Content-Length": str(stop - start)}
                connection.request("PUT", target.target, body=body, headers=headers)
                response = connection.getresponse()
                response.read()
            return _etag(response, target)
        except (OSError, http.client.HTTPException) as error:
            raise Transient(f"{target.place}: {explained(error)}") from error
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _note(self, size: int) -> None:
        with self._lock:
            self._sent += size
            self._count(self._sent / self._size)


class _Slice(io.RawIOBase):
    """The bytes from ``start`` to ``stop`` of a file, readable until the upload is stopped."""

    def __init__(self, file: io.BufferedReader, start: int, stop: int, stopped: threading.Event) -> None:
        self._file, self._left, self._stopped = file, stop - start, stopped
        file.seek(start, os.SEEK_SET)

    def read(self, size: int = -1) -> bytes:
        if self._stopped.is_set():
            raise ConnectionAbortedError("the upload was stopped")
        wanted = min(self._left, CHUNK if size < 0 else max(size, 64 * 1024))
        data = self._file.read(wanted)
        self._left -= len(data)
        return data


def _etag(response: http.client.HTTPResponse, target: Address) -> str:
    etag = response.headers.get("ETag", "")
    if response.status == http.client.OK and etag:
        return etag
    if response.status == http.client.NOT_FOUND or is_expired(target, response.status):
        raise LinkExpired(f"the store at {target.place} answered {response.status} to a part")
    if is_passing(response.status) or response.status == http.client.OK:
        raise Transient(f"{target.place} answered {response.status}")
    raise TransientError(
        Reason.StoreUnavailable, f"the store at {target.place} refuses a part with {response.status}"
    )


def _wake(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
