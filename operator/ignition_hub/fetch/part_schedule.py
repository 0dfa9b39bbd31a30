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
    """The state one download's threads share. ``ahead`` is how many parts writers may lead the digest by."""

    def __init__(self, parts: tuple[DownloadPart, ...], finished: frozenset[int], ahead: int) -> None:
        self._parts, self._finished, self._ahead = parts, finished, ahead
        self._written = [part.size if part.index in finished else 0 for part in parts]
        self._lock = threading.Lock()
        # Two conditions on one lock: a chunk that arrives must not wake the writers that wait for room.
        self._arrived = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._next = 0
        self._digested = 0
        self._failure: BaseException | None = None
        self.trouble: Exception | None = None
        """The last failed attempt since bytes last arrived: why a download that hangs does."""

    def claim(self) -> DownloadPart | None:
        """Return the next part nobody writes yet, None at the end; waits while writers are too far ahead."""
        with self._lock:
            while self._next < len(self._parts):
                self.leave_if_stopped()
                if self._next >= self._digested + self._ahead:
                    self._room.wait(LONGEST_WAIT)
                    continue
                part = self._parts[self._next]
                self._next += 1
                if part.index not in self._finished:
                    return part
            return None

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
                self._arrived.wait(deadline.timeout(LONGEST_WAIT))
            return self._written[part.index]

    def digested(self, part: DownloadPart) -> None:
        """Note that the digest is past ``part``, which lets the writers go on."""
        with self._lock:
            self._digested = part.index + 1
            self._room.notify_all()

    @property
    def bytes_written(self) -> int:
        """How much of the file is there."""
        with self._lock:
            return sum(self._written)

    def leave_if_stopped(self) -> None:
        """Raise Stopped when another thread failed."""
        if self._failure is not None:
            raise Stopped
