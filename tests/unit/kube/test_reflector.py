"""A kind that is followed: what a list and a watch leave behind, and what failures do to it."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from ignition_hub.kube import ENGINES, Expired, Reflector, Unavailable
from ignition_hub.kube import reflector as module
from ignition_hub.wire.back_off import BackOff


def engine(name, version, namespace="vision", **spec):
    return {"metadata": {"name": name, "namespace": namespace, "resourceVersion": str(version)}, "spec": spec}


class FakeKube:
    """Lists what it has, and plays one script of events a watch: an exception in it is raised."""

    def __init__(self, *lists, watches=()):
        self.lists, self.watches = list(lists), list(watches)
        self.watched = []
        self.is_quiet = asyncio.Event()

    async def pages(self, resource, namespace=None, *, size):
        assert (resource, namespace, size) == (ENGINES, None, module.PAGE)
        objects = self.lists.pop(0)
        if isinstance(objects, Exception):
            raise objects
        for page in (objects[:1], objects[1:]):
            yield {"metadata": {"resourceVersion": "10"}, "items": page}

    async def watch(self, resource, version, namespace=None):
        self.watched.append(version)
        if not self.watches:
            self.is_quiet.set()
            await asyncio.Event().wait()
        for event in self.watches.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch):
    monkeypatch.setattr(module, "BETWEEN", BackOff(first=0.0, longest=0.0))


@asynccontextmanager
async def following(kube, view=lambda body: body["spec"]):
    reflector = Reflector(kube, ENGINES, view)
    task = asyncio.create_task(reflector.run())
    await asyncio.wait_for(kube.is_quiet.wait(), 5)
    yield reflector
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_was_listed_and_what_happened_since_is_known_by_name():
    events = [
        ("ADDED", engine("c", 11, n=3)),
        ("MODIFIED", engine("a", 12, n=9)),
        ("DELETED", engine("b", 13)),
    ]
    kube = FakeKube([engine("a", 1, n=1), engine("b", 2, n=2), engine("a", 3, "other")], watches=[events])

    async with following(kube) as known:
        assert known.all_in("vision") == {"a": {"n": 9}, "c": {"n": 3}}
        assert (known.get("a", "other"), known.get("b", "vision"), known.all_in("nowhere")) == ({}, None, {})
        assert known.trouble is None


async def test_a_watch_that_ended_goes_on_from_the_last_version_bookmarks_included():
    bookmark = ("BOOKMARK", {"metadata": {"resourceVersion": "99"}})
    kube = FakeKube([], watches=[[("ADDED", engine("a", 11))], [bookmark]])

    async with following(kube) as known:
        assert kube.watched == ["10", "11", "99"]
        assert list(known.all_in("vision")) == ["a"]


@pytest.mark.parametrize("failure", [Expired(410, "too old"), Unavailable(0, "connection reset")])
async def test_after_a_failure_the_kind_is_listed_again_and_what_is_not_listed_is_gone(failure):
    kube = FakeKube([engine("a", 1), engine("b", 2)], [engine("b", 2)], watches=[[failure]])

    async with following(kube) as known:
        assert list(known.all_in("vision")) == ["b"]
        assert known.trouble is None


async def test_what_was_seen_stays_and_is_called_old_while_the_api_server_is_away():
    lists = [[engine("a", 1)], *[Unavailable(0, "connection refused")] * 1000]
    kube = FakeKube(*lists, watches=[[Unavailable(0, "connection reset")]])
    reflector = Reflector(kube, ENGINES, dict)
    assert reflector.trouble == "tensorrtengines are not listed yet"
    task = asyncio.create_task(reflector.run())
    await asyncio.wait_for(reflector.synced(), 5)
    await asyncio.sleep(0.01)

    assert list(reflector.all_in("vision")) == ["a"]
    assert reflector.trouble == "connection refused"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_object_that_cannot_be_read_takes_no_other_away(caplog):
    kube = FakeKube([engine("bad", 1), engine("good", 2, n=1)])

    async with following(kube, view=lambda body: body["spec"]["n"]) as known:
        assert known.all_in("vision") == {"good": 1}
        assert "cannot read TensorRTEngine bad" in caplog.text


async def test_an_object_that_cannot_be_read_is_named_until_it_can_be_or_is_gone():
    bad = [("MODIFIED", {"metadata": engine("a", 3)["metadata"]})]
    kube = FakeKube([engine("a", 1), engine("b", 2)], watches=[bad])

    async with following(kube) as reflector:
        assert reflector.unread == "TensorRTEngine vision/a cannot be read"
        reflector._happened("MODIFIED", engine("a", 4))
        assert reflector.unread is None
        reflector._happened("MODIFIED", bad[0][1])
        reflector._happened("DELETED", bad[0][1])
        assert reflector.unread is None


async def test_every_change_is_counted_and_all_namespaces_are_there():
    kube = FakeKube([engine("a", 1, size=1), engine("b", 2, namespace="speech", size=2)])

    async with following(kube) as reflector:
        listed = reflector.changes
        assert sorted(view["size"] for view in reflector.all()) == [1, 2]
        reflector._happened("MODIFIED", engine("a", 4))
        reflector._happened("DELETED", engine("a", 4))
        assert reflector.changes == listed + 2
