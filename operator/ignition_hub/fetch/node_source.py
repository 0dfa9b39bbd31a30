"""
An engine out of the cache of the node, where the hub runs one: the same bytes, from nearer.

The cache is a favour: whatever it answers, says or does not say, the store has the engine too. It gets the
presigned URL, which is good for this engine alone and a short time, and never the pod's token.
"""

import contextlib
import http.client
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ignition_hub.fetch.range_requests import RangeSource
from ignition_hub.wire.address import Address
from ignition_hub.wire.deadline import Deadline
from ignition_hub.wire.outcomes import explained

ENGINES_PATH = "/v1/engines/"
SOURCE_HEADER = "Ignition-Source"
SIZE_HEADER = "Ignition-Size"
ARRIVING_HEADER = "Ignition-Arriving"
"""Of a 202: ranges of the engine may be asked for at once, and are given as its bytes arrive."""
CONNECT_SECONDS = 2.0
"""For the node's own: where none listens, a Service of the node alone leaves the caller waiting."""
CALL_SECONDS = 15.0
STUCK_SECONDS = 30.0
"""How long the cache may bring no byte of an engine before the fetcher goes to the store itself."""
POLL_SECONDS = 0.2
LONGEST_ANSWER = 1024
NOTHING = "0"
"""A cache's word for the bytes of an engine that it has, when there are none yet."""


@dataclass(frozen=True, slots=True)
class NodeCache:
    """Where the cache of this node is."""

    address: Address
    tls: ssl.SSLContext

    def source_of(
        self, origin: RangeSource, sha256: str, deadline: Deadline, tell: Callable[[str], None]
    ) -> RangeSource | None:
        """
        Return where the cache has the object of ``origin``, or has it arriving; None if it is of no use.

        A cache of an older release gives nothing before it has all.
        """
        source = self._source(origin, sha256)
        done, moved = "", time.monotonic()
        while not deadline.passed and time.monotonic() - moved < STUCK_SECONDS:
            try:
                status, text, is_arriving = self._ask(source, deadline)
            except (OSError, http.client.HTTPException) as error:
                status, text, is_arriving = 0, explained(error), False
            if status == http.client.OK:
                return source
            if status != http.client.ACCEPTED:
                tell(f"the cache of this node is not used: {text}")
                return None
            if is_arriving and text != NOTHING:
                return replace(source, most_connections=1)
            if text != done:
                done, moved = text, time.monotonic()
            time.sleep(min(POLL_SECONDS, deadline.left))
        tell(f"the cache of this node is not used: it has {done or 'no'} bytes and brings no more")
        return None

    def doubt(self, origin: RangeSource, sha256: str, deadline: Deadline) -> None:
        """Tell the cache that its bytes were wrong, so that the next pod does not fetch them in vain."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._ask(self._source(origin, sha256), deadline, "DELETE")

    def _source(self, origin: RangeSource, sha256: str) -> RangeSource:
        address = replace(self.address, target=f"{ENGINES_PATH}{sha256}")
        headers = {SOURCE_HEADER: origin.address.url, SIZE_HEADER: str(origin.size)}
        return RangeSource(address, self.tls, origin.size, headers, is_spare=True)

    def _ask(self, source: RangeSource, deadline: Deadline, method: str = "POST") -> tuple[int, str, bool]:
        connection = source.address.connection(self.tls, deadline.timeout(CONNECT_SECONDS))
        try:
            connection.connect()
            connection.sock.settimeout(deadline.timeout(CALL_SECONDS))
            connection.request(method, source.address.target, headers=dict(source.headers))
            response = connection.getresponse()
            text = response.read(LONGEST_ANSWER).decode("ascii", "replace")
            return response.status, text, ARRIVING_HEADER in response.headers
        finally:
            connection.close()
