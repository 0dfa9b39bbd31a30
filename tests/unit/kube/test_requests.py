"""The pure parts of the Kubernetes client: paths, errors, tokens, pace."""

import asyncio
import json

import pytest

from ignition_hub.kube import (
    ENGINES,
    JOBS,
    PODS,
    STORES,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    Kube,
    KubeError,
    NotFound,
    RateLimiter,
    Unavailable,
    error_of,
    path_of,
    token_user,
)

ENGINES_PATH = "/apis/ignitionhub.io/v1alpha1"


@pytest.mark.parametrize(
    ("resource", "name", "namespace", "subresource", "path"),
    [
        (PODS, None, None, None, "/api/v1/pods"),
        (PODS, "a", "ns", None, "/api/v1/namespaces/ns/pods/a"),
        (ENGINES, "a", "ns", "status", f"{ENGINES_PATH}/namespaces/ns/tensorrtengines/a/status"),
        (STORES, "a", None, None, f"{ENGINES_PATH}/enginestores/a"),
        (STORES, "a", "ignored", None, f"{ENGINES_PATH}/enginestores/a"),
        (PODS, "../secrets/x", "ns", None, "/api/v1/namespaces/ns/pods/..%2Fsecrets%2Fx"),
    ],
)
def test_a_path_names_one_object_and_cannot_be_escaped(resource, name, namespace, subresource, path):
    assert path_of(resource, name, namespace, subresource) == path


@pytest.mark.parametrize(("name", "namespace"), [("..", "ns"), (".", "ns"), (None, ".."), ("a", ".")])
def test_a_dot_is_no_name(name, namespace):
    with pytest.raises(Invalid, match="is not a name"):
        path_of(PODS, name, namespace)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (422, Invalid),
        (429, Unavailable),
        (500, Unavailable),
        (504, Unavailable),
        (410, Expired),
        (418, KubeError),
    ],
)
def test_each_status_becomes_one_kind_of_error(status, kind):
    error = error_of(status, json.dumps({"message": "why", "reason": "Because"}).encode())

    assert type(error) is kind
    assert (error.status, error.message, error.reason) == (status, "why", "Because")


@pytest.mark.parametrize("text", [b"", b"<html>bad gateway</html>", b'["a list"]', b"\xff\xfe"])
def test_an_error_that_is_no_status_object_still_says_something(text):
    error = error_of(502, text)

    assert isinstance(error, Unavailable)
    assert error.message


async def test_a_request_that_ends_without_words_of_its_own_says_how_it_ended():
    class Silent:
        async def exchange(self, *_):
            raise TimeoutError

    with pytest.raises(Unavailable) as found:
        await Kube(Silent(), RateLimiter(qps=10, burst=1)).get(PODS, "a", "ns")

    assert found.value.message == "GET /api/v1/namespaces/ns/pods/a: TimeoutError"


BOUND = {
    "authenticated": True,
    "audiences": ["ignition-hub"],
    "user": {
        "username": "system:serviceaccount:vision:server",
        "uid": "u1",
        "groups": ["system:serviceaccounts"],
        "extra": {
            "authentication.kubernetes.io/pod-name": ["server-1"],
            "authentication.kubernetes.io/pod-uid": ["p1"],
            "authentication.kubernetes.io/node-name": ["gpu-1"],
        },
    },
}


def test_a_pod_bound_token_names_namespace_pod_and_node():
    user = token_user(BOUND, "ignition-hub")

    assert user is not None
    assert (user.namespace, user.service_account) == ("vision", "server")
    assert (user.pod_name, user.pod_uid, user.node_name) == ("server-1", "p1", "gpu-1")


def test_a_person_has_no_namespace_and_no_pod():
    user = token_user({**BOUND, "user": {"username": "alice:with:odd:colons"}}, "ignition-hub")

    assert user is not None
    assert (user.namespace, user.service_account, user.pod_name) == (None, None, None)


@pytest.mark.parametrize("status", [{}, {"authenticated": False}, {**BOUND, "audiences": ["other"]}])
def test_a_token_for_another_audience_is_nobody(status):
    assert token_user(status, "ignition-hub") is None


async def test_after_a_burst_requests_leave_at_the_pace_of_the_limiter(monkeypatch):
    limiter = RateLimiter(qps=100, burst=5, in_flight=50)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 1000.0)

    waits = [limiter._book() for _ in range(8)]

    assert waits == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.0, 0.01, 0.02, 0.03])


async def test_no_more_requests_are_in_flight_than_allowed():
    limiter = RateLimiter(qps=10_000, burst=100, in_flight=3)
    now = peak = 0

    async def request() -> None:
        nonlocal now, peak
        async with limiter:
            now += 1
            peak = max(peak, now)
            await asyncio.sleep(0)
            now -= 1

    await asyncio.gather(*(request() for _ in range(20)))

    assert peak == 3


async def test_a_cancelled_wait_gives_its_place_back():
    limiter = RateLimiter(qps=0.001, burst=1, in_flight=1)
    async with limiter:
        pass

    async def request() -> None:
        async with limiter:
            raise AssertionError("the limiter let it pass")

    waiting = asyncio.create_task(request())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert limiter._in_flight._value == 1


async def test_a_request_that_cannot_leave_in_time_fails_and_is_not_queued():
    limiter = RateLimiter(qps=10, burst=1, in_flight=8, patience=0.05)
    async with limiter:
        pass

    with pytest.raises(Unavailable, match=r"could not be sent within 0\.05 s"):
        async with limiter:
            raise AssertionError("the limiter let it pass")

    assert (limiter.waiting, limiter._in_flight._value) == (0, 8)
    assert (limiter.left, limiter.refused) == (1, 1)
    assert limiter.waited >= 0.05


async def test_when_more_wait_than_could_leave_in_time_the_next_fails_at_once():
    limiter = RateLimiter(qps=1, burst=2, in_flight=1, patience=1)

    async def request() -> None:
        async with limiter:
            await asyncio.sleep(10)

    waiting = [asyncio.create_task(request()) for _ in range(4)]
    await asyncio.sleep(0)

    with pytest.raises(Unavailable, match="3 requests to the API server are pending"):
        async with limiter:
            raise AssertionError("the limiter let it pass")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


class ScriptedKube(Kube):
    """Receives the lines of a watch from a list."""

    def __init__(self, *lines):
        super().__init__(None, RateLimiter())
        self.lines, self.query = lines, {}

    async def _stream(self, path, query):
        self.query = query
        for line in self.lines:
            yield line


async def test_a_watch_yields_events_and_asks_for_bookmarks_and_an_end():
    event = {"type": "ADDED", "object": {"metadata": {"name": "a"}}}
    kube = ScriptedKube(json.dumps(event).encode())

    assert [each async for each in kube.watch(ENGINES, "7", labels="a=b")] == [("ADDED", event["object"])]
    assert (kube.query["resourceVersion"], kube.query["allowWatchBookmarks"]) == ("7", "true")
    assert kube.query["labelSelector"] == "a=b"
    assert 240 <= int(kube.query["timeoutSeconds"]) <= 360


@pytest.mark.parametrize(("code", "kind"), [(410, Expired), (500, Unavailable)])
async def test_an_error_within_a_watch_is_the_error_of_its_code(code, kind):
    status = {"kind": "Status", "code": code, "message": "too old resource version"}
    kube = ScriptedKube(json.dumps({"type": "ERROR", "object": status}).encode())

    with pytest.raises(kind, match="too old resource version"):
        [each async for each in kube.watch(ENGINES, "7")]


async def test_a_watch_that_sends_half_a_document_is_a_connection_that_broke():
    with pytest.raises(Unavailable, match="watch /apis/ignitionhub"):
        [each async for each in ScriptedKube(b'{"type": "ADD').watch(ENGINES, "7")]


class AnsweringKube(Kube):
    """Answers every request with the same document."""

    def __init__(self, answer):
        super().__init__(None, RateLimiter())
        self.answer = answer

    async def send(self, method, path, **arguments):
        return self.answer


@pytest.mark.parametrize(
    ("answer", "stays"),
    [({"kind": "Status", "status": "Success"}, False), ({"kind": "Job", "metadata": {}}, True), ({}, False)],
)
async def test_a_deleted_object_that_finalizers_hold_is_returned(answer, stays):
    left = await AnsweringKube(answer).delete(JOBS, "a", "builds")

    assert left == (answer if stays else None)
