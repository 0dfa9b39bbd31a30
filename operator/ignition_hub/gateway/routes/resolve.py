"""
``POST /v1/engines/{name}/resolve``: the engine that fits the GPU the pod was really scheduled on.

Namespace, pod and node come from the token, never from the request. The status says where an engine should
be, the signature of its manifest whether it is one of ours.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.compatibility.engine_choice import (
    CandidateTarget,
    EngineNotReady,
    NoEngineForGPU,
    ready_for,
)
from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.compatibility.inventory import Belief
from ignition_hub.compatibility.loading import EngineFacts, Loading, loads, sized
from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.errors import IgnitionError, NewerRelease, Reason
from ignition_hub.engine.fallback import ON_MISS
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.naming import engine_folder
from ignition_hub.engine.pod_annotations import RESOURCE, OnMiss
from ignition_hub.engine.quoting import quoted
from ignition_hub.engine.selection import REASON_CHARACTERS, PassedOver, Selection
from ignition_hub.engine.sources import S3Location, parse_s3_uri, refusal
from ignition_hub.gateway.artifacts.verified_engines import VerifiedEngines
from ignition_hub.gateway.cluster.pod_events import engine_chosen, no_engine
from ignition_hub.gateway.errors import NotPermitted
from ignition_hub.gateway.routes.fallback import fall_back
from ignition_hub.gateway.services import SERVICES, Services
from ignition_hub.kube import TokenUser
from ignition_hub.store.errors import AccessDenied, ManifestRefused, RolledBack
from ignition_hub.store.find import manifest_key_of

log = logging.getLogger(__name__)

ANSWER_BYTES = 4 * 1024 * 1024
"""The longest answer: fetchers read no more."""
MOST_TRIED = 4
"""How many engines are looked at for one request; each takes three requests to the store."""


PASSED_OVER = (ManifestRefused, NewerRelease, EngineNotReady, NoEngineForGPU, AccessDenied)
"""
What is wrong with one engine alone. A policy of the bucket may deny one object; where all are denied, or the
store is away, no pod gets a lesser engine for it.
"""


@dataclass(frozen=True, slots=True)
class EngineQuery:
    """What a manifest must be about."""

    candidate: CandidateTarget
    gpu: NodeGpu
    spec: Mapping[str, Any]
    namespace: str

    @property
    def identity(self) -> str:
        """The identity that the status names."""
        return self.candidate.identity or ""

    def require_source(self, store_spec: Mapping[str, Any]) -> None:
        """Raise IgnitionError (SourceForbidden) unless the namespace may read the model it names."""
        why_not = refusal(store_spec, self.namespace, self.spec["model"]["source"]["uri"])
        if why_not is not None:
            raise IgnitionError(Reason.SourceForbidden, why_not)

    def has_seen_newer(self, manifest: Manifest) -> bool:
        """Tell whether the status remembers an engine that had replaced the one of ``manifest``."""
        newest = self.candidate.newest
        return newest is not None and manifest.is_rolled_back(*newest)

    def require(self, manifest: Manifest) -> Loading:
        """
        Return how the engine of a signed manifest loads on the GPU.

        Raise ManifestRefused unless it is about this model and target, NoEngineForGPU unless it loads.
        """
        # Whoever could write a status must not be given the engine of another namespace's model.
        inputs, model = manifest.inputs, self.spec["model"]
        found = (inputs.model.name, inputs.model.version, inputs.precision, inputs.gpu_arch)
        asked = (model["name"], model["version"], self.spec["precision"], self.candidate.arch)
        if found != asked:
            raise ManifestRefused(
                f"the status refers to an engine for {' '.join(found)}; {' '.join(asked)} was requested"
            )
        pinned = model["source"].get("sha256")
        kind, _, digest = inputs.model.fingerprint.partition(":")
        if kind != ("sha256" if pinned else "object") or (pinned and digest != pinned):
            raise ManifestRefused(
                "the status refers to an engine built from another source than spec.model.source"
            )
        if self.has_seen_newer(manifest):
            raise RolledBack(manifest.built_at)
        # The status only sorted the candidates; what was signed decides.
        fit = loads(EngineFacts.of_manifest(manifest), self.gpu)
        if not fit.is_vouched_for:
            raise NoEngineForGPU(fit.message, fit.remedy)
        return fit


@dataclass(frozen=True, slots=True)
class Chosen:
    """An engine that is whole and loads, how it does, and the better ones that are not handed out."""

    query: EngineQuery
    manifest: Manifest
    url: str
    fit: Loading
    passed_over: tuple[PassedOver, ...] = ()

    def explained(self, belief: Belief) -> Selection:
        """Return why it was chosen, for a GPU that is believed for the reason that ``belief`` names."""
        told_by = f"{belief.source} ({belief.doubt})" if belief.doubt else belief.source
        target, gpu = self.query.candidate.name, sized(self.query.gpu)
        return Selection(target, gpu, told_by, self.fit.message, self.passed_over)


async def resolve(request: web.Request) -> web.Response:
    """Answer with a short-lived URL of the engine that fits, its digest and its manifest."""
    services = request.app[SERVICES]
    user = await services.callers.user_of(request)
    if not user.namespace or not user.node_name:
        raise NotPermitted(
            f"the token of {user.username} is not bound to a node",
            "use the token projected into a scheduled pod",
        )
    engine = await _engine(services, user.namespace, request.match_info["name"])
    try:
        body = await _engine_or_model(request, services, user, engine)
    except NoEngineForGPU as error:
        services.pod_events.tell(user, no_engine(engine["metadata"]["name"], error))
        raise
    return web.Response(body=body, content_type="application/json")


async def _engine_or_model(
    request: web.Request, services: Services, user: TokenUser, engine: Mapping[str, Any]
) -> bytes:
    try:
        return await _engine_for(services, user, engine)
    except (EngineNotReady, NoEngineForGPU) as miss:
        if request.query.get(ON_MISS) != OnMiss.FALLBACK:
            raise
        return encoded(await fall_back(services, user, engine, miss))


async def _engine_for(services: Services, user: TokenUser, engine: Mapping[str, Any]) -> bytes:
    """Return the answer that is an engine, and tell of it."""
    require_current(engine)
    name, belief = engine["metadata"]["name"], await services.views.gpus.belief_of(user)
    gpu, choices = chosen_for(engine, belief, user.node_name or "")
    queries = [EngineQuery(choice, gpu, engine["spec"], user.namespace or "") for choice in choices]
    chosen = await locate(services.engines, await services.stores.current(), queries)
    selection = chosen.explained(belief)
    body = encoded(_answer(name, chosen, selection))
    services.metrics.resolved.labels(chosen.manifest.inputs.gpu_arch).inc()
    services.pod_events.tell(user, engine_chosen(name, chosen.manifest.engine.sha256, selection))
    return body


async def _engine(services: Services, namespace: str, name: str) -> Mapping[str, Any]:
    engine = await services.views.engine(namespace, name) if RESOURCE.fullmatch(name) else None
    if engine is None:
        raise IgnitionError(
            Reason.EngineNotFound,
            f"namespace {namespace} has no TensorRTEngine {name!r:.80}",
            "apply it there; engines of other namespaces are never used",
        )
    return engine


def require_current(engine: Mapping[str, Any]) -> None:
    """Raise EngineNotReady while the status speaks of an earlier spec."""
    observed = (engine.get("status") or {}).get("observedGeneration", -1)
    if observed < engine["metadata"].get("generation", 0):
        # The engine of the spec before may have other shapes or another model.
        name = engine["metadata"]["name"]
        raise EngineNotReady(f"the latest change of {name} is not processed yet", "the request is retried")


def chosen_for(
    engine: Mapping[str, Any], belief: Belief, node: str
) -> tuple[NodeGpu, tuple[CandidateTarget, ...]]:
    """
    Return the GPU of a pod on ``node`` and the engines that load on it, the best first; at least one.

    NoEngineForGPU says what is not known of the GPU, where that is why there is none.
    """
    if belief.gpu is None:
        raise NoEngineForGPU(f"node {node}: {belief.doubt}", belief.remedy)
    try:
        return belief.gpu, ready_for(engine, belief.gpu)
    except NoEngineForGPU as error:
        if not belief.doubt:
            raise
        message = f"{error.message}; node {node}: {belief.doubt}"
        raise NoEngineForGPU(message, f"{belief.remedy}, or {error.remedy}") from error


async def locate(engines: VerifiedEngines, store: OpenStore, queries: Sequence[EngineQuery]) -> Chosen:
    """
    Return the best engine that is whole, with a URL; at least one query, the best first.

    One that is damaged, lost, denied or of a later release does not hide the next that loads on the same GPU.
    The error is the best's.
    """
    errors: list[IgnitionError] = []
    for wanted in queries[:MOST_TRIED]:
        try:
            manifest_key = manifest_key_in(store, wanted)
            manifest, url = await engines.get(store, manifest_key, wanted.identity)
            if wanted.has_seen_newer(manifest):
                # What is remembered may be of before the rebuild that the status knows of.
                manifest, url = await engines.get(store, manifest_key, wanted.identity, again=True)
            fit = wanted.require(manifest)
        except PASSED_OVER as error:
            log.warning("target %s cannot be handed out: %s", wanted.candidate.name, error)
            errors.append(error)
        else:
            better = zip(queries, errors, strict=False)
            passed_over = tuple(_passed_over(one, error) for one, error in better)
            return Chosen(wanted, manifest, url, fit, passed_over)
    raise errors[0]


def _passed_over(wanted: EngineQuery, error: IgnitionError) -> PassedOver:
    return PassedOver(wanted.candidate.name, quoted(str(error), REASON_CHARACTERS))


def manifest_key_in(store: OpenStore, wanted: EngineQuery) -> str:
    """Return where the manifest of a candidate is; raise IgnitionError where it must not be looked for."""
    wanted.require_source(store.spec)
    candidate = wanted.candidate
    where = _place_of(candidate)
    if where.bucket != store.settings.bucket:
        raise EngineNotReady(
            f"{candidate.uri} is not in the bucket {store.settings.bucket} that is in use now",
            "it will be rebuilt",
        )
    manifest_key = manifest_key_of(where.uri)
    # Before anything is read: a status must not become a way to ask for any object of the bucket.
    folder = engine_folder(store.prefix, wanted.spec["model"]["name"], wanted.identity)
    if manifest_key.rpartition("/")[0] != folder:
        raise ManifestRefused(f"{candidate.uri} is the path of another engine, not {wanted.identity}")
    return manifest_key


def _place_of(candidate: CandidateTarget) -> S3Location:
    try:
        return parse_s3_uri(candidate.uri or "")
    except ValueError as error:
        raise ManifestRefused(f"the status has an invalid engine URI: {error}") from error


def _answer(name: str, chosen: Chosen, selection: Selection) -> dict[str, Any]:
    gpu, manifest = chosen.query.gpu, chosen.manifest
    return {
        "name": name,
        "identity": manifest.identity,
        "gpu": gpu.to_json(),
        "selection": selection.to_json(),
        "file_name": manifest.engine.key.rpartition("/")[2],
        "url": chosen.url,
        "size": manifest.engine.size,
        "sha256": manifest.engine.sha256,
        "manifest": replace(manifest, build=manifest.build.for_loading()).to_json(),
    }


def encoded(answer: Mapping[str, Any]) -> bytes:
    """Return an answer as JSON; ManifestRefused for one that no fetcher would read."""
    # In UTF-8, as its parts were measured: escaped, a word of another script has six times its length.
    body = canonical_json(answer)
    if len(body) > ANSWER_BYTES:
        raise ManifestRefused(f"the answer would have {len(body)} bytes; fetchers read {ANSWER_BYTES}")
    return body
