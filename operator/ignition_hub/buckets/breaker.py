"""
A store that does not answer is asked by one call now and then, and the others are told so at once.

Without it every pass waits for its own time-out: a thousand engines hold up all workers for minutes.
"""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ignition_hub.store.errors import StoreUnavailable

T = TypeVar("T")

FAILURES = 3
"""In a row, after which the store counts as away."""
SECONDS = 15.0
"""Between two calls to a store that counts as away."""


class Breaker:
    """Stands before the calls to one store."""

    def __init__(
        self,
        *,
        failures: int = FAILURES,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._seconds, self._clock = failures, seconds, clock
        self._failures = 0
        self._asked_again_at = 0.0
        self._why = ""

    @property
    def is_open(self) -> bool:
        """Tell whether the store counts as away."""
        return self._failures >= self._most

    async def run(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what ``ask`` does; StoreUnavailable, without asking, while the store counts as away."""
        self._require_turn()
        try:
            answer = await ask()
        except StoreUnavailable as error:
            self._failures += 1
            self._asked_again_at, self._why = self._clock() + self._seconds, error.message
            raise
        except Exception:
            self._failures = 0  # it answered
            raise
        self._failures = 0
        return answer

    def _require_turn(self) -> None:
        if not self.is_open:
            return
        now = self._clock()
        if now < self._asked_again_at:
            raise StoreUnavailable(self._why)
        # This call finds out for all others.
        self._asked_again_at = now + self._seconds
