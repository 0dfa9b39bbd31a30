"""
Threads for the synchronous S3 calls, bounded on both sides.

At most ``threads`` run and ``waiting`` wait; a call beyond that is refused at once.
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
        self._most = threads + waiting
        self._deadline = deadline
        self._held = 0
        self.name = name

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``call`` does in a thread; StoreUnavailable when too many wait or it is late."""
        if self._held >= self._most:
            message = f"{self._most} requests to the store are pending"
            raise StoreUnavailable(message, "try again in a few seconds")
        self._held += 1
        work = asyncio.get_running_loop().run_in_executor(
            self._pool, functools.partial(call, *args, **kwargs)
        )
        work.add_done_callback(self._release)
        try:
            async with asyncio.timeout(self._deadline):
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

    def _release(self, work: "asyncio.Future[T]") -> None:
        self._held -= 1
        if not work.cancelled():
            work.exception()  # looked at, or the loop complains about the error of a call nobody waits for
