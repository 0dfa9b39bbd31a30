"""What storage quotas let in and refuse: a real gateway process, API server and S3."""

import contextlib
import hashlib
import http.client
import ssl
import time

import pytest

from gateway_harness import (
    BUNDLE,
    STORE,
    allow_push,
    apply_engine,
    make_request,
    make_team,
    push,
    push_part,
    ready_target,
)

pytestmark = pytest.mark.cluster

KIB = 1024
MERGE = "application/merge-patch+json"
TO_HEAR = 10.0
"""Seconds until the gateway's watch has brought a change."""


def model(size, seed=b"m"):
    return seed * size


def set_quota(hub, team, storage):
    """Give a team a quota of less than 20 KiB, and wait until the gateway's watch has brought it."""
    quotas = [{"namespaces": [team], "storage": storage}]
    answer = hub.api.ask("PATCH", STORE, {"spec": {"quotas": quotas}}, media=MERGE)
    assert answer.status == 200, answer.message
    wait_until(lambda: is_refused_and_leaves_nothing(hub, team, model(20 * KIB)))


def is_refused_and_leaves_nothing(hub, team, data):
    """Until there is a quota nothing is listed or remembered: what came in can be taken away."""
    answer = push(hub, team, data)
    if answer.status == 200:
        hub.store.delete(answer.body["uri"].removeprefix("s3://engines/"))
    return answer.status == 403


def wait_until(holds):
    deadline = time.monotonic() + TO_HEAR
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def pushed(hub, team):
    return [found.size for found in hub.store.every(f"ignition/models/{team}/")]


@pytest.fixture
def pusher(hub, team):
    """A team that may push, and has a quota of 10 KiB."""
    allow_push(hub, team)
    set_quota(hub, team, "10Ki")
    yield team
    hub.api.ask("PATCH", STORE, {"spec": {"quotas": None}}, media=MERGE)


def test_a_push_beyond_the_quota_is_refused_with_what_would_work(hub, pusher):
    first = push(hub, pusher, model(6 * KIB))
    second = push(hub, pusher, model(5 * KIB))

    assert first.status == 200
    assert (second.status, second.reason) == (403, "StorageQuotaExceeded")
    assert second.message.startswith(
        f"the model has 5Ki, but namespace {pusher} uses 6Ki of its storage quota of 10Ki: delete"
    )
    assert "spec.quotas of the EngineStore" in second.message
    assert sorted(pushed(hub, pusher)) == [6 * KIB]


def test_a_model_that_is_pushed_again_counts_once(hub, pusher):
    answers = [push(hub, pusher, model(6 * KIB)) for _ in range(3)]

    assert [answer.status for answer in answers] == [200] * 3


def test_two_pushes_at_once_do_not_pass_the_quota_together(hub, pusher):
    first = model(6 * KIB, b"a")
    with half_a_push(hub, pusher, first) as connection:
        second = push(hub, pusher, model(6 * KIB, b"b"))
        connection.send(first[KIB:])
        answer = connection.getresponse()

    assert answer.status == 200
    assert (second.status, second.reason) == (403, "StorageQuotaExceeded")
    assert pushed(hub, pusher) == [6 * KIB]


@contextlib.contextmanager
def half_a_push(hub, team, data):
    """A push of which one KiB has arrived, and which the gateway has let in."""
    token, tls = hub.token(team), ssl.create_default_context(cafile=str(hub.gateway.folder / "tls.crt"))
    connection = http.client.HTTPSConnection("127.0.0.1", hub.gateway.port, timeout=30, context=tls)
    with contextlib.closing(connection):
        connection.putrequest("POST", "/v1/models")
        connection.putheader("Authorization", f"Bearer {token}")
        connection.putheader("Content-Length", str(len(data)))
        connection.putheader("X-Content-SHA256", hashlib.sha256(data).hexdigest())
        connection.endheaders()
        connection.send(data[:KIB])
        wait_until(lambda: hub.store.unfinished_uploads(f"ignition/models/{team}/"))
        yield connection


def test_a_push_that_failed_leaves_its_room_to_the_next(hub, pusher):
    failed = push(hub, pusher, model(6 * KIB), sha256="ab" * 32)
    second = push(hub, pusher, model(6 * KIB))

    assert (failed.status, second.status) == (422, 200)


def test_the_files_of_a_bundle_count_too(hub, pusher):
    graph = push_part(hub, pusher, "vit.onnx", model(4 * KIB))
    weights = push_part(hub, pusher, "weights.bin", model(7 * KIB))

    assert graph.status == 200
    assert (weights.status, weights.reason) == (403, "StorageQuotaExceeded")
    assert hub.store.head(f"ignition/models/{pusher}/{BUNDLE}/weights.bin") is None


def test_a_bundle_that_does_not_fit_is_refused_with_its_first_file(hub, pusher):
    first = push_part(hub, pusher, "weights.bin", model(4 * KIB), size=11 * KIB)
    fits = push_part(hub, pusher, "weights.bin", model(4 * KIB), size=10 * KIB)
    last = push_part(hub, pusher, "vit.onnx", model(6 * KIB), size=10 * KIB)

    assert (first.status, first.reason) == (403, "StorageQuotaExceeded")
    assert first.message.startswith(
        f"the bundle has 11Ki, but namespace {pusher} uses 0 of its storage quota"
    )
    assert (fits.status, last.status) == (200, 200)
    assert sorted(pushed(hub, pusher)) == [4 * KIB, 6 * KIB]


def test_a_bundle_that_says_it_is_small_gets_no_more_room(hub, pusher):
    answers = [push_part(hub, pusher, f"{n}.bin", model(6 * KIB, b"%d" % n), size=1) for n in range(2)]

    assert [answer.status for answer in answers] == [200, 403]


def test_engines_count_by_their_size_in_the_status(hub, pusher, request_):
    ready = ready_target(hub, request_, {"uri": "s3://engines/x"}, sizeBytes=8 * KIB)
    apply_engine(hub, pusher, [ready])

    wait_until(lambda: push(hub, pusher, model(6 * KIB)).status == 403)
    assert push(hub, pusher, model(KIB)).status == 200


def test_a_namespace_without_a_quota_has_no_limit(hub, pusher):
    other = make_team(hub)
    allow_push(hub, other)

    assert push(hub, other, model(20 * KIB)).status == 200


def test_what_was_pushed_before_the_gateway_started_counts(hub, pusher):
    sha256 = hashlib.sha256(b"old").hexdigest()
    hub.store.put(f"ignition/models/{pusher}/{sha256}.onnx", model(9 * KIB))

    # A listing counts for ten seconds.
    deadline = time.monotonic() + 15
    while push(hub, pusher, model(2 * KIB)).status == 200 and time.monotonic() < deadline:
        time.sleep(1)
    answer = push(hub, pusher, model(2 * KIB, b"n"))
    assert (answer.status, answer.reason) == (403, "StorageQuotaExceeded")


def begin_upload(hub, request, data):
    builder = hub.builder(hub.job(request))
    body = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return builder, hub.gateway.ask("POST", "/v1/builds/self/upload", body, token=builder)


def test_an_engine_beyond_the_quota_gets_no_place_to_write(hub, pusher, request_):
    push(hub, pusher, model(6 * KIB))

    _, refused = begin_upload(hub, request_, model(5 * KIB))

    assert (refused.status, refused.reason) == (403, "StorageQuotaExceeded")
    assert refused.message.startswith(
        f"the engine has 5Ki, but namespace {pusher} uses 6Ki of its storage quota of 10Ki: delete "
    )
    assert refused.message.endswith("then annotate it with ignitionhub.io/rebuild-requested-at")
    assert hub.store.unfinished_uploads("ignition/engines/") == []


def test_two_engines_at_once_do_not_pass_the_quota_together_and_one_that_failed_leaves_its_room(hub, pusher):
    requests = [make_request(hub, pusher, model=seed) for seed in (b"1", b"2")]
    builder, first = begin_upload(hub, requests[0], model(6 * KIB))

    refused_builder, refused = begin_upload(hub, requests[1], model(5 * KIB))
    failure = {"reason": "Interrupted", "message": "evicted", "exit_code": 143}
    told = hub.gateway.ask("POST", "/v1/builds/self/failed", failure, token=builder)
    body = {"size": 5 * KIB, "sha256": "ab" * 32}
    again = hub.gateway.ask("POST", "/v1/builds/self/upload", body, token=refused_builder)

    assert (first.status, refused.status, told.status) == (200, 403, 204)
    assert again.status == 200, again.message


def test_an_engine_goes_on_for_another_namespace_that_waits_for_it_and_has_room(hub, pusher, request_):
    push(hub, pusher, model(6 * KIB))
    other = make_team(hub)
    waiting = {"name": "sm-89", "state": "Building", "gpuArch": "sm_89", "identity": request_.identity}
    apply_engine(hub, other, [waiting])

    def is_let_in():
        body = {"size": 5 * KIB, "sha256": "ab" * 32}
        return hub.gateway.ask("POST", "/v1/builds/self/upload", body, token=builder).status == 200

    builder = hub.builder(hub.job(request_))
    wait_until(is_let_in)
