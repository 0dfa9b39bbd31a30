"""
The work queue: keys to reconcile, each once, with back-off.

Whatever happens in the cluster ends as a key in here, and a fixed number of workers takes keys out. A key
that waits already is not added twice; a key that is being worked on is kept until that work ends, so no
key ever runs twice at once. Failures come back later and later, with jitter. The queue knows nothing of
Kubernetes: who adds keys can change without touching what is behind it.
"""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ignition_hub.wire.back_off import BackOff

K = TypeVar("K", bound=Hashable)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Again:
    """When to work on a key again, besides when something asks for it."""

    seconds: float | None = None
    back_off: bool = False
    """As after a failure: later every time."""


class WorkQueue(Generic[K]):
    """A de-duplicating queue of keys; all its methods belong to one event loop."""

    def __init__(self, *, back_off: BackOff | None = None) -> None:
        self._back_off = back_off or BackOff()
        self._waiting: OrderedDict[K, float] = OrderedDict()
        self._running: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._arrival = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)

    def add(self, key: K) -> None:
        """Ask for ``key`` to be worked on, as soon as a worker is free."""
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = self._now()
            self._arrival.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Ask for ``key`` no later than in ``seconds``: an earlier appointment stays."""
        at = self._now() + seconds
        pending = self._timers.get(key)
        if pending is not None:
            if pending.when() <= at:
                return
            pending.cancel()
        self._timers[key] = asyncio.get_running_loop().call_at(at, self._appointment, key)

    def retry(self, key: K) -> None:
        """Bring ``key`` back after its next back-off."""
        self._failures[key] = self._failures.get(key, 0) + 1
        self.add_after(key, self._back_off.delay(self._failures[key]))

    def forget(self, key: K) -> None:
        """End the back-off of ``key``: its next failure counts as the first."""
        self._failures.pop(key, None)

    def hasten(self, chosen: Callable[[K], bool], *, within: float) -> None:
        """End the back-off of the ``chosen`` keys and work on them again, spread over ``within`` seconds."""
        for key in filter(chosen, list(self._failures)):
            self.forget(key)
            self.add_after(key, random.uniform(0.0, within))  # noqa: S311  # spreads load

    def oldest_age(self) -> float:
        """Return how many seconds the oldest waiting key has waited."""
        return self._now() - next(iter(self._waiting.values()), self._now())

    async def take(self) -> K:
        """
        Wait for a key and mark it running; ``finish`` must follow.

        It sees all that was to be looked at, so what it was to come back for before is done with.
        """
        while not self._waiting:
            self._arrival.clear()
            await self._arrival.wait()
        key, _ = self._waiting.popitem(last=False)
        self._running.add(key)
        if pending := self._timers.pop(key, None):
            pending.cancel()
        return key

    def finish(self, key: K) -> None:
        """End the work on ``key``; what was asked meanwhile makes it wait again."""
        self._running.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    async def work(self, reconcile: Callable[[K], Awaitable[Again]], *, workers: int = 32) -> None:
        """
        Reconcile keys until cancelled, ``workers`` at a time.

        ``reconcile`` returns when to look again, or raises, which counts as a failure of the key.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work_one_by_one(reconcile))

    async def _work_one_by_one(self, reconcile: Callable[[K], Awaitable[Again]]) -> None:
        while True:
            key = await self.take()
            try:
                again = await reconcile(key)
            except Exception as error:  # noqa: BLE001  # the outermost edge: one bad object must not end all work
                self._log_failure(key, error)
                self.retry(key)
            else:
                self._schedule(key, again)
            finally:
                self.finish(key)

    def _schedule(self, key: K, again: Again) -> None:
        if again.back_off:
            self.retry(key)
        else:
            self.forget(key)
        if again.seconds is not None:
            self.add_after(key, again.seconds)

    def _log_failure(self, key: K, error: Exception) -> None:
        expected = getattr(error, "status", None) is not None or getattr(error, "reason", None) is not None
        logger.warning(
            "reconciliation failed, it is retried: %s",
            error,
            extra={"key": str(key), "failures": self._failures.get(key, 0) + 1},
            exc_info=None if expected else error,
        )

    def _appointment(self, key: K) -> None:
        del self._timers[key]
        self.add(key)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
