"""Whether a gateway may end: the requests under way, and whether it is being stopped."""

import asyncio


class RequestsInFlight:
    """Counts the requests under way; ``is_draining`` is set on SIGTERM."""

    def __init__(self) -> None:
        self.is_draining = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> None:
        self._under_way += 1
        self._idle.clear()

    def __exit__(self, *_: object) -> None:
        self._under_way -= 1
        if self._under_way == 0:
            self._idle.set()

    @property
    def under_way(self) -> int:
        """How many requests are under way."""
        return self._under_way

    async def idle(self, seconds: float) -> bool:
        """Wait until no request is under way, at most ``seconds``; tell whether none is."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
