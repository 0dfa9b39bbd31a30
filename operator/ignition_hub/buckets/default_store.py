"""
The bucket in use: the default EngineStore and its Secret, followed as they change.

EngineStores come from the process's watch, the Secret is read every few seconds. An API server that is away
does not take the bucket away: what was read last stays in use until something else is read. Only a process
that never read a store has none.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ignition_hub.engine.sources import S3Location
from ignition_hub.kube import SECRETS, Kube, KubeError, Object
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.settings import StoreSettings, credentials_secret_name, default_store, settings_of
from ignition_hub.ttl_cache import TtlCache

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 10.0
"""How long a Secret counts as read."""

StoreList: TypeAlias = Callable[[], Awaitable[Sequence[Object]]]
"""Returns every EngineStore; KubeError when they cannot be listed."""


@dataclass(frozen=True, slots=True)
class OpenStore:
    """The default EngineStore: its verbs, and its spec, which says who may read what."""

    objects: ObjectStore
    spec: Mapping[str, Any]
    settings: StoreSettings

    @property
    def prefix(self) -> str:
        """The prefix of every key of the hub."""
        return self.settings.prefix

    def uri_of(self, key: str) -> str:
        """Return the ``s3://`` URI of a key."""
        return S3Location(self.settings.bucket, key).uri


class DefaultStore:
    """Opens the default EngineStore, and keeps its connections for as long as the settings stay."""

    def __init__(self, kube: Kube, release_namespace: str, listed: StoreList) -> None:
        self._kube, self._namespace, self._listed = kube, release_namespace, listed
        self._secrets: TtlCache[str, Object | None] = TtlCache(seconds=RECHECK_SECONDS, size=16)
        self._open: OpenStore | None = None

    async def current(self) -> OpenStore:
        """Return the store; StoreMisconfigured when none can be meant, KubeError when none was read yet."""
        try:
            chosen = default_store(await self._listed())
            settings = await self.settings_of(chosen)
        except KubeError as error:
            if self._open is None:
                raise
            logger.warning("using the EngineStore as last read: %s", error.message)
            return self._open
        return self._opened(settings, chosen)

    async def settings_of(self, store: Mapping[str, Any], *, fresh: bool = False) -> StoreSettings:
        """
        Return an EngineStore's settings; raise SecretUnusable naming what its Secret lacks, or KubeError.

        ``fresh`` reads the Secret now, and for all that ask in the next seconds.
        """
        name = credentials_secret_name(store)
        if fresh:
            self._secrets.forget(name)
        secret = await self._secrets.get(name, lambda: self._kube.get(SECRETS, name, self._namespace))
        return settings_of(store, secret)

    def close(self) -> None:
        """Close the connections to the bucket."""
        if self._open is not None:
            self._open.objects.close()

    def _opened(self, settings: StoreSettings, store: Mapping[str, Any]) -> OpenStore:
        last = self._open
        if last is not None and (last.settings, last.spec) == (settings, store["spec"]):
            return last
        if last is not None and last.settings == settings:
            objects = last.objects
        else:
            # Requests under way keep the old client; it is collected with the last of them.
            objects = ObjectStore(settings)
            logger.info("using store", extra={"store": store["metadata"]["name"], "bucket": settings.bucket})
        self._open = OpenStore(objects, store["spec"], settings)
        return self._open
