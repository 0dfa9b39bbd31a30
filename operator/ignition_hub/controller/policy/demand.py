"""
Who waits for which identity: what wakes whom, and which Jobs nobody waits for. Pure bookkeeping.

A Job serves every engine of its identity, in any namespace, so it has no owner. It may go when every engine
was judged and none wants it; while one of them cannot be judged (the store is away), nothing is collected.
"""

from collections.abc import Collection, Hashable, Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

DIGITS = 32
"""As much of an identity as a label, and a Job's name, holds."""


class Demand(Generic[Key]):
    """The identities (32 digits) that each key wants; None while they are unknown."""

    def __init__(self) -> None:
        self._wanted: dict[Key, frozenset[str] | None] = {}
        self._keys: dict[str, dict[Key, None]] = {}

    def set(self, key: Key, identities: Iterable[str] | None) -> frozenset[str]:
        """Note what ``key`` wants now; return the identities it lets go of."""
        before = self._wanted.get(key) or frozenset()
        if identities is None:
            # What it wanted before may still be what it wants.
            self._wanted.setdefault(key, None)
            return frozenset()
        now = frozenset(identity[:DIGITS] for identity in identities)
        self._wanted[key] = now
        self._move(key, before - now, now - before)
        return before - now

    def drop(self, key: Key) -> frozenset[str]:
        """Forget ``key``; return the identities it lets go of."""
        released = self.set(key, ())
        self._wanted.pop(key, None)
        return released

    def keys_of(self, identity: str) -> list[Key]:
        """Return who wants ``identity``."""
        return list(self._keys.get(identity[:DIGITS], {}))

    def all_known(self, keys: Collection[Key]) -> bool:
        """Tell whether it is known what every one of ``keys`` wants."""
        return all(self._wanted.get(key) is not None for key in keys)

    def _move(self, key: Key, released: Iterable[str], wanted: Iterable[str]) -> None:
        for identity in released:
            keys = self._keys.get(identity, {})
            keys.pop(key, None)
            if not keys:
                self._keys.pop(identity, None)
        for identity in wanted:
            self._keys.setdefault(identity, {})[key] = None
