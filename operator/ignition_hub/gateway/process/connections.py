"""
Connections: how long one may take to send its first request, to read an answer or stay idle, and how many
may wait for a request.

aiohttp alone keeps an idle connection for an hour. A connection that is set up and sends nothing, half a
header, or nothing more, costs its client nothing, and the gateway 280 KiB: TLS has a buffer for each.
"""

import asyncio
import contextlib
import ssl
from asyncio import TimerHandle

from aiohttp import web

HANDSHAKE_SECONDS = 10.0
"""For each of the two handshakes of TLS: the one that opens a connection, and the one that closes it."""
FIRST_REQUEST_SECONDS = 30.0
"""From the connection to the end of its first header, the handshake included."""
IDLE_SECONDS = 100.0
"""Between requests: longer than the 90 s of Go's clients, so that the API server meets no closed one."""
ANSWER_SECONDS = 30.0
"""How long a client may take to read its answer."""
WAITING_CONNECTIONS = 1024
"""The most without a request under way; one more, and the one that has waited longest is closed."""


class Connections:
    """Makes the protocol of each connection, and closes those that wait too long or are too many."""

    def __init__(
        self,
        server: web.Server,
        *,
        seconds: float = FIRST_REQUEST_SECONDS,
        sending: float = ANSWER_SECONDS,
        most: int = WAITING_CONNECTIONS,
    ) -> None:
        self._server, self._seconds, self._sending, self._most = server, seconds, sending, most
        # In the order in which they began to wait; with a timer until the first request.
        self._waiting: dict[web.RequestHandler, TimerHandle | None] = {}
        self._answer, server.request_handler = server.request_handler, self._heard

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        protocol = self._server()
        timer = asyncio.get_running_loop().call_later(self._seconds, self._give_up, protocol)
        self._wait(protocol, timer)
        return protocol

    async def _heard(self, request: web.BaseRequest) -> web.StreamResponse:
        if (timer := self._waiting.pop(request.protocol, None)) is not None:
            timer.cancel()
        try:
            response = await self._answer(request)
            await self._send(request, response)
        finally:
            self._wait(request.protocol, None)
        return response

    async def _send(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        # Here, because aiohttp waits for ever for a client that reads nothing. Afterwards it finds the answer
        # sent, or meets the error of a lost connection again, and knows what to do with it.
        with contextlib.suppress(ConnectionError):
            try:
                async with asyncio.timeout(self._sending):
                    await response.prepare(request)
                    await response.write_eof()
            except TimeoutError:
                if request.transport is not None:
                    request.transport.abort()

    def _wait(self, protocol: web.RequestHandler, timer: TimerHandle | None) -> None:
        self._waiting[protocol] = timer
        if len(self._waiting) > self._most:
            self._forget_closed()
        while len(self._waiting) > self._most:
            self._give_up(next(iter(self._waiting)))

    def _forget_closed(self) -> None:
        # One without a transport is closed, or still shaking hands, which its timer tells.
        self._waiting = {
            protocol: timer
            for protocol, timer in self._waiting.items()
            if timer is not None or protocol.transport is not None
        }

    def _give_up(self, protocol: web.RequestHandler) -> None:
        if (timer := self._waiting.pop(protocol)) is not None:
            timer.cancel()
        # While it shakes hands there is nothing to close; that has a limit of its own.
        if protocol.transport is not None:
            protocol.force_close()


def runner_of(app: web.Application) -> web.AppRunner:
    """
    Return what runs an application: idle connections are closed, and the work of a client that left ends.

    What must not end with its client, such as a publication, is shielded where it is done.
    """
    return web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=1.0,
        keepalive_timeout=IDLE_SECONDS,
        handler_cancellation=True,
        auto_decompress=False,  # a body may be as large as it says, and not as large as it unpacks to
    )


async def listen(
    runner: web.AppRunner, host: str | None, port: int, context: ssl.SSLContext | None
) -> asyncio.Server:
    """Accept connections for an application that was set up; close the server to accept no more."""
    assert runner.server is not None
    seconds = HANDSHAKE_SECONDS if context else None
    return await asyncio.get_running_loop().create_server(
        Connections(runner.server),
        host,
        port,
        ssl=context,
        ssl_handshake_timeout=seconds,
        ssl_shutdown_timeout=seconds,
    )
