"""
Where every part of one download stands: what the writers and the digest behind them agree on.

Writers claim parts in order and report bytes; the digest follows in order and waits for bytes. Writers
may run ahead by a bounded number of parts, so that the digest finds the pages still in memory and a
small memory limit is enough for a large engine.
"""

import threading
from dataclasses import dataclass

from ignition_hub.wire.deadline import Deadline

LONGEST_WAIT = 1.0
PATIENCE = 0.1
"""Seconds without a byte for the digest after which another writer begins."""


@dataclass(frozen=True, slots=True)
class DownloadPart:
    """Bytes ``start`` to ``stop`` (exclusive) of the file."""

    index: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.stop - self.start


def parts_of(size: int, part_size: int) -> tuple[DownloadPart, ...]:
    """Cut ``size`` bytes into parts of ``part_size``; the last may be shorter."""
    starts = range(0, size, part_size)
    return tuple(
        DownloadPart(index, start, min(size, start + part_size)) for index, start in enumerate(starts)
    )


class Stopped(Exception):
    """Another thread failed; leave quietly."""


class PartSchedule:
    """
    The state one download's threads share.

    ``ahead`` is how many parts writers may lead the digest by, and so how many of them write at most. While
    the digest waits for the wire, more connections may bring more: then they lead by up to ``most_ahead``.
    """

    def __init__(
        self, parts: tuple[DownloadPart, ...], finished: frozenset[int], ahead: int, most_ahead: int = 0
    ) -> None:
        self._parts, self._finished = parts, finished
        self._least_ahead, self._most_ahead = ahead, max(ahead, most_ahead)
        self._ahead = ahead
        self._written = [part.size if part.index in finished else 0 for part in parts]
        self._lock = threading.Lock()
        # Two conditions on one lock: a chunk that arrives must not wake the writers that wait for room.
        self._arrived = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._next = 0
        self._is_waited_for = False
        self._digested = 0
        self._failure: BaseException | None = None
        self.trouble: Exception | None = None
        """The last failed attempt since bytes last arrived: why a download that hangs does."""

    def claim(self, rank: int = 0) -> DownloadPart | None:
        """
        Return the next part nobody writes yet, None at the end; waits while writers are too far ahead.

        Of the writers, those of the lowest ``rank`` are used first.
        """
        with self._lock:
            while self._next < len(self._parts):
                self.leave_if_stopped()
                if rank >= self._ahead or self._next >= self._digested + self._ahead:
                    self._wait_for_room()
                    continue
                part = self._parts[self._next]
                self._next += 1
                if part.index not in self._finished:
                    return part
            return None

    def _wait_for_room(self) -> None:
        before = sum(self._written)
        is_quiet = not self._room.wait(PATIENCE) and sum(self._written) == before
        if is_quiet and self._is_waited_for:
            self._widen()

    def widen(self) -> None:
        """Let writers lead by one part more, if the digest has nothing to do: the wire was waited for."""
        with self._lock:
            if self._is_waited_for:
                self._widen()

    def _widen(self) -> None:
        if self._ahead < self._most_ahead:
            self._ahead += 1
            self._room.notify_all()

    def wrote(self, part: DownloadPart, count: int) -> None:
        """Note that the first ``count`` bytes of ``part`` are in the file."""
        with self._lock:
            self.leave_if_stopped()
            self._written[part.index] = count
            self.trouble = None
            if part.index == self._digested:
                self._arrived.notify_all()

    def fail(self, error: BaseException) -> None:
        """Stop everybody; the first failure is the one that counts."""
        with self._lock:
            self._failure = self._failure or error
            self._arrived.notify_all()
            self._room.notify_all()

    def bytes_beyond(self, part: DownloadPart, done: int, deadline: Deadline) -> int:
        """Wait until more than ``done`` bytes of ``part`` are in the file and return how many are."""
        with self._lock:
            while self._written[part.index] <= done:
                if self._failure is not None:
                    raise self._failure
                if deadline.passed:
                    raise TimeoutError
                self._is_waited_for = True
                self._arrived.wait(deadline.timeout(LONGEST_WAIT))
            self._is_waited_for = False
            return self._written[part.index]

    def digested(self, part: DownloadPart) -> None:
        """Note that the digest is past ``part``, which lets the writers go on."""
        with self._lock:
            self._digested = part.index + 1
            self._narrow()
            self._room.notify_all()

    def _narrow(self) -> None:
        # All is there that writers may lead by: the digest is slower than the wire.
        ahead = self._parts[self._digested : self._digested + self._ahead - 1]
        if self._ahead > self._least_ahead and all(self._written[part.index] == part.size for part in ahead):
            self._ahead -= 1

    @property
    def bytes_written(self) -> int:
        """How much of the file is there."""
        with self._lock:
            return sum(self._written)

    def leave_if_stopped(self) -> None:
        """Raise Stopped when another thread failed."""
        if self._failure is not None:
            raise Stopped
