"""
Several work queues as one: each kind of key has its own workers, so that no kind waits behind another.

Passes about engines ask the store, which may be slow or away; lifting the gate of a pod whose engine is ready
must not wait for them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, Protocol, TypeVar

from ignition_hub.controller.process.work_queue import Again, WorkQueue

K = TypeVar("K", bound=Hashable)


class KeyQueue(Protocol[K]):
    """What asks for keys to be worked on."""

    def add(self, key: K) -> None:
        """Ask for ``key`` to be worked on, as soon as a worker is free."""

    def add_after(self, key: K, seconds: float) -> None:
        """Ask for ``key`` no later than in ``seconds``."""

    def forget(self, key: K) -> None:
        """End the back-off of ``key``."""

    def hasten(self, chosen: Callable[[K], bool], *, within: float) -> None:
        """End the back-off of the ``chosen`` keys and work on them again, spread over ``within`` seconds."""


class Lanes(Generic[K]):
    """A queue for each lane; ``workers`` says how many work on it, ``lane_of`` which lane a key takes."""

    def __init__(self, lane_of: Callable[[K], str], workers: Mapping[str, int]) -> None:
        self._lane_of, self._workers = lane_of, workers
        self.lanes: Mapping[str, WorkQueue[K]] = {name: WorkQueue() for name in workers}

    def __len__(self) -> int:
        return sum(len(queue) for queue in self.lanes.values())

    def add(self, key: K) -> None:
        """Ask for ``key`` to be worked on, as soon as a worker of its lane is free."""
        self._queue(key).add(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Ask for ``key`` no later than in ``seconds``: an earlier appointment stays."""
        self._queue(key).add_after(key, seconds)

    def forget(self, key: K) -> None:
        """End the back-off of ``key``: its next failure counts as the first."""
        self._queue(key).forget(key)

    def hasten(self, chosen: Callable[[K], bool], *, within: float) -> None:
        """End the back-off of the ``chosen`` keys and work on them again, spread over ``within`` seconds."""
        for queue in self.lanes.values():
            queue.hasten(chosen, within=within)

    def oldest_age(self) -> float:
        """Return how many seconds the oldest waiting key of all lanes has waited."""
        return max(queue.oldest_age() for queue in self.lanes.values())

    async def work(self, reconcile: Callable[[K], Awaitable[Again]]) -> None:
        """Reconcile keys until cancelled, in all lanes at the same time."""
        async with asyncio.TaskGroup() as group:
            for name, queue in self.lanes.items():
                group.create_task(queue.work(reconcile, workers=self._workers[name]))

    def _queue(self, key: K) -> WorkQueue[K]:
        return self.lanes[self._lane_of(key)]
