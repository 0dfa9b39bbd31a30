"""A connection that sends no request does not stay open."""

import asyncio
import contextlib
import gzip
import ssl

from aiohttp import web

from gatewayprocess import write_certificate
from ignition_hub.gateway.process.connections import Connections, runner_of


@contextlib.asynccontextmanager
async def listening(context=None, slow=None, **bounds):
    """A server of a page, and of a slow one, and a function that connects to it."""

    async def page(_):
        return web.Response(text="here")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/slow", slow or page)
    runner = runner_of(app)
    await runner.setup()
    server = await asyncio.get_running_loop().create_server(
        Connections(runner.server, **bounds), "127.0.0.1", 0, ssl=context
    )
    connections = contextlib.AsyncExitStack()

    async def connect(**options):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), **options)
        connections.callback(writer.close)
        return reader, writer

    connect.server = runner.server
    try:
        async with asyncio.timeout(10), connections:
            yield connect
    finally:
        server.close()
        await runner.cleanup()


async def open_connections(server, number):
    for _ in range(5000):
        if len(server.connections) == number:
            return
        await asyncio.sleep(0.001)


async def ask(reader, writer):
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    await reader.readuntil(b"here")


async def test_a_connection_that_sends_nothing_is_closed():
    async with listening(seconds=0.05) as connect:
        reader, _ = await connect()

        assert await reader.read() == b""


async def test_a_connection_that_shakes_hands_and_sends_nothing_is_closed(tmp_path):
    write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))

    async with listening(context, seconds=0.2) as connect:
        reader, _ = await connect(ssl=trusting)

        assert await reader.read() == b""


async def test_a_connection_that_sends_half_a_header_is_closed():
    async with listening(seconds=0.05) as connect:
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nHost:")

        assert await reader.read() == b""


async def test_a_connection_that_was_heard_in_time_stays():
    async with listening(seconds=0.05) as connect:
        reader, writer = await connect()
        await ask(reader, writer)
        await asyncio.sleep(0.15)

        await ask(reader, writer)


async def test_one_silent_connection_too_many_closes_the_oldest():
    async with listening(seconds=60, most=2) as connect:
        oldest = await connect()
        newer = [await connect() for _ in range(2)]

        assert await oldest[0].read() == b""
        for each in newer:
            await ask(*each)


async def test_one_idle_connection_too_many_closes_the_one_that_was_idle_longest():
    async with listening(seconds=60, most=2) as connect:
        used, idle = await connect(), await connect()
        await ask(*idle)
        await ask(*used)
        await connect()

        assert await idle[0].read() == b""
        await ask(*used)


async def test_a_connection_whose_request_is_answered_is_closed_by_no_others():
    began, gate = asyncio.Event(), asyncio.Event()

    async def slow(_):
        began.set()
        await gate.wait()
        return web.Response(text="here")

    async with listening(slow=slow, seconds=60, most=1) as connect:
        reader, writer = await connect()
        writer.write(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
        await began.wait()
        for _ in range(3):
            await connect()
        gate.set()

        await reader.readuntil(b"here")


async def test_connections_that_were_closed_take_no_place():
    async with listening(seconds=60, most=2) as connect:
        kept = await connect()
        await ask(*kept)
        for _ in range(5):
            gone = await connect()
            await ask(*gone)
            gone[1].close()
            await open_connections(connect.server, 1)

        await ask(*kept)


async def test_a_body_is_as_large_as_it_says():
    async def slow(request):
        return web.Response(text=str(len(await request.read())))

    packed = gzip.compress(b"x" * 10_000)
    header = (
        f"GET /slow HTTP/1.1\r\nHost: here\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    )
    async with listening(slow=slow) as connect:
        reader, writer = await connect()
        writer.write(header.encode() + packed)

        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(str(len(packed)))) == str(len(packed)).encode()


async def test_the_work_of_a_client_that_left_ends():
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow(_):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with listening(slow=slow) as connect:
        _, writer = await connect()
        writer.write(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
        await began.wait()
        writer.close()

        await ended.wait()


async def test_a_client_that_does_not_read_its_answer_is_closed(caplog):
    async def slow(_):
        return web.Response(body=b"x" * (32 << 20))

    async with listening(slow=slow, sending=0.1) as connect:
        _, writer = await connect(limit=1024)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
        await open_connections(connect.server, 1)

        await open_connections(connect.server, 0)
        assert connect.server.connections == []
    assert caplog.text == ""


async def test_a_client_that_leaves_while_it_is_answered_is_no_defect(caplog):
    async def slow(request):
        request.transport.abort()
        return web.Response(body=b"x" * (1 << 20))

    async with listening(slow=slow) as connect:
        _, writer = await connect()
        writer.write(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
        await open_connections(connect.server, 1)
        await open_connections(connect.server, 0)
    assert caplog.text == ""
