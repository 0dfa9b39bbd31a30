"""
Engines as they are handed out: verified, there, and with a URL, each looked at once for many pods.

The pods of a Deployment ask within seconds for one engine. Whoever replaces it in the bucket has the next
pods look again; the bytes a pod loads are those of the signed digest, whenever the manifest was read.
"""

import asyncio

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.buckets.workers import Workers
from ignition_hub.compatibility.engine_choice import EngineNotReady
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.sources import S3Location
from ignition_hub.store.find import is_engine_of, proven, read_unproven
from ignition_hub.store.settings import StoreSettings
from ignition_hub.store.trust import PublicKeys
from ignition_hub.ttl_cache import TtlCache

URL_SECONDS = 900
SECONDS = 5.0
"""How long an engine counts as looked at: as short as a fetcher's pause, and URLs stay good for minutes."""


class VerifiedEngines:
    """The engines of a bucket whose manifests are believed with ``keys``; looked at by ``workers``."""

    def __init__(self, keys: PublicKeys, workers: Workers) -> None:
        self._keys, self._workers = keys, workers
        self._known: TtlCache[tuple[StoreSettings, str, str], tuple[Manifest, str]] = TtlCache(
            seconds=SECONDS, size=4096
        )

    async def get(
        self, store: OpenStore, manifest_key: str, identity: str, *, again: bool = False
    ) -> tuple[Manifest, str]:
        """
        Return the verified manifest of an identity and a URL of its engine, whose size was looked at.

        ``again`` looks at the store itself, whatever is remembered.

        Raise EngineNotReady when there is none, ManifestRefused when it is not to be believed, and the
        store's errors; none of them is remembered.
        """
        question = (store.settings, manifest_key, identity)
        if again:
            self._known.forget(question)
        return await self._known.get(
            question, lambda: looked_at(self._workers, store, self._keys, manifest_key, identity)
        )


async def looked_at(
    workers: Workers, store: OpenStore, keys: PublicKeys, manifest_key: str, identity: str
) -> tuple[Manifest, str]:
    """Read, verify and look: two round trips to the store, the second of them two requests at once."""
    unproven = await workers.run(read_unproven, store.objects, manifest_key, identity)
    if unproven is None:
        where = S3Location(store.settings.bucket, manifest_key).uri
        raise EngineNotReady(f"{where} no longer exists", "it will be rebuilt")
    engine_key = unproven.claim.engine_key
    proving = asyncio.ensure_future(workers.run(proven, store.objects, keys, unproven))
    looking = asyncio.ensure_future(workers.run(store.objects.head, engine_key))
    await asyncio.gather(proving, looking, return_exceptions=True)
    # The proof first: how a look ends at a key that nothing vouches for counts for nothing.
    manifest = proving.result()
    if not is_engine_of(manifest, looking.result()):
        raise EngineNotReady(f"the engine {engine_key} no longer exists", "it will be rebuilt")
    return manifest, store.objects.presign_get(engine_key, URL_SECONDS)
