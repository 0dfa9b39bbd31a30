"""
Bodies of requests while they arrive: so large, for so long, so many at once; then they are JSON objects.

Each is held in memory until its last byte. A body takes an honest client milliseconds, so where there are too
many the one that has been arriving longest is given up: clients that send slowly keep no others out.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from ignition_hub.engine.errors import ContractError, Reason, TransientError

KIB = 1024
MIB = 1024 * KIB
SMALL_BYTES = 64 * KIB
"""The largest body of a few fields."""
FAILURE_BYTES = MIB
"""The largest body of a failure, which quotes what TensorRT said of a model."""
COMPLETION_BYTES = 8 * MIB
"""The largest body with a builder's log and its account of the build."""
REVIEW_BYTES = 4 * MIB
"""The largest AdmissionReview: the API server takes no pod beyond 3 MiB."""


REVIEW_VALUES = 200_000
"""The most values of an AdmissionReview: a pod of 3 MiB with 16 bytes for each."""


class Bodies:
    """At most ``most`` bodies at once, each for at most ``seconds`` and of at most ``values`` JSON values."""

    def __init__(self, *, most: int, seconds: float, values: int | None = None) -> None:
        self._most, self._seconds, self._values = most, seconds, values
        self._arriving: dict[asyncio.Timeout, None] = {}

    async def read(self, request: web.Request, what: str, *, most: int) -> dict[str, Any]:
        """
        Return the JSON object of a body of at most ``most`` bytes; ``what`` is its name in messages.

        Raise ContractError for what is none or comes too slowly, HTTPRequestEntityTooLarge, and
        TransientError when later ones needed its place.
        """
        require_plain(request)
        if (size := request.content_length or 0) > most:
            raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=size)
        async with self._one(what):
            body = await request.clone(client_max_size=most).read()
        if self._values is not None and (found := values_in(body)) > self._values:
            raise ContractError(f"{what}: about {found} values", f"at most {self._values} are accepted")
        return json_object(body, what)

    @contextlib.asynccontextmanager
    async def _one(self, what: str) -> AsyncIterator[None]:
        ends = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(ends) as limit:
                self._make_room()
                self._arriving[limit] = None
                try:
                    yield
                finally:
                    self._arriving.pop(limit, None)
        except TimeoutError as error:
            if limit.when() != ends:
                message = f"{what}: more than {self._most} bodies are being received"
                raise TransientError(Reason.GatewayUnavailable, message, "try again") from error
            raise ContractError(f"{what}: the body was not received within {self._seconds:g} s") from error

    def _make_room(self) -> None:
        if len(self._arriving) >= self._most:
            oldest = next(iter(self._arriving))
            del self._arriving[oldest]
            if not oldest.expired():
                oldest.reschedule(asyncio.get_running_loop().time())


DOCUMENTS = web.AppKey("documents", Bodies)
"""Of callers whose token was reviewed."""
REVIEWS = web.AppKey("reviews", Bodies)
"""Of ``/mutate``, which asks nobody who they are."""


def limit_bodies(app: web.Application) -> None:
    """Give an application its places for bodies; those of strangers take none of the others'."""
    app[DOCUMENTS] = Bodies(most=32, seconds=20.0)
    # The API server waits for the answer for 5 s.
    app[REVIEWS] = Bodies(most=32, seconds=5.0, values=REVIEW_VALUES)


def require_plain(request: web.Request) -> None:
    """Raise ContractError for a body that is compressed: its length would not be that of its content."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise ContractError(f"Content-Encoding: {encoding!r:.80} is not accepted", "send the body as it is")


def values_in(body: bytes) -> int:
    """Return about how many values the JSON in ``body`` has, and no less than half, without parsing it."""
    # Parsing makes an object of each: 4 MiB of empty lists hold the loop for a good part of a second.
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def json_object(body: bytes, what: str) -> dict[str, Any]:
    """Return the JSON object in ``body``; an empty body is an empty object."""
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{what}: the body is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise ContractError(f"{what}: the body must be a JSON object")
    return document
