"""
The bucket in use: the default EngineStore and its Secret, looked at again every few seconds.

An API server that is away does not take the bucket away: what was read last stays in use until something else
is read. Only a gateway that never saw a store has none.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.kube import SECRETS, STORES, Kube, KubeError, Object
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.settings import StoreSettings, credentials_secret_name, default_store, settings_of
from ignition_hub.ttl_cache import TtlCache

log = logging.getLogger(__name__)

RECHECK_SECONDS = 10.0


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
        return f"s3://{self.settings.bucket}/{key}"


class Stores:
    """Opens the default EngineStore."""

    def __init__(self, kube: Kube, release_namespace: str) -> None:
        self._kube = kube
        self._namespace = release_namespace
        self._answers: TtlCache[str, OpenStore] = TtlCache(seconds=RECHECK_SECONDS, size=1)
        self._lists: TtlCache[str, list[Object]] = TtlCache(seconds=RECHECK_SECONDS, size=1)
        self._open: OpenStore | None = None

    async def current(self) -> OpenStore:
        """Return the store; StoreMisconfigured when none can be meant, KubeError when none was read yet."""
        try:
            return await self._answers.get("default", self._read)
        except KubeError as error:
            if self._open is None:
                raise
            log.warning("using the EngineStore as last read: %s", error.message)
            return self._open

    async def api_trouble(self) -> str | None:
        """
        Return why EngineStores cannot be listed; None when they can, even if there is none that can be used.

        Readiness asks this: pods are admitted without a store, and no other replica would have a better one.
        """
        try:
            await self._lists.get("all", self._list)
        except KubeError as error:
            return f"Kubernetes API request failed: {error.message}"
        return None

    @property
    def last(self) -> OpenStore | None:
        """The store that was read last, without asking anybody."""
        return self._open

    def close(self) -> None:
        """Close the connections to the bucket."""
        if self._open is not None:
            self._open.objects.close()

    async def _list(self) -> list[Object]:
        return await self._kube.list(STORES)

    async def _read(self) -> OpenStore:
        store = default_store(await self._list())
        secret = await self._kube.get(SECRETS, credentials_secret_name(store), self._namespace)
        settings = settings_of(store, secret)
        if self._open is None or self._open.settings != settings:
            # Requests under way keep the old client; it is collected with the last of them.
            objects = ObjectStore(settings)
        else:
            objects = self._open.objects
        self._open = OpenStore(objects, store["spec"], settings)
        return self._open
