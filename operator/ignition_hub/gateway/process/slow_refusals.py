"""
Tokens that are refused, answered late and not all at once: who sends many waits, and costs others less.

A client that asks again as soon as it is answered has its pace set by the answers. They come after about a
second, each after another time, so that clients which began together do not go on together.
"""

import asyncio
import random

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ignition_hub.gateway.errors import TokenRejected

SECONDS = (0.5, 1.5)
MOST = 256
"""The most that wait at a time, for each holds a connection: one more is answered at once."""


def slow_refusals(seconds: tuple[float, float] = SECONDS, most: int = MOST) -> Middleware:
    """Return what holds back the refusals of tokens, each for a time between ``seconds``."""
    places = asyncio.Semaphore(most)

    @web.middleware
    async def held_back(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except TokenRejected:
            if not places.locked():
                async with places:
                    await asyncio.sleep(random.uniform(*seconds))  # noqa: S311  # spreads load
            raise

    return held_back
