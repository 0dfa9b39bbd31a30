"""
Places in the build pools: who may start, who waits and who is next.

A pool runs at most ``maxConcurrentBuilds`` builds. Its active Jobs are counted from the mirror; a claim
covers the moment between the decision and the Job's appearance there. All state here is a shortcut that a
restart rebuilds from the Jobs and the resources.
"""

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

Turn = tuple[float, str]
"""When it was first asked for, and the identity."""


class Slots(Generic[Key]):
    """Claims and queues of all pools."""

    def __init__(self) -> None:
        self._claims: dict[str, str] = {}
        self._queues: dict[str, list[Turn]] = {}
        self._turns: dict[str, tuple[str, Turn]] = {}
        self._keys: dict[str, Key] = {}

    def claim(
        self, pool: str, identity: str, limit: int, *, busy: Iterable[str], since: float, key: Key
    ) -> int | None:
        """
        Claim a place for ``identity`` in ``pool``; None when it is granted, else how many are served before.

        ``busy`` are the identities of the pool's active Jobs. The claim holds until ``release``.
        """
        others = {one for one, where in self._claims.items() if where == pool} | set(busy)
        free = limit - len(others - {identity})
        ahead = self._ahead(pool, identity, since)
        if ahead < free:
            self._claims[identity] = pool
            self.leave(identity)
            return None
        self._wait(pool, identity, since, key)
        return ahead

    def release(self, identity: str) -> None:
        """End a claim: the Job is in the mirror, or will not be."""
        self._claims.pop(identity, None)

    def leave(self, identity: str) -> bool:
        """Take ``identity`` out of its queue; tell whether it was in one."""
        pool, turn = self._turns.pop(identity, ("", (0.0, "")))
        self._keys.pop(identity, None)
        queue = self._queues.get(pool)
        if queue:
            at = bisect_left(queue, turn)
            if at < len(queue) and queue[at] == turn:
                del queue[at]
                return True
        return False

    def next_in(self, pool: str, count: int) -> list[Key]:
        """Return who is to be woken when ``count`` places of ``pool`` are free."""
        return [self._keys[identity] for _, identity in self._queues.get(pool, [])[:count]]

    def _ahead(self, pool: str, identity: str, since: float) -> int:
        turn = self._turns.get(identity, (pool, (since, identity)))[1]
        return bisect_left(self._queues.get(pool, []), turn)

    def _wait(self, pool: str, identity: str, since: float, key: Key) -> None:
        standing = self._turns.get(identity)
        if standing is not None and standing[0] == pool:
            return
        self.leave(identity)
        turn = (since, identity)
        self._turns[identity] = (pool, turn)
        self._keys[identity] = key
        insort(self._queues.setdefault(pool, []), turn)
