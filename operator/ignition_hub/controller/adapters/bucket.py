"""
The world outside Kubernetes for real: the default EngineStore's bucket, behind threads and deadlines.

``store.objects`` is synchronous; here it runs in bounded threads of its own, so that a slow bucket holds up
neither the watches nor the other engines.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from ignition_hub.api.quotas import quota_of
from ignition_hub.buckets.breaker import Breaker
from ignition_hub.buckets.default_store import DefaultStore, OpenStore
from ignition_hub.buckets.troubles import reason_of
from ignition_hub.buckets.workers import Workers
from ignition_hub.controller.adapters.gateway_findings import GatewayFindings
from ignition_hub.controller.adapters.object_cache import Mirror
from ignition_hub.controller.adapters.public_keys import GatewayKeys
from ignition_hub.controller.policy.ports import ModelFacts, Store
from ignition_hub.controller.policy.store_status import Heard, Probe
from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.identity import EngineInputs
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.naming import pushed_model_key, pushed_models_folder
from ignition_hub.engine.sources import parse_s3_uri, plugin_refusal, refusal
from ignition_hub.engine.store_findings import StoreReason
from ignition_hub.fair_turns import FairTurns
from ignition_hub.kube import Forbidden, Kube, Object
from ignition_hub.store.bundles import read_bundle
from ignition_hub.store.errors import ManifestRefused
from ignition_hub.store.find import find
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.settings import StoreSettings
from ignition_hub.ttl_cache import TtlCache

T = TypeVar("T")

THREADS, WAITING = 16, 1024
HASHING_THREADS = 2
"""Whole models are read in a pool of their own: they take minutes and must not delay the short questions."""
HASHING_EACH = HASHING_THREADS - 1
"""For one namespace: a model that is being read cannot be put aside, so one thread is left to the others."""
DEADLINE = 30.0
PROBE_EVERY = 240.0
"""Seconds for which a bucket that answered is not asked again, unless settings or Secret change."""
HASHING_DEADLINE = 3600.0


class Bucket:
    """One EngineStore's bucket; fulfils ``ports.Store``."""

    def __init__(
        self, store: OpenStore, keys: GatewayKeys, quick: Workers, hashing: Workers, turns: FairTurns
    ) -> None:
        self.opened = store
        self._spec, self._objects, self._keys = store.spec, store.objects, keys
        self._quick, self._hashing, self._turns, self._breaker = quick, hashing, turns, Breaker()

    @property
    def is_away(self) -> bool:
        """Tell whether the bucket counts as away, so that calls fail without asking it."""
        return self._breaker.is_open

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return self.opened.settings.bucket

    def refusal(self, namespace: str, uri: str) -> str | None:
        """Return why a namespace may not have ``uri`` read for it; None when it may."""
        return refusal(self._spec, namespace, uri)

    def plugin_refusal(self, namespace: str, uri: str) -> str | None:
        """Return why a plugin library is not loaded for a namespace; None when it may be."""
        return plugin_refusal(self._spec, namespace, uri)

    def is_pushed(self, namespace: str, uri: str, sha256: str) -> bool:
        """Tell whether this namespace pushed ``uri``: the gateway checked that its key is its digest."""
        return uri == self.opened.uri_of(pushed_model_key(self.opened.prefix, namespace, sha256))

    def quota(self, namespace: str) -> int | None:
        """Return the bytes that a namespace may keep here; None is no limit."""
        return quota_of(self._spec, namespace)

    async def pushed_bytes(self, namespace: str) -> int:
        """Return the bytes of all that a namespace pushed, by a listing of it."""
        folder = pushed_models_folder(self.opened.prefix, namespace)
        return await self._ask(lambda: sum(found.size for found in self._objects.every(folder)))

    async def model(self, uri: str) -> ModelFacts | None:
        """Look at a model or a bundle; None when it does not exist."""
        where = parse_s3_uri(uri)
        if uri.endswith("/"):
            bundle = await self._ask(lambda: read_bundle(self._objects, uri))
            return ModelFacts("", bundle.size, bundle.files) if bundle else None
        facts = await self._ask(lambda: self._objects.head(where.key, bucket=where.bucket))
        return ModelFacts(facts.etag, facts.size) if facts else None

    async def exists(self, uri: str) -> bool:
        """Tell whether there is an object."""
        where = parse_s3_uri(uri)
        return await self._ask(lambda: self._objects.head(where.key, bucket=where.bucket)) is not None

    async def find(self, inputs: EngineInputs, identity: str) -> Manifest | None:
        """Return the verified manifest of an identity; None when there is none."""
        keys = await self._keys.get()
        try:
            return await self._ask(lambda: find(self._objects, keys, inputs, identity))
        except ManifestRefused:
            renewed = await self._keys.get(renewed=True)
            if renewed is keys:
                raise
            return await self._ask(lambda: find(self._objects, renewed, inputs, identity))

    async def digest(self, namespace: str, uri: str) -> str:
        """Return the SHA-256 of a model by reading all of it, in a turn of ``namespace``."""
        where = parse_s3_uri(uri)
        async with self._turns.one(namespace):
            return (await self._hashing.run(self._objects.digest, where.key, bucket=where.bucket))[0]

    async def _ask(self, ask: Callable[[], T]) -> T:
        return await self._breaker.run(lambda: self._quick.run(ask))


def hashing_turns() -> FairTurns:
    """Return the turns in which namespaces have whole models read."""
    most = HASHING_THREADS + WAITING
    return FairTurns("models to read", most=most, each=HASHING_EACH, reason=Reason.StoreUnavailable)


class Buckets:
    """Fulfils ``ports.World``: the default EngineStore with its Secret, followed as they change."""

    def __init__(
        self,
        kube: Kube,
        stores: Mirror,
        release_namespace: str,
        keys: GatewayKeys,
        findings: GatewayFindings | None = None,
    ) -> None:
        async def listed() -> list[Object]:
            return list(stores)

        self._default, self._keys = DefaultStore(kube, release_namespace, listed), keys
        self._findings = findings
        self._quick = Workers(name="store", threads=THREADS, waiting=WAITING, deadline=DEADLINE)
        self._hashing = Workers(
            name="digest", threads=HASHING_THREADS, waiting=WAITING, deadline=HASHING_DEADLINE
        )
        self._turns = hashing_turns()
        self._opened: TtlCache[StoreSettings, None] = TtlCache(seconds=PROBE_EVERY, size=16)
        self._current: Bucket | None = None

    async def store(self) -> Store:
        """Return the default store; raise StoreMisconfigured when there is none that can be used."""
        opened = await self._default.current()
        if self._current is None or self._current.opened is not opened:
            self._current = Bucket(opened, self._keys, self._quick, self._hashing, self._turns)
        return self._current

    async def probe(self, store: Mapping[str, Any]) -> Probe:
        """Return whether the bucket of an EngineStore opens with its Secret; a yes stands for minutes."""
        try:
            settings = await self._default.settings_of(store, fresh=True)
            await self._opened.get(settings, partial(self._quick.run, _open, settings))
        except Forbidden as error:
            remedy = "list the Secret in store.extraCredentialsSecrets of the chart"
            message = f"the controller may not read the Secret: {error.message}: {remedy}"
            return Probe(StoreReason.CREDENTIALS_INVALID, message)
        except IgnitionError as error:
            return Probe(reason_of(error), str(error))
        return Probe(StoreReason.BUCKET_REACHABLE)

    async def heard(self, store: Mapping[str, Any]) -> Heard:
        """Return what the gateways found of the bucket of the EngineStore in use."""
        return Heard() if self._findings is None else await self._findings.heard(store)

    @property
    def is_away(self) -> bool:
        """Tell whether the bucket in use counts as away."""
        return self._current is not None and self._current.is_away

    def close(self) -> None:
        """Let go of the threads; what they wait for has its own deadline."""
        self._quick.close()
        self._hashing.close()
        self._default.close()


def _open(settings: StoreSettings) -> None:
    """Raise unless the bucket lists; unlike a HEAD, a refused listing says why."""
    objects = ObjectStore(settings)
    try:
        objects.listed(settings.prefix, most=1)
    finally:
        objects.close()
