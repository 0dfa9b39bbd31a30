"""
Threads for the synchronous S3 calls, bounded on both sides.

At most ``threads`` run and ``waiting`` wait; a call beyond that is refused at once. A call that has not begun
when its caller leaves or its time is over never begins.
"""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from ignition_hub.store.errors import StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """A bounded thread pool whose calls have a deadline in seconds."""

    def __init__(self, *, name: str, threads: int, waiting: int, deadline: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        # Calls wait here and not in the pool, where one that nobody waits for would keep its place.
        self._free = asyncio.Semaphore(threads)
        self._most = threads + waiting
        self._deadline = deadline
        self._held = 0
        self.name = name

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``call`` does in a thread; StoreUnavailable when too many wait or it is late."""
        if self._held >= self._most:
            message = f"{self._most} requests to the store are pending"
            raise StoreUnavailable(message, "try again in a few seconds")
        try:
            async with asyncio.timeout(self._deadline):
                work = await self._begun(functools.partial(call, *args, **kwargs))
                # Shielded: a thread cannot be stopped, and its place is taken until it ends.
                return await asyncio.shield(work)
        except TimeoutError as error:
            raise StoreUnavailable(f"the store did not answer within {self._deadline:g} s") from error

    def close(self) -> None:
        """Let running calls end and start no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def held(self) -> int:
        """How many calls run or wait."""
        return self._held

    async def _begun(self, call: Callable[[], T]) -> "asyncio.Future[T]":
        self._held += 1
        try:
            await self._free.acquire()
        except asyncio.CancelledError:
            self._held -= 1
            raise
        work = asyncio.get_running_loop().run_in_executor(self._pool, call)
        work.add_done_callback(self._release)
        return work

    def _release(self, work: "asyncio.Future[T]") -> None:
        self._held -= 1
        self._free.release()
        if not work.cancelled():
            work.exception()  # looked at, or the loop complains about the error of a call nobody waits for
