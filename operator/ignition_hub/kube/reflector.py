"""
One kind of object, followed: a list, then a watch from its version, for ever.

What a process reads often it reads from memory, without a request. ``Follower`` is the list, the watch and
what follows a failure: the API server may go away, then what was seen last stays, and ``trouble`` says that
it may be old. ``Reflector`` keeps what comes: each object reduced to a view of the fields that are used, so
memory follows what is used and not what people write.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeAlias, TypeVar

from ignition_hub.kube.client import Kube
from ignition_hub.kube.errors import KubeError, NotFound
from ignition_hub.kube.resources import Object, Resource
from ignition_hub.wire.back_off import BackOff

logger = logging.getLogger(__name__)

View = TypeVar("View")
Views: TypeAlias = dict[str, dict[str, View]]

PAGE = 100
"""Objects that are held whole at a time."""

NOT_SERVED = 300.0
"""Seconds until a cluster that does not serve a kind is asked again: an upgrade brings it."""

BETWEEN = BackOff(first=0.2, longest=15.0)


class Follower(ABC):
    """Lists one kind, then watches it; who inherits takes in what comes, and never raises."""

    page = PAGE
    """Objects per page of a list."""

    def __init__(
        self, kube: Kube, resource: Resource, namespace: str | None = None, labels: str | None = None
    ) -> None:
        self.resource = resource
        self._kube, self._namespace = kube, namespace
        self._selector = {"labels": labels} if labels else {}
        self._failures = 0
        self._synced = asyncio.Event()
        self.trouble: str | None = f"{resource.plural} are not listed yet"
        """Why what is known may be old; None while the watch runs."""

    @property
    def is_synced(self) -> bool:
        """Tell whether the first list is in."""
        return self._synced.is_set()

    async def synced(self) -> None:
        """Wait until the first list is in."""
        await self._synced.wait()

    async def run(self) -> None:
        """Follow the kind until cancelled; after a failure it is listed again, later every time."""
        version = ""
        while True:
            try:
                version = await self._follow(version or await self._list())
            except KubeError as error:
                version, self.trouble = "", error.message
                self._failures += 1
                logger.warning("cannot follow %s: %s", self.resource.plural, error.message)
                await asyncio.sleep(BETWEEN.delay(self._failures))

    @abstractmethod
    def _begin(self) -> None:
        """Prepare for a list: its objects follow, and all others are gone."""

    @abstractmethod
    def _listed(self, body: Object) -> None:
        """Take an object of a list in."""

    @abstractmethod
    def _end(self) -> None:
        """Forget what the list lacked."""

    @abstractmethod
    def _happened(self, event: str, body: Object) -> None:
        """Take an event in: ``ADDED``, ``MODIFIED`` or ``DELETED``."""

    async def _list(self) -> str:
        """Take every object in, page by page, and return the version of the list."""
        version = ""
        self._begin()
        async for page in self._kube.pages(self.resource, self._namespace, size=self.page, **self._selector):
            version = page["metadata"]["resourceVersion"]
            for body in page.get("items") or []:
                self._listed(body)
        self._end()
        self.trouble = None
        self._synced.set()
        return version

    async def _follow(self, version: str) -> str:
        """Take events in until the watch ends by itself; return the version to go on from."""
        async for event, body in self._kube.watch(self.resource, version, self._namespace, **self._selector):
            version, self._failures = body["metadata"]["resourceVersion"], 0
            if event != "BOOKMARK":
                self._happened(event, body)
        return version


class WhereServed(Follower):
    """A kind that the cluster may not serve: then there are no objects of it, and that is no trouble."""

    async def _list(self) -> str:
        while True:
            try:
                return await super()._list()
            except NotFound:
                self._end()
                self.trouble = None
                self._synced.set()
                await asyncio.sleep(NOT_SERVED)


class Reflector(Follower, Generic[View]):
    """The objects of one kind as views, by namespace (empty for cluster-scoped kinds) and name."""

    def __init__(
        self,
        kube: Kube,
        resource: Resource,
        view: Callable[[Object], View],
        namespace: str | None = None,
        labels: str | None = None,
    ) -> None:
        super().__init__(kube, resource, namespace, labels)
        self._view = view
        self._views: Views[View] = {}
        self._list_so_far: Views[View] = {}
        self._unread: set[tuple[str, str]] = set()
        self.changes = 0
        """How often something was taken in."""

    def get(self, name: str, namespace: str = "") -> View | None:
        """Return the view of an object; None when there is none."""
        return self._views.get(namespace, {}).get(name)

    def all_in(self, namespace: str = "") -> Mapping[str, View]:
        """Return the views of a namespace by name."""
        return self._views.get(namespace, {})

    def all(self) -> Iterator[View]:
        """Yield the views of all namespaces."""
        for views in self._views.values():
            yield from views.values()

    @property
    def namespaces(self) -> list[str]:
        """Return the namespaces that have objects, in the order of their names."""
        return sorted(namespace for namespace, views in self._views.items() if views)

    @property
    def unread(self) -> str | None:
        """Return which object there is no view of, because it cannot be read; None when there is none."""
        namespace, name = min(self._unread, default=("", ""))
        return f"{self.resource.kind} {namespace}/{name} cannot be read" if name else None

    def _begin(self) -> None:
        self._list_so_far = {}
        self._unread.clear()

    def _listed(self, body: Object) -> None:
        self._put(self._list_so_far, body)

    def _end(self) -> None:
        self._views, self._list_so_far = self._list_so_far, {}
        self.changes += 1

    def _happened(self, event: str, body: Object) -> None:
        self.changes += 1
        if event == "DELETED":
            self._unread.discard((_namespace_of(body), body["metadata"]["name"]))
            self._views.get(_namespace_of(body), {}).pop(body["metadata"]["name"], None)
        else:
            self._put(self._views, body)

    def _put(self, views: Views[View], body: Object) -> None:
        metadata = body["metadata"]
        try:
            view = self._view(body)
        except Exception:  # one object that cannot be read must not take the others away
            logger.exception("cannot read %s %s", self.resource.kind, metadata["name"])
            self._unread.add((_namespace_of(body), metadata["name"]))
            return
        self._unread.discard((_namespace_of(body), metadata["name"]))
        views.setdefault(_namespace_of(body), {})[metadata["name"]] = view


def _namespace_of(body: Object) -> str:
    return body["metadata"].get("namespace") or ""
