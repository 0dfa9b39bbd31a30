"""
An API server in memory, for hours of a controller's life in a second.

``MemoryApi`` keeps objects as the real one does where a controller can tell: versions, generations, a status
apart from the spec, preconditions, selectors, watches that go on from a version. ``MemoryKube`` is a client
of it, in the place of ``ignition_hub.kube.Kube``: requests take time, events come late, and what ``Faults``
names fails, before or after its effect.
"""

import asyncio
import copy
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from fakekube import merged
from ignition_hub.kube import Conflict, Expired, NotFound, Object, Resource, Unavailable

Made = TypeVar("Made")
Key = tuple[str, str, str]
"""Plural, namespace (empty for cluster-scoped kinds) and name."""


@dataclass(frozen=True, slots=True)
class Change:
    """One version of one object; ``before`` is None for a new one, ``after`` for one that is gone."""

    version: int
    before: Object | None
    after: Object | None


@dataclass
class Faults:
    """How often a request fails, and a watch ends, in shares of 1; nothing does by default."""

    of_requests: float = 0.0
    of_watches: float = 0.0


@dataclass
class MemoryApi:
    """The objects and their history; ``now`` gives seconds since the epoch."""

    now: Callable[[], float]
    chance: random.Random
    faults: Faults = field(default_factory=Faults)
    objects: dict[Key, Object] = field(default_factory=dict)
    history: dict[str, list[Change]] = field(default_factory=dict)
    told: Callable[[str, Change], None] = lambda _plural, _change: None
    """Hears of every change."""

    def __post_init__(self) -> None:
        self.version = 1
        self._news = asyncio.Event()

    def timestamp(self) -> str:
        """Return the time as the API server stamps it: whole seconds."""
        return datetime.fromtimestamp(int(self.now()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def all_of(self, resource: Resource) -> list[Object]:
        """Return every object of a kind."""
        return [body for (plural, _, _), body in self.objects.items() if plural == resource.plural]

    def find(self, resource: Resource, name: str, namespace: str | None) -> Object:
        """Return an object; NotFound when there is none."""
        key = (resource.plural, namespace or "", name)
        if key not in self.objects:
            raise NotFound(404, f"{key} does not exist")
        return self.objects[key]

    def create(self, resource: Resource, body: Object, namespace: str | None) -> Object:
        """Create an object."""
        key = (resource.plural, namespace or "", body["metadata"]["name"])
        if key in self.objects:
            raise Conflict(409, f"{key} already exists", "AlreadyExists")
        body = copy.deepcopy(body)
        body["metadata"] |= {
            "namespace": namespace or "",
            "uid": str(UUID(int=self.chance.getrandbits(128))),
            "generation": 1,
            "creationTimestamp": self.timestamp(),
        }
        body.setdefault("status", {})
        return self._keep(key, None, body)

    def patch(
        self, resource: Resource, name: str, patch: Object, namespace: str | None, subresource: str | None
    ) -> Object:
        """Merge a patch into an object, or into its status alone."""
        before = self.find(resource, name, namespace)
        _require(before, patch.get("metadata") or {})
        if subresource:
            after = {**before, "status": merged(before["status"], patch.get("status") or {})}
        else:
            after = {**merged(before, patch), "status": before["status"]}
        if after.get("spec") != before.get("spec"):
            generation = before["metadata"]["generation"] + 1
            after = {**after, "metadata": {**after["metadata"], "generation": generation}}
        if after == before:
            return before
        return self._keep((resource.plural, namespace or "", name), before, copy.deepcopy(after))

    def delete(
        self, resource: Resource, name: str, namespace: str | None, uid: str | None = None
    ) -> Object | None:
        """Delete an object; a Job may stay for some seconds, as one with finalizers does, and is returned."""
        before = self.find(resource, name, namespace)
        _require(before, {"uid": uid} if uid else {})
        key = (resource.plural, namespace or "", name)
        if resource.plural == "jobs" and self.chance.random() < 0.3:
            return self._going(key, before)
        self._end(key, before["metadata"]["uid"])
        return None

    def _going(self, key: Key, before: Object) -> Object:
        if before["metadata"].get("deletionTimestamp"):
            return before
        seconds = self.chance.uniform(0.5, 40.0)
        asyncio.get_running_loop().call_later(seconds, self._end, key, before["metadata"]["uid"])
        metadata = {**before["metadata"], "deletionTimestamp": self.timestamp()}
        return self._keep(key, before, {**before, "metadata": metadata})

    def _end(self, key: Key, uid: str) -> None:
        before = self.objects.get(key)
        if before is not None and before["metadata"]["uid"] == uid:
            del self.objects[key]
            self._note(key[0], before, None)

    def _keep(self, key: Key, before: Object | None, after: Object) -> Object:
        after["metadata"] = {**after["metadata"], "resourceVersion": str(self.version + 1)}
        self.objects[key] = after
        self._note(key[0], before, after)
        return after

    def _note(self, plural: str, before: Object | None, after: Object | None) -> None:
        self.version += 1
        change = Change(self.version, before, after)
        self.history.setdefault(plural, []).append(change)
        self.told(plural, change)
        self._news.set()
        self._news = asyncio.Event()

    async def changed(self) -> None:
        """Wait for the next change."""
        await self._news.wait()


class MemoryKube:
    """One client."""

    def __init__(self, api: MemoryApi) -> None:
        self.api = api
        self.writes: Counter[str] = Counter()

    def paced(self, _: Any) -> "MemoryKube":
        return self

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        await self._travel()
        return copy.deepcopy(self.api.objects.get((resource.plural, namespace or "", name)))

    async def list(
        self, resource: Resource, namespace: str | None = None, labels: str | None = None
    ) -> list[Object]:
        await self._travel()
        found = [body for body in self.api.all_of(resource) if _is_selected(body, namespace, labels)]
        await self._travel()
        return copy.deepcopy(found)

    async def pages(
        self, resource: Resource, namespace: str | None = None, labels: str | None = None, *, size: int = 500
    ) -> AsyncIterator[Object]:
        del size
        version = str(self.api.version)
        yield {
            "metadata": {"resourceVersion": version},
            "items": await self.list(resource, namespace, labels),
        }

    async def watch(
        self, resource: Resource, version: str, namespace: str | None = None, labels: str | None = None
    ) -> AsyncIterator[tuple[str, Object]]:
        seen, history = int(version), self.api.history.setdefault(resource.plural, [])
        position = next((at for at, change in enumerate(history) if change.version > seen), len(history))
        while True:
            while position >= len(history):
                await self.api.changed()
            change, position = history[position], position + 1
            await asyncio.sleep(self.api.chance.uniform(0.0, 0.2))
            if self.api.chance.random() < self.api.faults.of_watches:
                raise self.api.chance.choice([Expired(410, "too old"), Unavailable(0, "the watch broke")])
            if event := _event(change, namespace, labels):
                yield event

    async def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        return await self._write(
            f"create {resource.plural}", lambda: self.api.create(resource, body, namespace)
        )

    async def merge_patch(
        self,
        resource: Resource,
        name: str,
        body: Object,
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> Object:
        target = f"{resource.plural}/{subresource}" if subresource else resource.plural
        return await self._write(
            f"patch {target}", lambda: self.api.patch(resource, name, body, namespace, subresource)
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        propagation: str = "Background",
        uid: str | None = None,
    ) -> Object | None:
        del propagation

        def deleted() -> Object | None:
            with suppress(NotFound):
                return self.api.delete(resource, name, namespace, uid)
            return None

        return await self._write(f"delete {resource.plural}", deleted)

    async def _write(self, kind: str, effect: Callable[[], Made]) -> Made:
        self.writes[kind] += 1
        await self._travel()
        answer = copy.deepcopy(effect())
        await self._travel()
        return answer

    async def _travel(self) -> None:
        """Take the time of half a request, or fail there."""
        chance = self.api.chance
        await asyncio.sleep(chance.choice([0.0, 0.001, 0.02, 0.2]))
        if chance.random() < self.api.faults.of_requests / 2:
            raise Unavailable(chance.choice([0, 500]), "no answer")


def _require(body: Object, asked: Object) -> None:
    for name in ("uid", "resourceVersion"):
        if asked.get(name, body["metadata"][name]) != body["metadata"][name]:
            raise Conflict(409, f"{body['metadata']['name']}: its {name} is another", "Conflict")


def _is_selected(body: Object | None, namespace: str | None, labels: str | None) -> bool:
    if body is None or (namespace and body["metadata"]["namespace"] != namespace):
        return False
    name, _, value = (labels or "").partition("=")
    return not labels or (body["metadata"].get("labels") or {}).get(name) == value


def _event(change: Change, namespace: str | None, labels: str | None) -> tuple[str, Object] | None:
    """Return what a watch tells of a change: a label that goes away is a deletion to it."""
    was, is_now = (_is_selected(body, namespace, labels) for body in (change.before, change.after))
    if not was and not is_now:
        return None
    body = copy.deepcopy(change.after or change.before)
    assert body is not None
    body["metadata"]["resourceVersion"] = str(change.version)
    return ("DELETED" if not is_now else "MODIFIED" if was else "ADDED"), body
