"""The cache of a node: one fetch for all of its pods, nobody's bytes for others, and no harm when it errs."""

import concurrent.futures
import contextlib
import http.client
import socket
import threading
import time

import pytest

from fetch_harness import ENGINE, KIB, SIGNATURE, running_world, wait_for
from ignition_hub.engine.errors import Reason
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.node_cache import shelf
from ignition_hub.fetch.node_cache.proofs import lies_below
from ignition_hub.fetch.node_cache.server import CacheServer
from ignition_hub.fetch.node_cache.settings import CacheSettings, server_tls
from ignition_hub.fetch.node_source import SIZE_HEADER, SOURCE_HEADER
from ignition_hub.wire.address import Address, tls_context
from loopback_certificate import loopback_certificate

SIZE = len(ENGINE)
PROOF = (0, 1)
"""The range of the one byte that the store is asked for."""


@pytest.fixture
def world(tmp_path, monkeypatch):
    with running_world(tmp_path, monkeypatch) as world:
        yield world


@pytest.fixture
def cache(world, tmp_path):
    with running_cache(world, tmp_path) as cache:
        yield cache


@contextlib.contextmanager
def running_cache(world, tmp_path, *, max_bytes=3 * SIZE, tls=None):
    """Give a cache on the loopback, whose store is the world."""
    folder = tmp_path / "cache"
    folder.mkdir()
    settings = CacheSettings(
        port=0,
        folder=folder,
        max_bytes=max_bytes,
        engines=Address.of(f"{world.url}/bucket/"),
        tls=tls,
        store_tls=tls_context(None, only=False),
    )
    server = CacheServer(settings)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def pod(world, cache, name, **changed):
    """Run the fetcher of another pod, with a volume of its own; returns its exit code and its engine."""
    mount = world.folder / name
    code = world.run(IGNITION_MOUNT=str(mount), IGNITION_NODE_CACHE_URL=cache.url, **changed)
    engine = mount / "model" / "model.engine"
    return code, engine.read_bytes() if engine.exists() else None


def of_engine(world):
    """Return the ranges of the engine that the store was asked for, without those that prove a right."""
    return [each for each in world.ranges if each != PROOF]


def asked(cache, method, digest, *, url, size=SIZE, span="bytes=0-9"):
    """Ask the cache as any pod may; returns status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", cache.server_port, timeout=10)
    headers = {SOURCE_HEADER: url, SIZE_HEADER: str(size), "Range": span}
    try:
        connection.request(method, f"/v1/engines/{digest}", headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def kept_files(cache):
    return [path for path in cache.settings.folder.rglob("*") if path.is_file()]


def test_the_second_pod_of_a_node_gets_the_engine_without_the_store(world, cache):
    assert pod(world, cache, "first") == (0, ENGINE)
    world.ranges.clear()

    assert pod(world, cache, "second") == (0, ENGINE)
    assert of_engine(world) == []


def test_pods_that_start_at_once_have_the_store_read_once(world, cache, monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)  # only the main thread may
    world.slow = 0.05
    with concurrent.futures.ThreadPoolExecutor() as pods:
        found = list(pods.map(lambda name: pod(world, cache, name), ("a", "b", "c", "d")))

    assert found == [(0, ENGINE)] * 4
    assert sorted(of_engine(world)) == [(at, at + 16 * KIB) for at in range(0, len(ENGINE), 16 * KIB)]


def test_bytes_are_given_while_the_rest_of_the_engine_is_being_fetched(world, cache):
    world.hangs_from = 5 * 16 * KIB
    url = world.answer()["url"]

    assert asked(cache, "POST", world.digest, url=url)[0] == 202
    assert asked(cache, "GET", world.digest, url=url, span="bytes=0-65535") == (206, ENGINE[:65536])
    [kept] = cache.shelf._kept.values()
    assert not kept.ready

    world.hangs_from = None
    world.going_on.set()
    wait_for(lambda: kept.ready)


def half_filled(self, kept, found):
    """Bring half of an engine and then no more."""
    kept.paths.folder.mkdir()
    kept.paths.partial.write_bytes(ENGINE[: SIZE // 2])
    kept.done, kept.readable = SIZE, SIZE // 2


def test_an_engine_of_which_the_rest_does_not_come_is_fetched_on_from_the_store(world, cache, monkeypatch):
    monkeypatch.setattr(shelf, "STALLED_SECONDS", 0.2)
    monkeypatch.setattr(shelf.EngineShelf, "_fill", half_filled)

    assert pod(world, cache, "first") == (0, ENGINE)
    assert min(of_engine(world))[0] == SIZE // 2


def test_an_engine_that_cannot_be_kept_after_all_is_fetched_on_from_the_store(world, cache, monkeypatch):
    def place(_found, paths, _budget, watch):
        paths.folder.mkdir()
        paths.partial.write_bytes(ENGINE[: SIZE // 2])
        watch(SIZE, SIZE // 2)
        wait_for(lambda: any(kept.readers for kept in cache.shelf._kept.values()))
        raise FetchError(Reason.StoreUnavailable, "the store is gone", "Wait.")

    monkeypatch.setattr(shelf, "place", place)
    started_at = time.monotonic()

    assert pod(world, cache, "first") == (0, ENGINE)
    assert time.monotonic() - started_at < shelf.STALLED_SECONDS
    assert kept_files(cache) == []


def test_a_cache_of_an_older_release_is_waited_for_until_it_has_all(world, cache, monkeypatch):
    monkeypatch.setattr("ignition_hub.fetch.node_cache.server.ARRIVING_HEADER", "X-None")
    read = []
    real = shelf.EngineShelf.bytes_beyond
    monkeypatch.setattr(
        shelf.EngineShelf,
        "bytes_beyond",
        lambda self, kept, count: read.append(kept.ready) or real(self, kept, count),
    )
    monkeypatch.setattr("ignition_hub.fetch.node_source.POLL_SECONDS", 0.005)
    world.slow = 0.1

    assert pod(world, cache, "first") == (0, ENGINE)
    assert set(read) == {True}


def test_who_has_no_url_that_the_store_accepts_gets_nothing_that_is_kept(world, cache):
    pod(world, cache, "first")
    world.store = [403]

    assert asked(cache, "GET", world.digest, url=f"{world.url}/bucket/resnet.trt?other")[0] == 403


def test_the_url_of_one_engine_does_not_give_another_that_is_kept(world, cache):
    pod(world, cache, "first")

    assert asked(cache, "GET", world.digest, url=f"{world.url}/bucket/mine.trt?{SIGNATURE}")[0] == 404


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/bucket/resnet.trt",
        "https://kubernetes.default.svc/bucket/resnet.trt",
        "{world}/other/resnet.trt",
        "{world}/bucket/../other/resnet.trt",
        "{world}/bucket/%2E%2e/other/resnet.trt",
        "file:///etc/passwd",
        "",
    ],
)
def test_nothing_but_engines_of_the_store_is_ever_asked_for(world, cache, url):
    assert asked(cache, "POST", world.digest, url=url.format(world=world.url))[0] == 400
    assert world.ranges == []


def test_an_object_lies_below_the_engines_or_it_does_not():
    engines = Address.of("https://s3.example.com/engines/ignition/engines/")

    assert lies_below(Address.of("https://s3.example.com:443/engines/ignition/engines/a/b.trt?x=.."), engines)
    assert not lies_below(Address.of("http://s3.example.com:443/engines/ignition/engines/a/b.trt"), engines)
    assert not lies_below(Address.of("https://s3.example.com/engines/ignition/models/a"), engines)


def test_bytes_of_another_digest_than_was_named_are_not_kept(world, cache):
    world.digest = "0" * 64

    assert pod(world, cache, "first") == (41, None)
    assert kept_files(cache) == []


def test_a_cache_that_gives_other_bytes_costs_time_and_nothing_else(world, cache, capsys):
    pod(world, cache, "first")
    [kept] = [path for path in kept_files(cache) if path.name == "model.engine"]
    kept.chmod(0o600)
    kept.write_bytes(b"\0" * len(ENGINE))

    assert pod(world, cache, "second") == (0, ENGINE)
    wait_for(lambda: kept_files(cache) == [])
    assert pod(world, cache, "third") == (0, ENGINE)
    assert "used no further" not in capsys.readouterr().out


def test_an_engine_that_is_right_stays_whatever_a_pod_says_of_it_and_is_read_seldom(
    world, cache, monkeypatch
):
    pod(world, cache, "first")
    read = []
    real = shelf.is_there
    monkeypatch.setattr(shelf, "is_there", lambda *asked: read.append(1) or real(*asked))

    for _ in range(3):
        assert asked(cache, "DELETE", world.digest, url=world.answer()["url"])[0] == 202

    wait_for(lambda: not cache.shelf._checking.locked() and read)
    assert read == [1]
    assert asked(cache, "GET", world.digest, url=world.answer()["url"])[0] == 206


def test_a_cache_that_loses_the_engine_on_the_way_costs_time_and_nothing_else(world, cache, monkeypatch):
    monkeypatch.setattr(shelf.EngineShelf, "reading", lambda *_: contextlib.nullcontext(None))

    assert pod(world, cache, "first") == (0, ENGINE)


def test_a_cache_that_is_away_costs_time_and_nothing_else(world, cache, capsys):
    cache.shutdown()
    cache.server_close()

    assert pod(world, cache, "first") == (0, ENGINE)
    assert "the cache of this node is not used" in capsys.readouterr().out


def test_a_cache_that_brings_no_more_bytes_is_left(world, cache, monkeypatch, capsys):
    monkeypatch.setattr("ignition_hub.fetch.node_source.STUCK_SECONDS", 0.5)
    monkeypatch.setattr(shelf.EngineShelf, "_fill", lambda *_: None)

    assert pod(world, cache, "first") == (0, ENGINE)
    assert "brings no more" in capsys.readouterr().out


def test_the_engine_that_was_unused_longest_goes_when_room_is_needed(world, tmp_path):
    with running_cache(world, tmp_path, max_bytes=2 * len(ENGINE)) as cache:
        for name in ("a", "b", "a", "c"):
            world.extra = {"url": f"{world.url}/bucket/{name}.trt?{SIGNATURE}"}
            assert pod(world, cache, f"of-{name}-{len(world.asked)}") == (0, ENGINE)

        statuses = {
            name: asked(cache, "GET", world.digest, url=f"{world.url}/bucket/{name}.trt")[0]
            for name in ("a", "b", "c")
        }
        assert statuses == {"a": 206, "b": 404, "c": 206}
        assert sum(path.stat().st_size for path in kept_files(cache)) <= 2 * len(ENGINE) + 4 * KIB


def test_what_does_not_fit_and_what_is_in_use_is_left_to_the_store(world, tmp_path, capsys):
    with running_cache(world, tmp_path, max_bytes=len(ENGINE)) as cache:
        assert pod(world, cache, "first") == (0, ENGINE)
        [kept] = cache.shelf._kept.values()
        kept.readers = 1
        world.extra = {"url": f"{world.url}/bucket/other.trt?{SIGNATURE}"}

        assert pod(world, cache, "second") == (0, ENGINE)
        assert "do not fit" in capsys.readouterr().out
        assert list(cache.shelf._kept.values()) == [kept]


def test_over_tls_the_hubs_authority_is_believed_and_no_other(world, tmp_path, capsys):
    authority = loopback_certificate(tmp_path)
    tls = server_tls(tmp_path / "tls.pem", tmp_path / "tls.pem")
    with running_cache(world, tmp_path, tls=tls) as cache:
        assert pod(world, cache, "first", IGNITION_CA=authority) == (0, ENGINE)
        assert "not used" not in capsys.readouterr().out

        assert pod(world, cache, "second") == (0, ENGINE)
        assert "its certificate is not trusted" in capsys.readouterr().out


def test_a_connection_that_says_nothing_keeps_no_other_waiting(world, tmp_path):
    authority = loopback_certificate(tmp_path)
    tls = server_tls(tmp_path / "tls.pem", tmp_path / "tls.pem")
    with (
        running_cache(world, tmp_path, tls=tls) as cache,
        contextlib.closing(socket.create_connection(("127.0.0.1", cache.server_port))),
    ):
        assert pod(world, cache, "first", IGNITION_CA=authority) == (0, ENGINE)


@pytest.mark.parametrize("span", ["", "bytes=0-", "bytes=5-2", f"bytes=0-{len(ENGINE)}", "bytes=0-1,3-4"])
def test_one_range_within_the_engine_is_given_and_nothing_else(world, cache, span):
    pod(world, cache, "first")

    assert asked(cache, "GET", world.digest, url=world.answer()["url"], span=span)[0] == 416


def test_the_url_of_a_cache_that_cannot_be_read_is_named(world):
    assert world.run(IGNITION_NODE_CACHE_URL="cache:8445") == 47
    assert "IGNITION_NODE_CACHE_URL" in world.message
