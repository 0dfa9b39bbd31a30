"""How fast requests leave: what one process may cost the API server."""

import asyncio


class RateLimiter:
    """
    Space requests out: ``qps`` a second, ``burst`` at once after a rest, ``in_flight`` at a time.

    One waiting request books the next free moment, so requests leave in the order they asked.
    """

    def __init__(self, *, qps: float = 50.0, burst: int = 100, in_flight: int = 32) -> None:
        self._interval = 1.0 / qps
        self._allowance = burst * self._interval
        self._next = 0.0
        self._in_flight = asyncio.Semaphore(in_flight)

    async def __aenter__(self) -> None:
        await self._in_flight.acquire()
        try:
            await asyncio.sleep(self._book())
        except BaseException:
            self._in_flight.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._in_flight.release()

    def _book(self) -> float:
        now = asyncio.get_running_loop().time()
        at = max(self._next, now - self._allowance + self._interval)
        self._next = at + self._interval
        return max(0.0, at - now)
