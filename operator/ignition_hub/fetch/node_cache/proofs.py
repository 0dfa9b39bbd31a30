"""
Who may have an engine out of the cache: who shows a URL that the store accepts at this moment.

The store is asked, for one byte. So the cache gives nothing that its caller could not have had without it.
"""

import hashlib
import ssl
import threading
import time
from collections import OrderedDict

from ignition_hub.fetch.range_requests import RangeConnection, RangeSource
from ignition_hub.wire.address import Address
from ignition_hub.wire.deadline import Deadline

GOOD_SECONDS = 60.0
"""How long a URL that was accepted is not asked about again: one fetch makes a hundred requests."""
MOST_REMEMBERED = 4096
CALL_SECONDS = 10.0


def lies_below(address: Address, engines: Address) -> bool:
    """Tell whether an address is that of an object below ``engines``: another is never asked for."""
    path = address.target.partition("?")[0].lower()
    is_plain = ".." not in path and "%2e" not in path and "\\" not in path and "//" not in path
    return address.place == engines.place and address.target.startswith(engines.target) and is_plain


class StoreProofs:
    """The URLs that the store accepted lately, by digest: a URL is a secret, and is not kept."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._lock = threading.Lock()
        self._good: OrderedDict[bytes, float] = OrderedDict()

    def require(self, address: Address, size: int) -> None:
        """
        Return when the store gives an object of ``size`` bytes for this URL.

        Raises LinkExpired, Transient or FetchError, as the store answers.
        """
        key = hashlib.sha256(f"{address.place}{address.target} {size}".encode()).digest()
        with self._lock:
            if self._good.get(key, 0.0) > time.monotonic():
                return
        self._ask(RangeSource(address, self._tls, size))
        with self._lock:
            self._good[key] = time.monotonic() + GOOD_SECONDS
            self._good.move_to_end(key)
            while len(self._good) > MOST_REMEMBERED:
                self._good.popitem(last=False)

    def _ask(self, source: RangeSource) -> None:
        connection = RangeConnection(Deadline(CALL_SECONDS))
        try:
            for _ in connection.read(source, 0, 1, lambda: memoryview(bytearray(1))):
                pass
        finally:
            connection.disconnect()
