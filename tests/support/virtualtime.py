"""
An event loop whose clock jumps: when nothing is ready to run, it is at once the time of the next timer.

An hour of back-offs and appointments takes as long as the work that is done in it. For code that waits with
asyncio only: a socket or a thread would be jumped over.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


LEAST = 1e-6
"""Seconds before any timer: by a clock that stands still, one that is due at once would be due for ever."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that begins at second ``start`` of its own clock."""

    def __init__(self, start: float = 1000.0) -> None:
        self._at = start
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self._at

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return super().call_at(max(when, self._at + LEAST), callback, *args, context=context)

    def jump(self, seconds: float) -> None:
        self._at += seconds


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("every task waits for another: no timer is set")
        if not ready and timeout:
            self._loop.jump(timeout)
        return ready


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns, in a loop of its own; every task it leaves is cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
