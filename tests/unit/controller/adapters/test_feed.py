"""A mirror fed by a list and a watch: what it holds, and what is told of it."""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fakeworld import FakeWorld
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.feed import Feed
from ignition_hub.controller.adapters.object_cache import Mirror
from ignition_hub.controller.adapters.scopes import Scope
from ignition_hub.controller.app import Controller, ControllerSettings
from ignition_hub.kube import JOBS, Expired, Object, event_loop
from ignition_hub.kube import reflector as module
from ignition_hub.wire.back_off import BackOff

LABELS = "app=x"


def job(name: str, version: int) -> Object:
    return {"metadata": {"name": name, "namespace": "builds", "resourceVersion": str(version)}}


class FakeKube:
    """Answers each list with the next of ``lists``, and plays one script of events a watch."""

    def __init__(self, *lists: list[Object], watches: Any = ()) -> None:
        self.lists, self.watches = list(lists), list(watches)
        self.meanwhile: Any = lambda: None
        self.is_quiet = asyncio.Event()

    async def pages(self, resource: Any, namespace: str, *, labels: str, size: int) -> AsyncIterator[Object]:
        assert (resource, namespace, labels) == (JOBS, "builds", LABELS)
        self.meanwhile()
        yield {"metadata": {"resourceVersion": "10"}, "items": self.lists.pop(0)}

    async def watch(
        self, resource: Any, version: str, namespace: str, *, labels: str
    ) -> AsyncIterator[tuple[str, Object]]:
        assert (resource, namespace, labels) == (JOBS, "builds", LABELS)
        if not self.watches:
            self.is_quiet.set()
            await asyncio.Event().wait()
        for event in self.watches.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BETWEEN", BackOff(first=0.0, longest=0.0))


@asynccontextmanager
async def fed(kube: Any, mirror: Mirror) -> AsyncIterator[list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []

    def tell(event: str, body: Object) -> None:
        if body["metadata"]["name"] == "bad":
            raise KeyError("spec")
        told.append((event, body["metadata"]["name"]))
        mirror.drop(body) if event == "DELETED" else mirror.put(body)

    feed = Feed(kube, Scope(JOBS, "builds", LABELS), mirror, tell)
    task = asyncio.create_task(feed.run())
    await asyncio.wait_for(kube.is_quiet.wait(), 5)
    assert feed.is_synced
    yield told
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def names(mirror: Mirror) -> list[str]:
    return [body["metadata"]["name"] for body in mirror]


async def test_what_is_listed_and_what_happens_then_is_told_in_order() -> None:
    mirror = Mirror()
    events = [("ADDED", job("c", 11)), ("MODIFIED", job("a", 12)), ("DELETED", job("b", 13))]
    bookmark = ("BOOKMARK", {"metadata": {"resourceVersion": "14"}})

    async with fed(FakeKube([job("a", 1), job("b", 2)], watches=[[*events, bookmark]]), mirror) as told:
        assert told == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c"), ("MODIFIED", "a"), ("DELETED", "b")]
        assert names(mirror) == ["a", "c"]


async def test_what_went_away_while_nobody_watched_is_told_as_deleted() -> None:
    mirror = Mirror()
    kube = FakeKube([job("a", 1), job("b", 2)], [job("b", 2)], watches=[[Expired(410, "too old")]])

    async with fed(kube, mirror) as told:
        assert told[-2:] == [("ADDED", "b"), ("DELETED", "a")]
        assert names(mirror) == ["b"]


async def test_what_a_write_of_our_own_put_there_during_a_list_stays() -> None:
    mirror = Mirror()
    mirror.put(job("changed", 1))
    kube = FakeKube([])

    def write() -> None:
        mirror.put(job("changed", 20))
        mirror.put(job("new", 21))

    kube.meanwhile = write
    async with fed(kube, mirror) as told:
        assert told == []
        assert names(mirror) == ["changed", "new"]


async def test_an_object_that_cannot_be_taken_in_does_not_end_the_watch_of_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mirror = Mirror()
    async with fed(FakeKube([job("bad", 1), job("good", 2)]), mirror):
        assert names(mirror) == ["good"]
        assert "cannot take in Job bad" in caplog.text


class EmptyKube:
    """An API server that has nothing, and counts how often each kind is listed."""

    def __init__(self) -> None:
        self.lists: Counter[str] = Counter()

    def paced(self, limiter: Any) -> "EmptyKube":
        return self

    async def list(self, resource: Any, *_: Any) -> list[Object]:
        self.lists[resource.plural] += 1
        return []

    async def pages(self, resource: Any, *_: Any, **__: Any) -> AsyncIterator[Object]:
        self.lists[resource.plural] += 1
        await asyncio.sleep(0)
        yield {"metadata": {"resourceVersion": "1"}, "items": []}

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[tuple[str, Object]]:
        await asyncio.Event().wait()
        yield "", {}


async def test_who_leads_at_once_lists_each_kind_once_and_who_waited_lists_all_again() -> None:
    kube: Any = EmptyKube()
    settings = ControllerSettings(
        release_namespace="hub", build_namespace="builds", gateway_url="https://gateway.invalid"
    )
    controller = Controller(kube, FakeWorld(), Cluster(kube, "builds"), settings)
    following = [asyncio.ensure_future(feed.run()) for feed in controller.feeds]

    await controller.see_everything()

    assert all(feed.is_synced for feed in controller.feeds)
    assert set(kube.lists.values()) == {1}
    assert len(kube.lists) == 5

    await controller.see_everything()

    assert set(kube.lists.values()) == {2}
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)


def test_controller_and_gateway_run_on_uvloop() -> None:
    async def module_of_the_loop() -> str:
        return type(asyncio.get_running_loop()).__module__

    thresholds = gc.get_threshold()
    try:
        assert event_loop.run(module_of_the_loop()) == "uvloop"
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
