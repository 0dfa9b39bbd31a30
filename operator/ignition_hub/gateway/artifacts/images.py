"""
Ready engines as images in the registry of the EngineStore, for pods that mount them.

Level-triggered: every pass looks at all TensorRTEngines, and pushes what the registry lacks, one engine after
the other. One replica at a time pushes; the others find its images. What was found is remembered for an hour,
so a pass at rest asks nobody. Whatever fails is tried again in a later pass, behind what did not fail, and
pods download meanwhile.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.buckets.default_store import DefaultStore, OpenStore
from ignition_hub.buckets.workers import Workers
from ignition_hub.compatibility.engine_choice import EngineNotReady, candidates_of
from ignition_hub.engine.errors import IgnitionError, NewerRelease, TransientError
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.state import State
from ignition_hub.gateway.artifacts.engine_query import EngineClaim, manifest_key_in
from ignition_hub.gateway.artifacts.verified_engines import VerifiedEngines
from ignition_hub.gateway.cluster.turns import IMAGES, Turns, TurnTaken
from ignition_hub.gateway.cluster.views import Views
from ignition_hub.gateway.process.image_list import ImageFile, ImageList
from ignition_hub.kube import SECRETS, Kube, KubeError
from ignition_hub.registry.client import Registry
from ignition_hub.registry.errors import RegistryRefused
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
PUSH_RESTS = (0.0, 0.0, 20.0, 40.0, 80.0, 160.0, REFUSED_SECONDS)
"""How long no push follows, by how often the engine failed in a row: each push may send most of it."""
MOST_FAILURES = 3
"""After so many, a pass asks for no more: a registry that is away would keep it for half a minute each."""
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

    def __str__(self) -> str:
        return f"{self.claim.namespace}/{self.name}"

    def question_in(self, settings: RegistrySettings) -> "Question":
        """Return what is asked of a registry."""
        return settings, settings.name_of(self.claim.namespace, self.name), self.sha256


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
"""Whether a registry has, in a repository, the engine of a SHA-256."""


@dataclass(frozen=True, slots=True)
class Failures:
    """How often an engine failed since it last did not, and when it last did, on the monotonic clock."""

    times: int = 0
    last: float = 0.0

    def and_one(self) -> "Failures":
        """Return these and one of now."""
        return Failures(self.times + 1, time.monotonic())

    @property
    def has_rested(self) -> bool:
        """Whether the engine may be pushed again."""
        return time.monotonic() >= self.last + PUSH_RESTS[min(self.times, len(PUSH_RESTS) - 1)]


NONE_YET = Failures()


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
        self._known: dict[Question, str] = {}
        """The references of images that were there when they were last looked for."""
        self._rests: dict[Question, float] = {}
        """Until when nothing is asked about an engine, on the monotonic clock."""
        self._failures: dict[Question, Failures] = {}
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
        every = [each for resource in resources for each in wanted_images(resource)]
        wanted = {each.question_in(settings): each for each in every}
        self._forget(wanted)
        # All that is there first: pods are not to wait for the push of another engine.
        await self._each(wanted, lambda *due: self._find(store, *due))
        self._write(trouble, wanted)

        async def push(question: Question, each: WantedImage) -> None:
            if self._failures.get(question, NONE_YET).has_rested:
                await self._push(store, question, each)
                self._write(trouble, wanted)

        await self._each(wanted, push)

    def close(self) -> None:
        """Let a push that runs end, and begin no more."""
        self._worker.close()

    async def _each(
        self, wanted: Mapping[Question, WantedImage], step: Callable[[Question, WantedImage], Awaitable[None]]
    ) -> None:
        """Take a step for each engine that does not rest, those that never failed before those that did."""
        failures = 0
        for question, each in sorted(wanted.items(), key=self._last_failure):
            if question not in self._rests and failures < MOST_FAILURES:
                failures += not await self._tried(question, each, step(question, each))

    def _last_failure(self, each: tuple[Question, WantedImage]) -> float:
        return self._failures.get(each[0], NONE_YET).last

    def _forget(self, wanted: Mapping[Question, WantedImage]) -> None:
        now = time.monotonic()
        self._rests = {question: until for question, until in self._rests.items() if until > now}
        self._known = {question: known for question, known in self._known.items() if question in wanted}
        self._failures = {question: those for question, those in self._failures.items() if question in wanted}

    def _write(self, trouble: str, wanted: Mapping[Question, WantedImage]) -> None:
        images: dict[str, dict[str, dict[str, str]]] = {}
        for question, reference in self._known.items():
            each = wanted[question]
            of_namespace = images.setdefault(each.claim.namespace, {})
            of_namespace.setdefault(each.name, {})[each.sha256] = reference
        self._file.write(ImageList(trouble, images))

    async def _tried(self, question: Question, wanted: WantedImage, step: Awaitable[None]) -> bool:
        """Take a step for one engine; False where the registry, the store or another replica is not ready."""
        try:
            await step
        except NewerRelease as error:  # says nothing about other engines
            log.warning("the image of %s is looked for later: %s", wanted, error)
            self._rests[question] = time.monotonic() + REFUSED_SECONDS
        except TurnTaken as error:  # nothing was sent
            log.warning("the image of %s is looked for later: %s", wanted, error)
            return False
        except TransientError as error:
            log.warning("the image of %s is looked for later: %s", wanted, error)
            self._failures[question] = self._failures.get(question, NONE_YET).and_one()
            return False
        except IgnitionError as error:
            log.warning("no image of %s: %s", wanted, error)
            self._count("failed")
            self._known.pop(question, None)
            self._rests[question] = time.monotonic() + REFUSED_SECONDS
        return True

    async def _find(self, store: OpenStore, question: Question, wanted: WantedImage) -> None:
        settings, name, _ = question
        found = await self._worker.run(found_in, settings, name, await self._manifest(store, wanted))
        self._note(question, found)

    async def _push(self, store: OpenStore, question: Question, wanted: WantedImage) -> None:
        settings, name, _ = question
        manifest = await self._manifest(store, wanted)
        async with self._turns.one():
            found = await self._worker.run(pushed_to, settings, name, manifest, store)
        self._note(question, found)
        if found.new:
            self._count("pushed")
            log.info("image %s is in the registry", found.reference)

    def _note(self, question: Question, found: Pushed | None) -> None:
        if found is None:
            self._known.pop(question, None)
        else:
            self._known[question] = found.reference
            self._failures.pop(question, None)
            self._rests[question] = time.monotonic() + AGAIN_SECONDS

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
