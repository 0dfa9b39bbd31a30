"""
Whose turn is it: who waits for which identity, who may start in a build pool, and who is next.

A Job serves every engine of its identity, in any namespace, so it has no owner: it may go when every engine
was decided on and none wants it. A pool runs at most ``maxConcurrentBuilds`` builds. Its active Jobs are
counted from the cache; a claim covers the moment between the decision and the Job's appearance there. A build
that several namespaces wait for stands in the queue with the one whose turn is first.

Pure bookkeeping, and a shortcut: a restart rebuilds all of it from the Jobs and the resources. Identities are
known by as many digits as a label holds.
"""

from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ignition_hub.controller.policy.fair_order import FairOrder, Turn
from ignition_hub.controller.policy.views import BuildParameters
from ignition_hub.engine.naming import identity_label

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Standing(Generic[K]):
    """Where a build waits, and who is woken when it is its turn."""

    pool: str
    namespace: str
    turn: Turn
    key: K


class BuildQueue(Generic[K]):
    """The identities that each key wants, and the claims and queues of all pools."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything, as a replica does that begins to lead."""
        self._wanted: dict[K, frozenset[str] | None] = {}
        self._keys: dict[str, dict[K, None]] = {}
        self._parameters: dict[K, BuildParameters] = {}
        self._claims: dict[str, str] = {}
        self._orders: dict[str, FairOrder] = {}
        self._standing: dict[str, _Standing[K]] = {}

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
        self._parameters.pop(key, None)
        return released

    def ask(self, key: K, parameters: BuildParameters) -> None:
        """Note how ``key`` would have built what it wants; until ``drop``."""
        self._parameters[key] = parameters

    def asked_for(self, identity: str) -> list[BuildParameters]:
        """Return how those who want ``identity`` would have it built."""
        keys = self.keys_of(identity)
        return [self._parameters[key] for key in keys if key in self._parameters]

    def keys_of(self, identity: str) -> list[K]:
        """Return who wants ``identity``."""
        return list(self._keys.get(identity_label(identity), {}))

    def all_known(self, keys: Iterable[K]) -> bool:
        """Tell whether it is known what every one of ``keys`` wants."""
        return all(self._wanted.get(key) is not None for key in keys)

    def claim(
        self,
        pool: str,
        identity: str,
        limit: int,
        *,
        busy: Collection[str],
        since: float,
        namespace: str,
        weight: int,
        key: K,
    ) -> int | None:
        """
        Claim a place for ``identity`` in ``pool``; None when it is granted, else how many are served before.

        ``busy`` are the identities of the pool's active Jobs; ``key``, of ``namespace``, asked at ``since``.
        The namespace has ``weight`` places in a round of the queue. The claim holds until ``release``.
        """
        identity = identity_label(identity)
        order = self._orders.setdefault(pool, FairOrder())
        order.weigh(namespace, weight)
        standing = self._stand(order, _Standing(pool, namespace, (since, identity), key))
        ahead = order.ahead(standing.namespace, standing.turn)
        if ahead >= limit - self._others(pool, identity, busy):
            return ahead
        if self._is_at_work(pool, identity, busy):
            self.leave(identity)
        else:
            del self._standing[identity]
            order.serve(standing.namespace, standing.turn)
        self._claims[identity] = pool
        return None

    def release(self, identity: str) -> None:
        """End a claim: the Job is in the cache, or will not be."""
        self._claims.pop(identity_label(identity), None)

    def leave(self, identity: str) -> str:
        """Take ``identity`` out of its queue; return the pool whose queue it was, empty if it was in none."""
        standing = self._standing.pop(identity_label(identity), None)
        if standing is None:
            return ""
        self._orders[standing.pool].leave(standing.namespace, standing.turn)
        return standing.pool

    def withdraw(self, identity: str, key: K) -> str:
        """Take ``identity`` out of its queue if it stands there by ``key``; return as ``leave`` does."""
        standing = self._standing.get(identity_label(identity))
        return self.leave(identity) if standing is not None and standing.key == key else ""

    def next_in(self, pool: str, count: int) -> list[K]:
        """Return who is to be woken when ``count`` places of ``pool`` are free."""
        order = self._orders.get(pool)
        return [self._standing[identity].key for identity in order.first(count)] if order else []

    def waiting(self, pool: str) -> int:
        """Return how many builds wait in ``pool``."""
        return len(self._orders.get(pool, ()))

    def _let_go(self, identity: str, key: K) -> None:
        keys = self._keys.get(identity, {})
        keys.pop(key, None)
        if not keys:
            self._keys.pop(identity, None)

    def _others(self, pool: str, identity: str, busy: Collection[str]) -> int:
        """Count what is built in ``pool`` besides ``identity``; claims are as few as there are workers."""
        claimed = sum(where == pool and one not in busy for one, where in self._claims.items())
        return len(busy) + claimed - self._is_at_work(pool, identity, busy)

    def _is_at_work(self, pool: str, identity: str, busy: Collection[str]) -> bool:
        return identity in busy or self._claims.get(identity) == pool

    def _stand(self, order: FairOrder, asked: _Standing[K]) -> _Standing[K]:
        """Have a build wait as ``asked``, unless it waits in this pool and is not served later there."""
        identity = asked.turn[1]
        now = self._standing.get(identity)
        if now is not None and now.pool == asked.pool:
            ahead = order.ahead(now.namespace, now.turn)
            if ahead <= order.ahead(asked.namespace, asked.turn):
                return now
        self.leave(identity)
        order.enter(asked.namespace, asked.turn)
        self._standing[identity] = asked
        return asked
