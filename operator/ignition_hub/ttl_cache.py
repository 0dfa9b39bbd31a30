"""
Answers worth keeping for a moment: a small cache in which one question is asked once.

A thousand engines of one model, and a thousand pods of one engine, ask the same things within a second. Only
answers are kept, never failures.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")


class TtlCache(Generic[Question, Answer]):
    """At most ``size`` answers, each for ``seconds``; who asks while one is on its way waits for it."""

    def __init__(
        self, *, seconds: float, size: int = 1024, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._size, self._clock = seconds, size, clock
        self._answers: OrderedDict[Question, tuple[float, Answer]] = OrderedDict()
        self._asked: dict[Question, asyncio.Task[Answer]] = {}

    async def get(self, question: Question, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the answer to ``question``, by ``ask`` when none is fresh; its errors are raised."""
        known = self._answers.get(question)
        if known is not None and self._clock() - known[0] < self._seconds:
            return known[1]
        task = self._asked.get(question)
        if task is None:
            task = self._asked[question] = asyncio.ensure_future(self._ask(question, ask))
            task.add_done_callback(lambda done: self._settle(question, done))
        # Shielded: who gives up waiting must not take the answer from the others.
        return await asyncio.shield(task)

    def forget(self, question: Question) -> None:
        """Have the next one ask again."""
        self._answers.pop(question, None)

    @property
    def asking(self) -> int:
        """How many questions are under way."""
        return len(self._asked)

    async def _ask(self, question: Question, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        answer = await ask()
        self._answers[question] = (self._clock(), answer)
        self._answers.move_to_end(question)
        if len(self._answers) > self._size:
            self._answers.popitem(last=False)
        return answer

    def _settle(self, question: Question, task: "asyncio.Task[Answer]") -> None:
        self._asked.pop(question, None)
        if not task.cancelled():
            # Retrieved here, because everybody who waited may have given up; they got it by raising.
            task.exception()
