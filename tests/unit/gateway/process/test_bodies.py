"""Bodies are bounded in size, time and number, and slow ones keep no others out."""

import asyncio
import contextlib
import gzip

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from ignition_hub.engine.errors import ContractError
from ignition_hub.gateway.errors import translate_errors
from ignition_hub.gateway.process import bodies as bodies_
from ignition_hub.gateway.process.bodies import Bodies, json_object, values_in


@contextlib.asynccontextmanager
async def served(bodies, most=100):
    """A server that reads one document and answers with it, and how many bodies it is reading."""

    async def read(request):
        return web.json_response(await bodies.read(request, "progress", most=most))

    app = web.Application(middlewares=[translate_errors])
    app.router.add_post("/", read)
    async with TestServer(app) as server, ClientSession() as session:
        yield lambda data, **headers: session.post(server.make_url("/"), data=data, headers=headers)


async def answer(response):
    async with response as received:
        return received.status, await received.json()


async def dripping(gate):
    """A body whose end comes when the gate opens."""
    yield b"{"
    await gate.wait()
    yield b"}"


async def arriving(bodies, number):
    for _ in range(5000):
        if len(bodies._arriving) == number:
            return
        await asyncio.sleep(0.001)


async def test_a_body_that_does_not_come_is_given_up():
    bodies = Bodies(most=2, seconds=0.05)
    async with served(bodies) as post:
        status, body = await answer(post(dripping(asyncio.Event())))

    assert (status, body["message"]) == (400, "progress: the body was not received within 0.05 s")
    assert not bodies._arriving


@pytest.mark.parametrize("data", [b" " * 101, pytest.param(iter([b" " * 101]), id="chunked")])
async def test_a_body_beyond_its_bound_is_refused(data):
    async def chunks():
        for chunk in data:
            yield chunk

    async with served(Bodies(most=1, seconds=5)) as post:
        status, _ = await answer(post(data if isinstance(data, bytes) else chunks()))

    assert status == 413


async def test_a_body_that_announces_too_much_is_refused_before_it_is_read():
    bodies = Bodies(most=1, seconds=5)
    async with served(bodies) as post, asyncio.timeout(4):
        bodies._make_room = None  # reading would begin with this
        status, _ = await answer(post(b" " * 101))

    assert status == 413


@pytest.mark.parametrize("list_", ["[], " * 99, "{}, " * 99, "[" * 99 + "]" * 99 + ", "])
async def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(list_, monkeypatch):
    monkeypatch.setattr(bodies_, "json_object", None)
    async with served(Bodies(most=1, seconds=5, values=90), most=1000) as post:
        status, body = await answer(post(f'{{"a": [{list_}[]]}}'.encode()))

    assert (status, body["reason"]) == (400, "InvalidRequest")
    assert "at most 90 are accepted" in body["message"]


def test_values_are_counted():
    assert values_in(b'{"a": [1, 2, {"b": null}], "c": []}') == 7
    assert values_in(b"{}") == 1


async def test_a_compressed_body_is_refused():
    headers = {"Content-Encoding": "gzip"}
    async with served(Bodies(most=1, seconds=5)) as post:
        status, body = await answer(post(gzip.compress(b"{}"), **headers))

    assert (status, body["reason"]) == (400, "InvalidRequest")
    assert body["message"] == "Content-Encoding: 'gzip' is not accepted: send the body as it is"


async def test_where_too_many_bodies_arrive_the_oldest_makes_room():
    bodies, gate = Bodies(most=2, seconds=60), asyncio.Event()
    async with served(bodies) as post, asyncio.timeout(5):
        oldest = asyncio.create_task(answer(post(dripping(gate))))
        await arriving(bodies, 1)
        newer = asyncio.create_task(answer(post(dripping(gate))))
        await arriving(bodies, 2)

        assert await answer(post(b'{"percent": 1}')) == (200, {"percent": 1})

        status, body = await oldest
        assert (status, body["reason"]) == (503, "GatewayUnavailable")
        assert "more than 2 bodies are being received" in body["message"]
        gate.set()
        assert await newer == (200, {})


@pytest.mark.parametrize(("body", "words"), [(b"{", "not JSON"), (b"[]", "must be a JSON object")])
def test_what_is_no_json_object_is_refused(body, words):
    with pytest.raises(ContractError, match=words):
        json_object(body, "progress")


def test_an_empty_body_is_an_empty_object():
    assert json_object(b"", "progress") == {}
