"""
Whose turn is it: who waits for which identity, who may start in a build pool, and who is next.

A Job serves every engine of its identity, in any namespace, so it has no owner: it may go when every engine
was decided on and none wants it. A pool runs at most ``maxConcurrentBuilds`` builds. Its active Jobs are
counted from the cache; a claim covers the moment between the decision and the Job's appearance there.

Pure bookkeeping, and a shortcut: a restart rebuilds all of it from the Jobs and the resources. Identities are
known by as many digits as a label holds.
"""

from bisect import bisect_left, insort
from collections.abc import Collection, Hashable, Iterable
from typing import Generic, TypeVar

from ignition_hub.engine.naming import identity_label

K = TypeVar("K", bound=Hashable)

Turn = tuple[float, str]
"""When it was first asked for, and the identity."""


class BuildQueue(Generic[K]):
    """The identities that each key wants, and the claims and queues of all pools."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything, as a replica does that begins to lead."""
        self._wanted: dict[K, frozenset[str] | None] = {}
        self._keys: dict[str, dict[K, None]] = {}
        self._claims: dict[str, str] = {}
        self._queues: dict[str, list[Turn]] = {}
        self._turns: dict[str, tuple[str, Turn, K]] = {}

    def want(self, key: K, identities: Iterable[str] | None) -> frozenset[str]:
        """Note what ``key`` wants now, None while that is unknown; return the identities it lets go of."""
        before = self._wanted.get(key) or frozenset()
        if identities is None:
            # What it wanted before may still be what it wants.
            self._wanted.setdefault(key, None)
            return frozenset()
        now = frozenset(map(identity_label, identities))
        self._wanted[key] = now
        for identity in now - before:
            self._keys.setdefault(identity, {})[key] = None
        for identity in before - now:
            self._let_go(identity, key)
        return before - now

    def drop(self, key: K) -> frozenset[str]:
        """Forget ``key``; return the identities it lets go of."""
        released = self.want(key, ())
        self._wanted.pop(key, None)
        return released

    def keys_of(self, identity: str) -> list[K]:
        """Return who wants ``identity``."""
        return list(self._keys.get(identity_label(identity), {}))

    def all_known(self, keys: Iterable[K]) -> bool:
        """Tell whether it is known what every one of ``keys`` wants."""
        return all(self._wanted.get(key) is not None for key in keys)

    def claim(
        self, pool: str, identity: str, limit: int, *, busy: Collection[str], since: float, key: K
    ) -> int | None:
        """
        Claim a place for ``identity`` in ``pool``; None when it is granted, else how many are served before.

        ``busy`` are the identities of the pool's active Jobs. The claim holds until ``release``.
        """
        identity = identity_label(identity)
        ahead = self._ahead(pool, identity, since)
        if ahead < limit - self._others(pool, identity, busy):
            self._claims[identity] = pool
            self.leave(identity)
            return None
        self._wait(pool, identity, since, key)
        return ahead

    def release(self, identity: str) -> None:
        """End a claim: the Job is in the cache, or will not be."""
        self._claims.pop(identity_label(identity), None)

    def leave(self, identity: str) -> str:
        """Take ``identity`` out of its queue; return the pool whose queue it was, empty if it was in none."""
        standing = self._turns.pop(identity_label(identity), None)
        if standing is None:
            return ""
        pool, turn, _ = standing
        queue = self._queues[pool]
        del queue[bisect_left(queue, turn)]
        return pool

    def next_in(self, pool: str, count: int) -> list[K]:
        """Return who is to be woken when ``count`` places of ``pool`` are free."""
        return [self._turns[identity][2] for _, identity in self._queues.get(pool, [])[:count]]

    def waiting(self, pool: str) -> int:
        """Return how many builds wait in ``pool``."""
        return len(self._queues.get(pool, []))

    def _let_go(self, identity: str, key: K) -> None:
        keys = self._keys.get(identity, {})
        keys.pop(key, None)
        if not keys:
            self._keys.pop(identity, None)

    def _others(self, pool: str, identity: str, busy: Collection[str]) -> int:
        """Count what is built in ``pool`` besides ``identity``; claims are as few as there are workers."""
        claimed = sum(where == pool and one not in busy for one, where in self._claims.items())
        own = identity in busy or self._claims.get(identity) == pool
        return len(busy) + claimed - own

    def _ahead(self, pool: str, identity: str, since: float) -> int:
        standing = self._turns.get(identity)
        return bisect_left(self._queues.get(pool, []), standing[1] if standing else (since, identity))

    def _wait(self, pool: str, identity: str, since: float, key: K) -> None:
        standing = self._turns.get(identity)
        if standing is not None and standing[0] == pool:
            return
        self.leave(identity)
        turn = (since, identity)
        self._turns[identity] = (pool, turn, key)
        insort(self._queues.setdefault(pool, []), turn)
