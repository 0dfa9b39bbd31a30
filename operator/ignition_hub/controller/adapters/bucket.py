"""
The world outside Kubernetes for real: the default EngineStore's bucket, behind threads and deadlines.

``store.objects`` is synchronous; here it runs in a bounded pool of threads of its own, so that a slow bucket
holds up neither the watches nor the other engines.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from ignition_hub.controller.adapters.object_cache import Mirror
from ignition_hub.controller.adapters.public_keys import GatewayKeys
from ignition_hub.controller.policy.ports import ModelFacts, Store
from ignition_hub.controller.policy.store_status import Probe, StoreReason
from ignition_hub.engine.errors import IgnitionError
from ignition_hub.engine.identity import EngineInputs
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.naming import pushed_model_key
from ignition_hub.engine.sources import parse_s3_uri, plugin_refusal, refusal
from ignition_hub.kube import SECRETS, Forbidden, Kube, Object
from ignition_hub.store.bundles import read_bundle
from ignition_hub.store.errors import (
    AccessDenied,
    BucketMissing,
    ManifestRefused,
    SecretUnusable,
    StoreUnavailable,
)
from ignition_hub.store.find import find
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.settings import (
    StoreSettings,
    credentials_secret_name,
    default_store,
    settings_of,
)
from ignition_hub.ttl_cache import TtlCache

logger = logging.getLogger(__name__)

THREADS = 16
HASHING_THREADS = 2
"""Whole models are read in a pool of their own: they take minutes and must not delay the short questions."""
DEADLINE = 30.0
PROBE_EVERY = 240.0
"""Seconds for which a bucket that answered is not asked again, unless settings or Secret change."""
HASHING_DEADLINE = 3600.0

Answer = TypeVar("Answer")


class Bucket:
    """One EngineStore's bucket; fulfils ``ports.Store``."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        objects: ObjectStore,
        keys: GatewayKeys,
        threads: ThreadPoolExecutor,
        hashing: ThreadPoolExecutor,
    ) -> None:
        self._spec, self._objects, self._keys = spec, objects, keys
        self._threads, self._hashing = threads, hashing

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return self._objects.settings.bucket

    def refusal(self, namespace: str, uri: str) -> str | None:
        """Return why a namespace may not have ``uri`` read for it; None when it may."""
        return refusal(self._spec, namespace, uri)

    def plugin_refusal(self, namespace: str, uri: str) -> str | None:
        """Return why a plugin library is not loaded for a namespace; None when it may be."""
        return plugin_refusal(self._spec, namespace, uri)

    def is_pushed(self, namespace: str, uri: str, sha256: str) -> bool:
        """Tell whether this namespace pushed ``uri``: the gateway checked that its key is its digest."""
        key = pushed_model_key(self._objects.settings.prefix, namespace, sha256)
        return uri == f"s3://{self.bucket}/{key}"

    async def model(self, uri: str) -> ModelFacts | None:
        """Look at a model or a bundle; None when it does not exist."""
        where = parse_s3_uri(uri)
        if uri.endswith("/"):
            bundle = await self._run(lambda: read_bundle(self._objects, uri))
            return ModelFacts("", bundle.size, bundle.files) if bundle else None
        facts = await self._run(lambda: self._objects.head(where.key, bucket=where.bucket))
        return ModelFacts(facts.etag, facts.size) if facts else None

    async def exists(self, uri: str) -> bool:
        """Tell whether there is an object."""
        where = parse_s3_uri(uri)
        return await self._run(lambda: self._objects.head(where.key, bucket=where.bucket)) is not None

    async def find(self, inputs: EngineInputs, identity: str) -> Manifest | None:
        """Return the verified manifest of an identity; None when there is none."""
        keys = await self._keys.get()
        try:
            return await self._run(lambda: find(self._objects, keys, inputs, identity))
        except ManifestRefused:
            renewed = await self._keys.get(renewed=True)
            if renewed is keys:
                raise
            return await self._run(lambda: find(self._objects, renewed, inputs, identity))

    async def digest(self, uri: str) -> str:
        """Return the SHA-256 of a model by reading all of it."""
        where = parse_s3_uri(uri)
        ask = asyncio.get_running_loop().run_in_executor(
            self._hashing, lambda: self._objects.digest(where.key, bucket=where.bucket)
        )
        return (await asyncio.wait_for(ask, HASHING_DEADLINE))[0]

    async def _run(self, ask: Callable[[], Answer]) -> Answer:
        return await _answer(self._threads, self._objects.settings, ask)


class Buckets:
    """Fulfils ``ports.World``: the default EngineStore with its Secret, followed as they change."""

    def __init__(self, kube: Kube, stores: Mirror, release_namespace: str, keys: GatewayKeys) -> None:
        self._kube, self._stores, self._namespace, self._keys = kube, stores, release_namespace, keys
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._hashing = ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="digest")
        self._secrets: TtlCache[str, Object | None] = TtlCache(seconds=30.0)
        self._opened: TtlCache[StoreSettings, None] = TtlCache(seconds=PROBE_EVERY, size=16)
        self._current: tuple[StoreSettings, Mapping[str, Any], Bucket] | None = None

    async def store(self) -> Store:
        """Return the default store; raise StoreMisconfigured when there is none that can be used."""
        chosen = default_store(list(self._stores))
        name = credentials_secret_name(chosen)
        secret = await self._secrets.get(name, lambda: self._kube.get(SECRETS, name, self._namespace))
        settings, spec = settings_of(chosen, secret), chosen["spec"]
        if self._current is None or self._current[:2] != (settings, spec):
            logger.info("using store", extra={"store": chosen["metadata"]["name"], "bucket": settings.bucket})
            bucket = Bucket(spec, ObjectStore(settings), self._keys, self._threads, self._hashing)
            self._current = (settings, spec, bucket)
        return self._current[2]

    async def probe(self, store: Mapping[str, Any]) -> Probe:
        """Return whether the bucket of an EngineStore opens with its Secret; a yes stands for minutes."""
        try:
            name = credentials_secret_name(store)
            settings = settings_of(store, await self._kube.get(SECRETS, name, self._namespace))
            ask = partial(_answer, self._threads, settings, partial(_open, settings))
            await self._opened.get(settings, ask)
        except Forbidden as error:
            remedy = "list the Secret in store.extraCredentialsSecrets of the chart"
            message = f"the controller may not read the Secret: {error.message}: {remedy}"
            return Probe(StoreReason.CREDENTIALS_INVALID, message)
        except IgnitionError as error:
            return Probe(_REASONS.get(type(error), StoreReason.BUCKET_REFUSES), str(error))
        return Probe(StoreReason.BUCKET_REACHABLE)

    def close(self) -> None:
        """Let go of the threads; what they wait for has its own deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._hashing.shutdown(wait=False, cancel_futures=True)


_REASONS: Mapping[type[IgnitionError], StoreReason] = {
    SecretUnusable: StoreReason.CREDENTIALS_INVALID,
    BucketMissing: StoreReason.BUCKET_NOT_FOUND,
    AccessDenied: StoreReason.ACCESS_DENIED,
    StoreUnavailable: StoreReason.BUCKET_UNREACHABLE,
}


def _open(settings: StoreSettings) -> None:
    """Raise unless the bucket lists; unlike a HEAD, a refused listing says why."""
    objects = ObjectStore(settings)
    try:
        objects.listed(settings.prefix, most=1)
    finally:
        objects.close()


async def _answer(threads: ThreadPoolExecutor, settings: StoreSettings, ask: Callable[[], Answer]) -> Answer:
    try:
        return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(threads, ask), DEADLINE)
    except TimeoutError as error:
        message = f"{settings.endpoint} did not answer within {DEADLINE:.0f} s"
        raise StoreUnavailable(message) from error
