"""
What a Service does, without kube-proxy: connections to one port go to several processes in turn.

A process that died is asked until it is taken out, as an endpoint is until the kubelet has noticed; a
connection that it refuses is reset, and nothing is tried again here.

    with Balancer.between(8443, 8444) as balancer:
        connect("127.0.0.1", balancer.port)
        balancer.take_out(8443)
"""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Iterator

HOST = "127.0.0.1"
CHUNK = 64 * 1024
SOON = 0.05
"""Seconds in which the loop closes what was ended."""


class Balancer:
    """Passes connections on; ``connections`` and ``refused`` count them."""

    def __init__(self, ports: tuple[int, ...]) -> None:
        self.port = 0
        self.connections = self.refused = 0
        self._ports = ports
        self._turns = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()

    @classmethod
    @contextlib.contextmanager
    def between(cls, *ports: int) -> Iterator["Balancer"]:
        """Listen in a thread of its own until the block ends."""
        balancer = cls(ports)
        thread = threading.Thread(target=balancer._loop.run_until_complete, args=(balancer._serve(),))
        thread.start()
        balancer._ready.wait()
        try:
            yield balancer
        finally:
            balancer._loop.call_soon_threadsafe(balancer._stop.set)
            thread.join()
            balancer._loop.close()

    def take_out(self, port: int) -> None:
        """Send no further connection to a process."""
        self._ports = tuple(one for one in self._ports if one != port)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._pass_on, HOST, 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(SOON)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Nothing is raised here: asyncio would log it, as it does when a connection is cancelled.
        self.connections += 1
        port = self._ports[next(self._turns) % len(self._ports)]
        try:
            answers, asked = await asyncio.open_connection(HOST, port)
        except (OSError, asyncio.CancelledError):
            self.refused += 1
            writer.transport.abort()
            return
        try:
            await asyncio.gather(_copy(reader, asked), _copy(answers, writer))
        except asyncio.CancelledError:
            writer.transport.abort()
            asked.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until one side ends; the other is then ended the same way."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        writer.close()
    except OSError:
        writer.transport.abort()
