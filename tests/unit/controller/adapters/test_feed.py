"""A mirror fed by a list and a watch: what it holds, and what is told of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ignition_hub.controller.adapters.feed import Feed
from ignition_hub.controller.adapters.object_cache import Mirror
from ignition_hub.kube import JOBS, Expired, Object
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

    feed = Feed(kube, JOBS, mirror, tell, namespace="builds", labels=LABELS)
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
