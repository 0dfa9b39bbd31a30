"""What a builder makes of the store's timing cache when gateway, store or neighbours are in trouble."""

import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from fakegateway import TOKEN, FakeGateway
from ignition_builder.hub import timing_store
from ignition_builder.hub.gateway import GatewayClient
from ignition_builder.hub.timing_store import TimingStore
from ignition_hub.engine.errors import IgnitionError, Reason, TransientError
from ignition_hub.engine.timing_cache import MOST_BYTES
from ignition_hub.wire import deadline
from ignition_hub.wire.address import Address
from smallmodels import request_for

TLS = ssl.create_default_context()


@pytest.fixture(autouse=True)
def _machine(monkeypatch):
    monkeypatch.setattr(deadline, "FIRST_PAUSE", 0.001)
    monkeypatch.setenv("CUDA_VERSION", "12.9")


class Joining:
    """Plays the child that puts two caches together."""

    def __init__(self, *_asked):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def run(self, task, _watch, _deadline):
        ours, others = Path(task.timing_cache.path_out), Path(task.timing_cache.path_in)
        ours.write_bytes(
            b"+".join(sorted({*ours.read_bytes().split(b"+"), *others.read_bytes().split(b"+")}))
        )
        return {}


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(timing_store, "Child", Joining)
    with FakeGateway(request_for(flavor="TensorRT", version="10.12.0.36"), b"model") as hub:
        yield hub


@pytest.fixture
def store(hub, tmp_path):
    def made(mode="ReadWrite"):
        (tmp_path / "token").write_text(TOKEN)
        hub.request = replace(hub.request, timing_cache=mode)
        gateway = GatewayClient(Address.of(hub.url), tmp_path / "token", TLS, patience=2.0)
        return TimingStore(gateway, gateway.grant(), TLS, tmp_path)

    return made


def left(task, data):
    Path(task.path_out).write_bytes(data)


def test_the_stored_cache_is_brought_and_named(hub, store):
    hub.timing_cache = b"known"
    task = store().fetched()

    assert Path(task.path_in).read_bytes() == b"known"
    assert (task.key, task.trouble) == ("it.cache", None)
    assert task.etag


def test_a_connection_that_breaks_is_taken_up_again(hub, store):
    hub.timing_cache = b"known " * 1000
    hub.stumble("stored", "cut", 503)

    assert Path(store().fetched().path_in).read_bytes() == hub.timing_cache


@pytest.mark.parametrize(
    ("call", "how", "words"),
    [
        ("timing-cache", (404, {"reason": "InvalidRequest", "message": "Not Found"}), "Not Found"),
        ("timing-cache", (200, {"key": "k"}), "StoredTimingCache.url: missing"),
        ("timing-cache", (200, {"key": "k", "url": "ftp://x", "etag": "e", "size": 3}), "'ftp' is not http"),
        ("stored", 404, "does not have the timing cache"),
        ("stored", 400, "answered 400"),
    ],
)
def test_a_build_that_may_do_without_goes_on_and_says_why(hub, store, call, how, words):
    hub.timing_cache = b"known"
    for mode in ("ReadWrite", "ReadOnly"):
        hub.stumble(call, how)
        task = store(mode).fetched()

        assert (task.mode, task.path_in, task.etag) == (mode, None, None)
        assert task.trouble.startswith("the store's timing cache could not be read: ")
        assert words in task.trouble


def test_a_cache_above_the_bound_is_not_brought(hub, store):
    too_large = {"key": "k", "url": f"{hub.url}/stored", "etag": "e", "size": MOST_BYTES + 1}
    hub.stumble("timing-cache", (200, too_large))

    assert f"the timing cache has {MOST_BYTES + 1} bytes or more" in store().fetched().trouble
    assert not hub.calls["stored"]


def test_a_cache_that_comes_too_slowly_is_done_without(hub, store, monkeypatch):
    monkeypatch.setattr(timing_store, "READ_SECONDS", 0.2)
    hub.timing_cache = b"known"
    hub.stumble("stored", *["drop"] * 1000)

    assert "cannot be read" in store().fetched().trouble


@pytest.mark.parametrize(("call", "how"), [("timing-cache", 404), ("stored", 404)])
def test_a_locked_build_does_not_go_on_without_its_cache(hub, store, call, how):
    hub.timing_cache = b"known"
    hub.stumble(call, how)
    with pytest.raises(IgnitionError) as caught:
        store("Locked").fetched()

    assert caught.value.exit_code != 0


def test_a_locked_build_needs_a_cache(store):
    with pytest.raises(IgnitionError) as caught:
        store("Locked").fetched()

    assert (caught.value.reason, caught.value.exit_code) == (Reason.UnsupportedOption, 15)
    assert "ReadWrite" in caught.value.remedy


def test_a_pod_that_is_to_stop_does_not_take_that_for_trouble_with_the_cache(store, monkeypatch):
    def stopped(*_asked):
        raise TransientError(Reason.Interrupted, "the pod was asked to stop")

    asking = store()
    monkeypatch.setattr(GatewayClient, "timing_cache", stopped)
    with pytest.raises(TransientError, match="asked to stop"):
        asking.fetched()


@pytest.mark.parametrize(("flavor", "mode"), [("TensorRTRTX", "ReadWrite"), ("TensorRT", "Off")])
def test_nobody_is_asked_for_a_cache_that_is_not_wanted(hub, store, flavor, mode):
    hub.request = request_for(flavor=flavor)
    task = store(mode).fetched()

    assert (task is None) == (flavor == "TensorRTRTX")
    assert store(mode).kept(task) is None
    assert not hub.calls["timing-cache"]


def test_nothing_new_is_nothing_to_write(hub, store):
    asking = store()

    assert asking.kept(asking.fetched()) is None
    assert not hub.calls["timing-cache/upload"]


@pytest.mark.parametrize("how", [503, "drop", "lost"])
def test_a_write_is_repeated_with_what_others_wrote_meanwhile(hub, store, how):
    asking = store()
    task = asking.fetched()
    left(task, b"ours")
    hub.timing_cache = b"theirs"
    hub.stumble("keep", how)

    assert asking.kept(task) is None
    assert hub.timing_cache == b"ours+theirs"


def test_who_always_comes_second_gives_up_and_says_so(hub, store):
    asking = store()
    task = asking.fetched()
    left(task, b"ours")
    hub.stumble("keep", 412, 412, 412)

    assert asking.kept(task) == (
        "the timing cache was not saved: 3 attempts failed, the last: another build wrote it meanwhile"
    )
    assert hub.calls["keep"] == 3


@pytest.mark.parametrize(
    ("call", "how", "words"),
    [
        ("timing-cache/upload", (400, {"reason": "InvalidRequest", "message": "size: 9 is"}), "size: 9 is"),
        ("keep", 403, "answered 403"),
    ],
)
def test_what_cannot_be_kept_is_one_line(hub, store, call, how, words):
    asking = store()
    task = asking.fetched()
    left(task, b"ours")
    hub.stumble(call, how)
    said = asking.kept(task)

    assert said.startswith("the timing cache was not saved: ")
    assert words in said
    assert "\n" not in said
    assert hub.timing_cache is None


def test_a_write_has_a_deadline(hub, store, monkeypatch):
    monkeypatch.setattr(timing_store, "WRITE_SECONDS", 0.0)
    asking = store()
    task = asking.fetched()
    left(task, b"ours")

    assert "could not be transferred in 0 s" in asking.kept(task)
