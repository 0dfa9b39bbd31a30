"""How much of what is expensive is done at once, and how much of that for one caller."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator

from ignition_hub.engine.errors import Reason, TransientError


class ConcurrencyLimit:
    """At most ``most`` at once and ``each`` for one ``who``: nobody alone keeps the others out."""

    def __init__(self, what: str, *, most: int, each: int) -> None:
        self._what, self._most, self._each = what, most, each
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def one(self, who: str) -> Iterator[None]:
        """Hold a place until the block ends; TransientError, at once, when there is none."""
        if self._taken.total() >= self._most:
            raise self._full(f"{self._most} {self._what}")
        if self._taken[who] >= self._each:
            raise self._full(f"{self._each} {self._what} for {who}")
        self._taken[who] += 1
        try:
            yield
        finally:
            self._taken[who] -= 1
            if not self._taken[who]:
                del self._taken[who]

    def _full(self, those: str) -> TransientError:
        return TransientError(Reason.GatewayUnavailable, f"{those} are in progress", "try again")


class FairTurns:
    """At most ``each`` at once for one ``who``, whose others wait; ``most`` in all, waiting ones included."""

    def __init__(self, what: str, *, most: int, each: int) -> None:
        self._what, self._most, self._each = what, most, each
        self._pending: Counter[str] = Counter()
        self._all = 0
        self._turns: dict[str, asyncio.Semaphore] = {}

    @contextlib.asynccontextmanager
    async def one(self, who: str) -> AsyncIterator[None]:
        """
        Wait for a turn and hold it until the block ends.

        Raise TransientError, at once, when too many wait; one ``who`` has half of the places at most.
        """
        if self._all >= self._most or self._pending[who] >= self._most // 2:
            message = f"{self._pending[who]} {self._what} of {who} and {self._all} in all are pending"
            raise TransientError(Reason.GatewayUnavailable, message, "try again")
        self._pending[who] += 1
        self._all += 1
        try:
            async with self._turns.setdefault(who, asyncio.Semaphore(self._each)):
                yield
        finally:
            self._all -= 1
            self._pending[who] -= 1
            if not self._pending[who]:
                del self._pending[who], self._turns[who]
