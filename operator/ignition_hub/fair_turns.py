"""Turns for what is expensive: one that asks for much waits for itself, and others do not wait for it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

from ignition_hub.engine.errors import Reason, TransientError


class FairTurns:
    """At most ``each`` at once for one ``who``, whose others wait; ``most`` in all, waiting ones included."""

    def __init__(self, what: str, *, most: int, each: int, reason: Reason) -> None:
        self._what, self._most, self._each, self._reason = what, most, each, reason
        self._pending: Counter[str] = Counter()
        self._all = 0
        self._turns: dict[str, asyncio.Semaphore] = {}

    @contextlib.asynccontextmanager
    async def one(self, who: str) -> AsyncIterator[None]:
        """
        Wait for a turn and hold it until the block ends.

        Raise TransientError of the ``reason``, at once, when too many wait; one ``who`` has half of the
        places at most.
        """
        if self._all >= self._most or self._pending[who] >= self._most // 2:
            message = f"{self._pending[who]} {self._what} of {who} and {self._all} in all are pending"
            raise TransientError(self._reason, message, "try again")
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
