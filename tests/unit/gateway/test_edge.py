"""Whatever goes wrong leaves as a status and a reason, never as a traceback."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from catalogrows import engine
from ignition_hub.catalog.rows import rows_of
from ignition_hub.engine.errors import ContractError, IgnitionError, NewerRelease, Reason
from ignition_hub.gateway.errors import TokenRejected, status_of, translate_errors
from ignition_hub.gateway.process.draining import RequestsInFlight
from ignition_hub.gateway.process.metrics import Metrics, counting
from ignition_hub.gateway.process.slow_refusals import slow_refusals
from ignition_hub.gateway.routes import catalog
from ignition_hub.gateway.services import SERVICES
from ignition_hub.kube import Forbidden
from ignition_hub.store.errors import ManifestRefused, StoreUnavailable


async def ask(error, path="/engines/arcface"):
    async def fail(_):
        raise error

    metrics, life = Metrics(), RequestsInFlight()
    app = web.Application(middlewares=[counting(metrics, life), translate_errors])
    app.router.add_get("/engines/{name}", fail)
    async with TestClient(TestServer(app)) as client:
        answer = await client.get(path)
        return answer, await answer.json(), metrics


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ContractError("size: 0 is out of range"), 400, "InvalidRequest"),
        (NewerRelease("Manifest.schema: 'v2' is not known"), 503, "NewerRelease"),
        (TokenRejected("no bearer token"), 401, "TokenRejected"),
        (ManifestRefused("the signature does not fit"), 422, "ManifestRefused"),
        (StoreUnavailable("s3.example.com: timeout"), 502, "StoreUnavailable"),
        (IgnitionError(Reason.EngineNotReady, "building"), 409, "EngineNotReady"),
        (Forbidden(403, "pods is forbidden"), 503, "GatewayUnavailable"),
        (web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2), 413, "InvalidRequest"),
    ],
)
async def test_an_error_has_one_status_and_its_reason(error, status, reason):
    answer, body, _ = await ask(error)

    assert (answer.status, body["reason"]) == (status, reason)
    assert body["message"]


async def test_the_message_says_what_would_work():
    _, body, _ = await ask(ContractError("size: 0 is out of range", "expected 1 to 5"))

    assert body["message"] == "size: 0 is out of range: expected 1 to 5"


async def test_a_message_is_not_as_long_as_what_it_quotes():
    _, body, _ = await ask(ContractError("x" * 100_000))

    assert len(body["message"]) == 2048


async def test_a_defect_of_ours_is_logged_and_shows_no_insides(caplog):
    answer, body, _ = await ask(KeyError("/etc/secret/path"))

    assert answer.status == 500
    assert "secret" not in str(body)
    assert "KeyError" in caplog.text


async def test_what_can_be_tried_again_says_when():
    answer, _, _ = await ask(StoreUnavailable("away"))
    assert answer.headers["Retry-After"] == "2"

    answer, _, _ = await ask(ManifestRefused("no"))
    assert "Retry-After" not in answer.headers


async def test_an_unknown_path_is_answered_in_json_and_counted_without_its_name():
    answer, body, metrics = await ask(KeyError(), path="/somebody/elses/name")

    assert (answer.status, body["reason"]) == (404, "InvalidRequest")
    labels = {tuple(s.labels.values()) for m in metrics.requests.collect() for s in m.samples}
    assert ("unknown", "404", "InvalidRequest") in labels


def test_a_reason_without_a_status_is_answered_as_unprocessable():
    assert status_of(IgnitionError(Reason.BuildFailed, "x")) == 422


async def test_a_client_that_went_away_is_no_defect(caplog):
    answer, _, _ = await ask(ConnectionResetError("reset by peer"))

    assert answer.status == 499
    assert "Traceback" not in caplog.text


async def test_a_gateway_that_stops_knows_when_nothing_is_under_way():
    life = RequestsInFlight()
    assert await life.idle(0)

    with life:
        assert life.under_way == 1
        assert not await life.idle(0.001)

    assert await life.idle(0)


async def test_a_refused_token_is_answered_late_and_one_more_than_may_wait_at_once():
    asked = asyncio.Semaphore(0)

    async def refuse(request):
        asked.release()
        raise TokenRejected(request.path)

    late = slow_refusals(seconds=(60.0, 60.0), most=1)
    app = web.Application(middlewares=[translate_errors, late])
    app.router.add_get("/", refuse)
    async with TestClient(TestServer(app)) as client:
        first = asyncio.create_task(client.get("/"))
        await asked.acquire()
        second = await client.get("/")

        assert second.status == 401
        assert not first.done()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_what_is_refused_for_another_reason_is_answered_at_once():
    async def fail(_):
        raise ManifestRefused("no")

    app = web.Application(middlewares=[translate_errors, slow_refusals(seconds=(60.0, 60.0))])
    app.router.add_get("/", fail)
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/")).status == 422


@pytest.mark.parametrize(
    ("namespaces", "words"),
    [
        (None, "All namespaces"),
        (("vision",), "Namespace vision"),
        (("speech", "vision"), "Namespaces speech, vision"),
        (tuple("abcdefghij"), "Namespaces a, b, c, d, e, f, g, h and 2 more"),
    ],
)
def test_a_page_says_of_which_namespaces_it_is(namespaces, words):
    assert catalog.scope_words(namespaces) == words


async def test_rows_are_sorted_outside_of_the_loop_and_for_one_caller_at_a_time(monkeypatch):
    threads, under_way, most = set(), [], []

    def shown(rows, selection):
        threads.add(threading.get_ident())
        under_way.append(None)
        most.append(len(under_way))
        time.sleep(0.01)
        under_way.pop()
        return selected(rows, selection)

    async def answer(value):
        return value

    selected = catalog.shown
    monkeypatch.setattr(catalog, "shown", shown)
    app = web.Application(middlewares=[translate_errors])
    app[SERVICES] = SimpleNamespace(
        people=SimpleNamespace(user_of=lambda request: answer(SimpleNamespace(username="anna"))),
        readers=SimpleNamespace(scope_of=lambda user, named, populated: answer(populated)),
        views=SimpleNamespace(
            catalog_namespaces=lambda: ("vision",),
            catalog_rows=lambda namespaces: rows_of(engine()),
            trouble=None,
        ),
    )
    catalog.limit_catalogs(app)
    app.router.add_get("/v1/catalog", catalog.show_rows)

    async with TestClient(TestServer(app)) as client:
        answers = await asyncio.gather(*(client.get("/v1/catalog") for _ in range(20)))
        statuses = [one.status for one in answers]

    assert threading.get_ident() not in threads
    assert set(most) == {1}
    # Half of the places are for one caller; what is beyond them is sent away.
    assert (statuses.count(200), statuses.count(503)) == (16, 4)
