"""How much of what is expensive is done at once, and how much of that for one caller."""

import contextlib
from collections import Counter
from collections.abc import Iterator

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
