"""
One connection to the store, used for one byte range after another, of one engine after another.

This is the only place that talks to the bucket. It knows presigned URLs, partial answers and what each
status means for the download; it does not know files.
"""

import contextlib
import http.client
import re
import socket
import ssl
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from ignition_hub.engine.errors import Reason
from ignition_hub.fetch.arrivals import Arrivals
from ignition_hub.fetch.errors import FetchError
from ignition_hub.wire.address import Address
from ignition_hub.wire.deadline import Deadline
from ignition_hub.wire.outcomes import LinkExpired, Transient, explained, is_passing
from ignition_hub.wire.presigned import is_expired
from ignition_hub.wire.tls_stream import TlsStream

CALL_SECONDS = 30.0
CONNECTIONS = 8
"""How many connections a run has, for all its engines together."""
CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19})")


@dataclass(frozen=True, slots=True)
class RangeSource:
    """
    Where the bytes of one object are.

    ``size`` is the whole object's size in bytes, which every answer must confirm. ``is_spare`` where another
    place has them too: what fails there is not tried again. Where the bytes are still on their way there,
    and come in order, ``most_connections`` is 1: a second would wait for what the first has to read before.
    """

    address: Address
    tls: ssl.SSLContext
    size: int
    headers: Mapping[str, str] = field(default_factory=dict)
    is_spare: bool = False
    most_connections: int = CONNECTIONS


class RangeConnection:
    """A connection that is opened when first needed, and opened again after a failure or for another peer."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket.socket | TlsStream | None = None
        self._arrivals = Arrivals()
        self._peer = ""

    def disconnect(self) -> None:
        """Close the connection; the next read opens another."""
        self._arrivals.fail()
        if self._connection is not None:
            self._connection.close()
            self._connection = self._socket = None

    def abort(self) -> None:
        """Wake a thread that reads from this connection: its read fails now, not at the timeout."""
        # The connection itself forgets its socket where the answer is the last one on it.
        if (sock := self._socket) is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    @property
    def lags(self) -> bool:
        """Whether the reader was there for the last chunk before its bytes were."""
        return self._arrivals.lag

    def read(
        self, source: RangeSource, start: int, stop: int, take: Callable[[], memoryview]
    ) -> Generator[memoryview, None, None]:
        """
        Ask for bytes ``start`` to ``stop`` (exclusive) and fill one buffer of ``take`` after another.

        Yields what was filled of each. Raises Transient where another attempt may do, LinkExpired, or a
        FetchError that ends the run.
        """
        try:
            response = self._ask(source, start, stop)
            check(response, source, start, stop)
            left = stop - start
            while left:
                buffer = take()[:left]
                self._arrivals.expect(len(buffer), left - len(buffer))
                count = response.readinto(buffer)
                if not count:
                    raise Transient("the store closed the connection early")
                left -= count
                yield buffer[:count]
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise Transient(f"the store at {source.address.place}: {explained(error)}") from error

    def _ask(self, source: RangeSource, start: int, stop: int) -> http.client.HTTPResponse:
        if self._peer != source.address.place:
            self.disconnect()
        was_open = self._connection is not None
        try:
            return self._request(source, start, stop)
        except ConnectionError:
            # Servers close connections on which nothing was asked for a while.
            if not was_open:
                raise
            self.disconnect()
            return self._request(source, start, stop)

    def _request(self, source: RangeSource, start: int, stop: int) -> http.client.HTTPResponse:
        if self._connection is None:
            timeout = self._deadline.timeout(CALL_SECONDS)
            self._connection = source.address.bulk_connection(source.tls, timeout)
            self._peer = source.address.place
        asked = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        headers = {**source.headers, **asked}
        self._connection.request("GET", source.address.target, headers=headers)
        self._socket = self._connection.sock
        self._arrivals.begin(self._connection.sock)
        return self._connection.getresponse()


def check(response: http.client.HTTPResponse, source: RangeSource, start: int, stop: int) -> None:
    """Return for an answer that promises bytes ``start`` to ``stop`` of the object that was signed."""
    status, place = response.status, source.address.place
    if is_expired(source.address, status):
        raise LinkExpired(f"the store at {place} answered {status}")
    if is_passing(status):
        raise Transient(f"the store at {place} answered {status}")
    found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if status not in (http.client.PARTIAL_CONTENT, http.client.REQUESTED_RANGE_NOT_SATISFIABLE) or not found:
        raise refused(response, source)
    if int(found[3]) != source.size:
        raise other_size(source, int(found[3]))
    if status != http.client.PARTIAL_CONTENT:
        raise refused(response, source)
    if (found[1], found[2]) != (str(start), str(stop - 1)):
        raise Transient(f"the store at {place} answered {found[0]}, not bytes {start}-{stop - 1}")
    if response.length not in (None, stop - start):  # None: in chunks
        raise Transient(f"the store at {place} sends {response.length} bytes, not {stop - start}")


def refused(response: http.client.HTTPResponse, source: RangeSource) -> FetchError:
    """Build the error for an answer of the store that asking again does not change."""
    status = response.status
    is_redirect = http.client.MULTIPLE_CHOICES <= status < http.client.BAD_REQUEST
    if is_redirect or response.headers.get("Location"):
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
    elif status == http.client.PARTIAL_CONTENT:
        why, remedy = (
            "answered 206 without a Content-Range that names the size of the object",
            "Use a store that answers range requests as S3 does, and no proxy that changes its answers.",
        )
    else:
        why, remedy = f"answered {status}", "See the store's log for this request."
    return FetchError(Reason.StoreUnavailable, f"the store at {source.address.place} {why}", remedy)


def other_size(source: RangeSource, total: int) -> FetchError:
    """Build the error for an object that is not as long as the manifest says."""
    return FetchError(
        Reason.DigestMismatch,
        f"the object in the store has {total} bytes, its manifest says {source.size}",
        "The engine was changed in the bucket; request a rebuild and check who can write there.",
    )
