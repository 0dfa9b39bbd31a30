"""
One connection to the store, used for one byte range after another.

This is the only place that talks to the bucket. It knows presigned URLs, partial answers and what each
status means for the download; it does not know files.
"""

import contextlib
import http.client
import re
import socket
import ssl
from collections.abc import Generator

from ignition_hub.engine.errors import Reason
from ignition_hub.fetch.errors import FetchError
from ignition_hub.wire.address import Address
from ignition_hub.wire.deadline import Deadline
from ignition_hub.wire.outcomes import LinkExpired, Transient, explained, is_passing

CALL_SECONDS = 30.0
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class RangeConnection:
    """
    A connection that is opened when first needed and opened anew after a failure.

    ``size`` is the whole object's size in bytes, which every answer must confirm.
    """

    def __init__(self, source: Address, tls: ssl.SSLContext, size: int, deadline: Deadline) -> None:
        self._source, self._tls, self._size, self._deadline = source, tls, size, deadline
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> "RangeConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def disconnect(self) -> None:
        """Close the connection; the next read opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abort(self) -> None:
        """Wake a thread that reads from this connection: its read fails now, not at the timeout."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def read(self, start: int, stop: int, buffer: memoryview) -> Generator[int, None, None]:
        """
        Ask for bytes ``start`` to ``stop`` (exclusive) and fill ``buffer`` again and again.

        Yields how many bytes lie in ``buffer``. Raises Transient where another attempt may do,
        LinkExpired, or a FetchError that ends the run.
        """
        try:
            response = self._ask(start, stop)
            self._check(response, start, stop)
            left = stop - start
            while left:
                count = response.readinto(buffer[: min(len(buffer), left)])
                if not count:
                    raise Transient("the store closed the connection early")
                left -= count
                yield count
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise Transient(f"the store at {self._source.place}: {explained(error)}") from error

    def _ask(self, start: int, stop: int) -> http.client.HTTPResponse:
        if self._connection is None:
            timeout = self._deadline.timeout(CALL_SECONDS)
            self._connection = self._source.connection(self._tls, timeout)
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        self._connection.request("GET", self._source.target, headers=headers)
        return self._connection.getresponse()

    def _check(self, response: http.client.HTTPResponse, start: int, stop: int) -> None:
        status = response.status
        if status == http.client.FORBIDDEN:
            raise LinkExpired(f"the store at {self._source.place} answered 403")
        if is_passing(status):
            raise Transient(f"the store at {self._source.place} answered {status}")
        if status != http.client.PARTIAL_CONTENT:
            raise self._refused(status, response.headers.get("Location"))
        found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        first, last, total = (int(number) for number in found.groups()) if found else (-1, -1, -1)
        if total != self._size:
            raise self._other_size(total)
        if (first, last) != (start, stop - 1):
            raise Transient(f"the store answered bytes {first}-{last}, not {start}-{stop - 1}")

    def _refused(self, status: int, location: str | None) -> FetchError:
        if location or http.client.MULTIPLE_CHOICES <= status < http.client.BAD_REQUEST:
            why, remedy = (
                f"answered {status}, a redirect",
                "Redirects are refused: correct s3.endpoint or s3.region.",
            )
        elif status == http.client.NOT_FOUND:
            why, remedy = (
                "has no such object (404)",
                "The engine was removed from the bucket; request a rebuild.",
            )
        elif status == http.client.OK:
            why, remedy = "ignores byte ranges (200)", "Use a store that supports range requests, as S3 does."
        else:
            why, remedy = f"answered {status}", "See the store's log for this request."
        return FetchError(Reason.StoreUnavailable, f"the store at {self._source.place} {why}", remedy)

    def _other_size(self, total: int) -> FetchError:
        return FetchError(
            Reason.DigestMismatch,
            f"the object in the store has {total} bytes, its manifest says {self._size}",
            "The engine was changed in the bucket; request a rebuild and check who can write there.",
        )
