"""
``POST /v1/engines/{name}/resolve``: the engine that fits the GPU the pod was really scheduled on.

Namespace, pod and node come from the token, never from the request. ``artifacts.engine_query`` says which
engines come into question, ``artifacts.engine_search`` which of them is there.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from ignition_hub.compatibility.engine_choice import EngineNotReady, NoEngineForGPU
from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.fallback import ON_MISS
from ignition_hub.engine.pod_annotations import RESOURCE, OnMiss
from ignition_hub.engine.selection import Selection
from ignition_hub.gateway.artifacts.engine_query import EngineQuery, chosen_for, require_current
from ignition_hub.gateway.artifacts.engine_search import Chosen, locate
from ignition_hub.gateway.cluster.pod_events import engine_chosen, no_engine
from ignition_hub.gateway.errors import NotPermitted
from ignition_hub.gateway.routes.fallback import fall_back
from ignition_hub.gateway.services import SERVICES, Services
from ignition_hub.kube import TokenUser
from ignition_hub.store.errors import ManifestRefused

ANSWER_BYTES = 4 * 1024 * 1024
"""The longest answer: fetchers read no more."""


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
