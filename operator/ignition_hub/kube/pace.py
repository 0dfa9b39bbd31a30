"""How fast requests leave: what one process, or one part of it, may cost the API server."""

import asyncio
import math
import time

from ignition_hub.kube.errors import Unavailable


class RateLimiter:
    """
    Space requests out: ``qps`` a second, ``burst`` at once after a rest, ``in_flight`` at a time.

    One waiting request books the next free moment, so requests leave in the order they asked. With
    ``patience``, a request that did not leave within so many seconds fails with ``Unavailable``, and at once
    when more wait than could leave by then: what its caller would give up waiting for is not queued.

    ``left`` counts the requests that were sent, ``refused`` those that were not, and ``waited`` adds up the
    seconds that both waited; ``waiting`` do so now.
    """

    def __init__(
        self, *, qps: float = 50.0, burst: int = 100, in_flight: int = 32, patience: float | None = None
    ) -> None:
        self._interval = 1.0 / qps
        self._allowance = burst * self._interval
        self._next = 0.0
        self._patience = patience
        self._most = math.inf if patience is None else burst + qps * patience
        self.waiting, self.left, self.refused = 0, 0, 0
        self.waited = 0.0
        self._in_flight = asyncio.Semaphore(in_flight)

    async def __aenter__(self) -> None:
        if self.waiting >= self._most:
            self.refused += 1
            raise Unavailable(0, f"{self.waiting} requests to the API server are pending")
        self.waiting += 1
        since = time.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                await self._leave()
            self.left += 1
        except TimeoutError as error:
            self.refused += 1
            raise Unavailable(0, f"the request could not be sent within {self._patience:g} s") from error
        finally:
            self.waiting -= 1
            self.waited += time.monotonic() - since

    async def __aexit__(self, *_: object) -> None:
        self._in_flight.release()

    async def _leave(self) -> None:
        await self._in_flight.acquire()
        try:
            await asyncio.sleep(self._book())
        except BaseException:
            self._in_flight.release()
            raise

    def _book(self) -> float:
        now = asyncio.get_running_loop().time()
        at = max(self._next, now - self._allowance + self._interval)
        self._next = at + self._interval
        return max(0.0, at - now)
