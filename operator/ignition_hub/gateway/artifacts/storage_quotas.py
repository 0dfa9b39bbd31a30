"""
Where bytes come in: whether a namespace's quota has room for a model, or for the engine of a build.

What a namespace uses is what its status says of engines, by the watch; what it pushed, listed a few seconds
ago at most; and what is on its way through this replica, which is held from the moment it is let in. So
calls of one replica never pass a quota together. What another replica let in counts here when it shows in
the status or the listing: until then a namespace may exceed its quota by it.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass

from ignition_hub.api.quotas import BUILD_REMEDY, EngineSizes, StorageQuotaExceeded, StorageUse, quota_of
from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.buckets.workers import Workers
from ignition_hub.engine.naming import pushed_models_folder
from ignition_hub.engine.request import BuildRequest
from ignition_hub.gateway.artifacts.grants import URL_SECONDS
from ignition_hub.gateway.cluster.views import Views
from ignition_hub.store.settings import StoreSettings
from ignition_hub.ttl_cache import TtlCache

LISTED_SECONDS = 10.0
"""How long a listing of pushed models counts; what came through this replica since is known without one."""
LISTED_BY_THEN = 2 * LISTED_SECONDS + 30.0
"""Seconds after which any listing that counts began after a model was there; a call takes up to 25 s."""

TOLD_BY_THEN = 300.0
"""Seconds after which the status tells the size of a published engine, or its resource is gone."""


@dataclass(frozen=True, slots=True)
class _Held:
    """Bytes that are let in and may not show yet: ``what`` is a key, or an identity of an engine."""

    what: str
    size: int
    until: float


class Reservations:
    """What was let in for each namespace, until it shows elsewhere or its time is over."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, dict[object, _Held]] = {}

    def hold(self, namespace: str, token: object, what: str, size: int, seconds: float) -> None:
        """Hold ``size`` bytes for ``seconds``; ``token`` is what ``release`` and another ``hold`` name."""
        self._held.setdefault(namespace, {})[token] = _Held(what, size, self._clock() + seconds)

    def release(self, namespace: str, token: object) -> None:
        """Hold them no more."""
        held = self._held.get(namespace, {})
        held.pop(token, None)
        if not held:
            self._held.pop(namespace, None)

    def shorten(self, token: object, seconds: float) -> None:
        """Hold what ``token`` names for ``seconds`` from now, in every namespace that it is held for."""
        for namespace, held in self._held.items():
            if token in held:
                self.hold(namespace, token, held[token].what, held[token].size, seconds)

    def of(self, namespace: str) -> Mapping[str, int]:
        """Return the bytes that are held for a namespace, by what they are for."""
        now, sizes = self._clock(), dict[str, int]()
        for token, held in list(self._held.get(namespace, {}).items()):
            if held.until <= now:
                self.release(namespace, token)
            else:
                sizes[held.what] = max(held.size, sizes.get(held.what, 0))
        return sizes


class StorageQuotas:
    """Lets bytes in by the quotas of the EngineStore; without quotas nothing is asked or held."""

    def __init__(self, views: Views, workers: Workers) -> None:
        self._views, self._workers = views, workers
        self._models: TtlCache[tuple[StoreSettings, str], Mapping[str, int]] = TtlCache(
            seconds=LISTED_SECONDS, size=256
        )
        self._reservations = Reservations()

    @contextlib.asynccontextmanager
    async def of_model(
        self, store: OpenStore, namespace: str, key: str, size: int, bundle: tuple[str, int] | None = None
    ) -> AsyncIterator[None]:
        """
        Let a model of ``size`` bytes in to be stored at ``key`` while the block runs, and count it after.

        Raise StorageQuotaExceeded when the quota of its namespace has no room for it, or for the whole
        ``bundle`` that it belongs to: its folder, and its bytes in all.
        """
        if bundle is not None:
            whole = await self._use(store, namespace, bundle[0])
            if whole is not None and not whole.has_room_for(bundle[1]):
                raise StorageQuotaExceeded("the bundle", bundle[1], whole)
        use = await self._use(store, namespace, key)
        if use is None:
            yield
            return
        if not use.has_room_for(size):
            raise StorageQuotaExceeded("the model", size, use)
        token = object()
        self._reservations.hold(namespace, token, key, size, float("inf"))
        try:
            yield
        except BaseException:
            self._reservations.release(namespace, token)
            raise
        self._reservations.hold(namespace, token, key, size, LISTED_BY_THEN)

    async def let_in_engine(self, store: OpenStore, request: BuildRequest, size: int) -> None:
        """
        Let the engine of a build in, and count it for all namespaces that wait for it.

        Raise StorageQuotaExceeded when none of them has room: one that has may not be kept waiting by
        another that has not.
        """
        identity = request.identity
        others = self._views.engine_sizes().namespaces_of(identity)
        waiting = list(dict.fromkeys([request.namespace, *others]))
        if full := await self._full(store, waiting, identity, size):
            raise StorageQuotaExceeded("the engine", size, full, BUILD_REMEDY)
        for namespace in waiting:
            if quota_of(store.spec, namespace) is not None:
                self._reservations.hold(namespace, identity, identity, size, URL_SECONDS)

    def engine_is_published(self, request: BuildRequest) -> None:
        """Count the engine of a build for as long as the status may take to tell its size."""
        self._reservations.shorten(request.identity, TOLD_BY_THEN)

    def engine_failed(self, request: BuildRequest) -> None:
        """Count the engine of a build no more."""
        self._reservations.shorten(request.identity, 0.0)

    async def _full(
        self, store: OpenStore, waiting: Iterable[str], identity: str, size: int
    ) -> StorageUse | None:
        """Return the use of the first namespace when none has room; None when one has, or no quota."""
        first: StorageUse | None = None
        for namespace in waiting:
            use = await self._use(store, namespace, identity)
            if use is None or use.has_room_for(size):
                return None
            first = first or use
        return first

    async def _use(self, store: OpenStore, namespace: str, what: str) -> StorageUse | None:
        """Return what a namespace uses but for ``what``, which is about to be replaced; None: no quota."""
        quota = quota_of(store.spec, namespace)
        if quota is None:
            return None
        models = await self._models.get(
            (store.settings, namespace), lambda: self._workers.run(pushed_models, store, namespace)
        )
        sizes, held = self._views.engine_sizes(), self._reservations.of(namespace)
        return StorageUse(namespace, used_bytes(namespace, what, models, sizes, held), quota)


def used_bytes(
    namespace: str, what: str, models: Mapping[str, int], sizes: EngineSizes, held: Mapping[str, int]
) -> int:
    """Return the bytes that count against a quota, each once; ``what``, or all below it, does not."""
    objects = {**held, **models}
    others = (
        size
        for one, size in objects.items()
        if one != what
        and not (what.endswith("/") and one.startswith(what))
        and not sizes.size_of(namespace, one)
    )
    return sum(others) + sizes.bytes_in(namespace) - sizes.size_of(namespace, what)


def pushed_models(store: OpenStore, namespace: str) -> Mapping[str, int]:
    """Return the size of every object that a namespace pushed, by key. Synchronous, a request per 1,000."""
    folder = pushed_models_folder(store.prefix, namespace)
    return {found.key: found.size for found in store.objects.every(folder)}
