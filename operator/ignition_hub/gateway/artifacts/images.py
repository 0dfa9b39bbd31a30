"""
Ready engines as images in the registry of the EngineStore, for pods that mount them.

Level-triggered: every pass looks at all TensorRTEngines, and pushes what the registry lacks, one engine after
the other. One replica at a time pushes; the others find its images. What was found is remembered for an hour,
so a pass at rest asks nobody. Whatever fails is tried again in a later pass, and pods download meanwhile.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.buckets.default_store import DefaultStore, OpenStore
from ignition_hub.buckets.workers import Workers
from ignition_hub.compatibility.engine_choice import EngineNotReady, candidates_of
from ignition_hub.engine.errors import IgnitionError
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.state import State
from ignition_hub.gateway.artifacts.engine_query import EngineClaim, manifest_key_in
from ignition_hub.gateway.artifacts.verified_engines import VerifiedEngines
from ignition_hub.gateway.cluster.turns import IMAGES, Turns
from ignition_hub.gateway.cluster.views import Views
from ignition_hub.gateway.process.image_list import ImageFile, ImageList
from ignition_hub.kube import SECRETS, Kube, KubeError
from ignition_hub.registry.client import Registry
from ignition_hub.registry.errors import RegistryRefused, RegistryUnavailable
from ignition_hub.registry.push import Pushed, find_pushed, push
from ignition_hub.registry.settings import RegistrySettings, push_secret_name, registry_settings
from ignition_hub.store.find import DOCUMENT_BYTES
from ignition_hub.ttl_cache import TtlCache
from ignition_hub.wire.deadline import Deadline

log = logging.getLogger(__name__)

AGAIN_SECONDS = 3600.0
"""How long an image counts as being there: a registry may have collected it."""
REFUSED_SECONDS = 300.0
"""How long an engine that was refused is left alone."""
MOST_IMAGES = 16384
FIND_SECONDS = 30.0
PUSH_SECONDS = 1700.0
"""For the largest engine over a slow line; less than what the worker has."""
OLDEST = (1, 35)
"""The first Kubernetes that has image volumes unasked; an earlier API server would drop the field."""


@dataclass(frozen=True, slots=True)
class WantedImage:
    """A ready engine of a TensorRTEngine that a registry is to have."""

    name: str
    claim: EngineClaim

    @property
    def sha256(self) -> str:
        """Of the engine, as the status says."""
        return self.claim.candidate.sha256 or ""


def wanted_images(resource: Mapping[str, Any]) -> Iterator[WantedImage]:
    """Yield the engines of a TensorRTEngine whose status speaks of its spec."""
    metadata = resource["metadata"]
    if resource["status"]["observedGeneration"] < (metadata.get("generation") or 0):
        return
    for candidate in candidates_of(resource):
        if candidate.state == State.READY and candidate.identity and candidate.uri and candidate.sha256:
            yield WantedImage(
                metadata["name"], EngineClaim(candidate, resource["spec"], metadata["namespace"])
            )


Question = tuple[RegistrySettings, str, str]


class ImagePushing:
    """The passes of one gateway; ``count`` hears what became of each push: ``pushed`` or ``failed``."""

    def __init__(
        self,
        kube: Kube,
        namespace: str,
        file: ImageFile,
        engines: VerifiedEngines,
        count: Callable[[str], None],
    ) -> None:
        self._kube, self._namespace, self._file, self._engines = kube, namespace, file, engines
        self._count = count
        self._turns = Turns(kube, namespace, IMAGES, "another replica is pushing images")
        self._worker = Workers(name="images", threads=1, waiting=1, deadline=PUSH_SECONDS + 2 * FIND_SECONDS)
        self._found: TtlCache[Question, str] = TtlCache(seconds=AGAIN_SECONDS, size=MOST_IMAGES)
        self._refused: dict[Question, float] = {}
        """Until when an engine is left alone, on the monotonic clock."""
        self._trouble: TtlCache[str, str] = TtlCache(seconds=REFUSED_SECONDS, size=1)

    async def follow(self, views: Views, stores: DefaultStore, pause: float) -> None:
        """Make passes for ever, with a ``pause`` in seconds between two."""
        await views.synced()
        while True:
            try:
                await self.look(views.resources(), await stores.current())
            except RegistryRefused as error:
                self._file.write(ImageList(trouble=str(error)))
                log.warning("no images are pushed: %s", error)
            except (IgnitionError, KubeError) as error:
                log.warning("images are looked at again later: %s", error)
            await asyncio.sleep(pause)

    async def look(self, resources: Iterable[Mapping[str, Any]], store: OpenStore) -> None:
        """Make one pass: push what lacks, and write down what is there, as soon as it is."""
        spec = store.spec.get("registry")
        if not spec:
            self._file.write(ImageList())
            return
        name = push_secret_name(spec)
        secret = await self._kube.get(SECRETS, name, self._namespace) if name else None
        settings = registry_settings(spec, secret)
        trouble = await self._trouble.get("version", self._ask_version)
        now = time.monotonic()
        self._refused = {question: until for question, until in self._refused.items() if until > now}
        images: dict[str, dict[str, dict[str, str]]] = {}
        for wanted in [each for resource in resources for each in wanted_images(resource)]:
            if reference := await self._reference(settings, store, wanted):
                of_namespace = images.setdefault(wanted.claim.namespace, {})
                of_namespace.setdefault(wanted.name, {})[wanted.sha256] = reference
        self._file.write(ImageList(trouble, images))

    def close(self) -> None:
        """Let a push that runs end, and begin no more."""
        self._worker.close()

    async def _reference(self, settings: RegistrySettings, store: OpenStore, wanted: WantedImage) -> str:
        """Return the image of an engine; empty where it is not there, and is tried again later."""
        question = settings, settings.name_of(wanted.claim.namespace, wanted.name), wanted.sha256
        try:
            if question in self._refused:
                return ""
            return await self._found.get(question, lambda: self._there(settings, store, wanted))
        except RegistryUnavailable:
            raise  # it would be the same for every engine
        except IgnitionError as error:
            log.warning("no image of %s/%s: %s", wanted.claim.namespace, wanted.name, error)
            self._count("failed")
            self._refused[question] = time.monotonic() + REFUSED_SECONDS
            return ""

    async def _there(self, settings: RegistrySettings, store: OpenStore, wanted: WantedImage) -> str:
        manifest = await self._manifest(store, wanted)
        name = settings.name_of(wanted.claim.namespace, wanted.name)
        found = await self._worker.run(found_in, settings, name, manifest)
        if found is None:
            async with self._turns.one():
                found = await self._worker.run(pushed_to, settings, name, manifest, store)
            self._count("pushed")
            log.info("image %s is in the registry", found.reference)
        return found.reference

    async def _manifest(self, store: OpenStore, wanted: WantedImage) -> Manifest:
        """Return the verified manifest of the engine that the status means."""
        claim = wanted.claim
        manifest, _ = await self._engines.get(store, manifest_key_in(store, claim), claim.identity)
        claim.require_own(manifest)
        if manifest.engine.sha256 != wanted.sha256:
            raise EngineNotReady("the engine was replaced, and the status does not say so yet")
        return manifest

    async def _ask_version(self) -> str:
        found = await self._kube.version()
        if found >= OLDEST:
            return ""
        is_there, needed = (".".join(map(str, each)) for each in (found, OLDEST))
        return f"the API server is Kubernetes {is_there}, and image volumes need {needed}"


def found_in(settings: RegistrySettings, name: str, manifest: Manifest) -> Pushed | None:
    """Look for an image; synchronous, one request or three."""
    return find_pushed(Registry(settings, Deadline(FIND_SECONDS)), name, manifest)


def pushed_to(settings: RegistrySettings, name: str, manifest: Manifest, store: OpenStore) -> Pushed:
    """Push an engine from the bucket to the registry; synchronous, with one chunk of it in memory."""
    provenance = store.objects.get(manifest.provenance_key, DOCUMENT_BYTES)
    registry = Registry(settings, Deadline(PUSH_SECONDS))
    return push(registry, name, manifest, provenance, store.objects.stream(manifest.engine.key))
