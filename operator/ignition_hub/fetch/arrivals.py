"""
How bytes arrive on one connection: in few batches, and whether it is the wire that they are waited for.

A thread that is woken for each packet or record spends more on that than on what it then reads.
"""

import contextlib
import select
import socket
import time

from ignition_hub.wire.tls_stream import TlsStream

BATCH = 256 * 1024
"""Bytes that have to be in the socket before its reader is woken, where so many are still to come."""
LONGEST_RECORD = 17 * 1024
"""Of TLS: so many bytes may have left the socket and cannot be read before their record is whole."""
QUICK_SECONDS = 1.0
"""After a chunk that took longer the reader is woken for each byte: a batch might come after the timeout."""


class Arrivals:
    """``lag`` tells whether the reader was there for a chunk before the bytes of it were."""

    def __init__(self) -> None:
        self.lag = False
        self._is_quick = False
        self._began: float | None = None

    def begin(self, wire: socket.socket | TlsStream) -> None:
        """Note that an answer begins, on a connection that may be another than that of the last."""
        self._wire, self._woken_after, self._began = wire, 1, None

    def expect(self, count: int, beyond: int) -> None:
        """Prepare for reading ``count`` bytes, after which the answer has ``beyond`` more."""
        before, self._began = self._began, time.monotonic()
        if before is not None:
            self._is_quick = self._began - before < QUICK_SECONDS
        self._wake_after(BATCH if self._is_quick and beyond >= BATCH + LONGEST_RECORD else 1)
        is_late = self._woken_after == BATCH and not self._is_readable()
        # The first bytes of an answer are always waited for: the store looks for them.
        self.lag = before is not None and (is_late or not self._is_quick)

    def fail(self) -> None:
        """Note that bytes did not come: the next are not waited for in batches."""
        self._is_quick = False

    def _wake_after(self, count: int) -> None:
        if count != self._woken_after:
            with contextlib.suppress(OSError):  # not every system knows the option, and it is no need
                self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
                self._woken_after = count

    def _is_readable(self) -> bool:
        return bool(select.select([self._wire], [], [], 0)[0])
