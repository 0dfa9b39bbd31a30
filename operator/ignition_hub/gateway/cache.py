"""A small bounded memory of answers that may be a few seconds old."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Expiring(Generic[V]):
    """
    Remember what an asynchronous question answered, for ``seconds``, for at most ``size`` keys.

    Who asks while the same question is already under way waits for its answer. Errors are not remembered.
    """

    def __init__(self, *, seconds: float, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._size = size
        self._clock = clock
        self._answers: OrderedDict[str, tuple[float, V]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[V]] = {}

    async def get(self, key: str, ask: Callable[[], Awaitable[V]]) -> V:
        """Return the remembered answer for ``key``, or ask."""
        known = self._answers.get(key)
        if known is not None and known[0] > self._clock():
            return known[1]
        task = self._asking.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask(key, ask))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        # Shielded: one caller that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    def forget(self, key: str) -> None:
        """Drop what is remembered for ``key``."""
        self._answers.pop(key, None)

    async def _ask(self, key: str, ask: Callable[[], Awaitable[V]]) -> V:
        answer = await ask()
        self._answers[key] = (self._clock() + self._seconds, answer)
        self._answers.move_to_end(key)
        while len(self._answers) > self._size:
            self._answers.popitem(last=False)
        return answer

    @property
    def asking(self) -> int:
        """How many questions are under way."""
        return len(self._asking)
