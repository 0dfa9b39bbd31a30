"""
Connections: how long one may take to send its first request or stay idle, and how many may be silent.

aiohttp alone keeps an idle connection for an hour. A connection that is set up and sends nothing, or half a
header, costs its client nothing and the gateway a descriptor and the memory of TLS.
"""

import asyncio
import ssl
from asyncio import TimerHandle

from aiohttp import web

HANDSHAKE_SECONDS = 10.0
"""For each of the two handshakes of TLS: the one that opens a connection, and the one that closes it."""
FIRST_REQUEST_SECONDS = 30.0
"""From the connection to the end of its first header, the handshake included."""
IDLE_SECONDS = 100.0
"""Between requests: longer than the 90 s of Go's clients, so that the API server meets no closed one."""
SILENT_CONNECTIONS = 1024
"""The most that may be waited for; one more, and the one that was silent longest is closed."""


class Connections:
    """Makes the protocol of each connection of a server, and closes those that send no request."""

    def __init__(
        self,
        server: web.Server,
        *,
        seconds: float = FIRST_REQUEST_SECONDS,
        most: int = SILENT_CONNECTIONS,
    ) -> None:
        self._server, self._seconds, self._most = server, seconds, most
        self._silent: dict[web.RequestHandler, TimerHandle] = {}
        self._answer, server.request_handler = server.request_handler, self._heard

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        protocol = self._server()
        loop = asyncio.get_running_loop()
        self._silent[protocol] = loop.call_later(self._seconds, self._give_up, protocol)
        if len(self._silent) > self._most:
            self._give_up(next(iter(self._silent)))
        return protocol

    async def _heard(self, request: web.BaseRequest) -> web.StreamResponse:
        if (timer := self._silent.pop(request.protocol, None)) is not None:
            timer.cancel()
        return await self._answer(request)

    def _give_up(self, protocol: web.RequestHandler) -> None:
        self._silent.pop(protocol).cancel()
        # Without a transport it is still shaking hands, which has a limit of its own.
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
