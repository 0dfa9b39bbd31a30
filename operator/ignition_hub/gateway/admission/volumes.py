"""
The volumes of an injected pod: the folder of its engines, the token that the fetcher shows, its images. Pure.
"""

from collections.abc import Mapping

from ignition_hub.compatibility.readiness import EngineView
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.names import ANNOTATION_SAFE_TO_EVICT, AUDIENCE, ENGINES_VOLUME, TOKEN_VOLUME
from ignition_hub.engine.pod_annotations import InjectionRequest, OnMiss
from ignition_hub.gateway.admission.fetcher import InjectionSettings
from ignition_hub.gateway.admission.image_volumes import image_volumes
from ignition_hub.gateway.admission.json_patch import Json, Patch, add, appended

MIB = 1024**2
ROOM = 64 * MIB
"""Bytes for what lies beside the engines: their records, and the journals of downloads."""


def volumes(
    pod: Json, request: InjectionRequest, engines: Mapping[str, EngineView], settings: InjectionSettings
) -> Patch:
    """Add the engines' folder, unless the pod brings its own, and the token shown to the gateway."""
    there = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
    require_hubs_token(there.get(TOKEN_VOLUME))
    token = {"audience": AUDIENCE, "expirationSeconds": settings.token_seconds, "path": "token"}
    ours: list[Json] = [
        {"name": ENGINES_VOLUME, "emptyDir": {"sizeLimit": size_limit(request, engines, settings)}},
        {"name": TOKEN_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}},
        *image_volumes(request),
    ]
    missing = [volume for volume in ours if volume["name"] not in there]
    return [*appended(pod, ("spec", "volumes"), missing), *safe_to_evict(pod)]


def require_hubs_token(volume: Json | None) -> None:
    """Raise RequestError for a volume that has the name of the token's and holds something else."""
    sources = ((volume or {}).get("projected") or {}).get("sources") or ()
    tokens = [source.get("serviceAccountToken") or {} for source in sources]
    ours = [token for token in tokens if (token.get("audience"), token.get("path")) == (AUDIENCE, "token")]
    if volume is not None and not ours:
        raise RequestError(
            Reason.InvalidRequest,
            f"the pod has a volume {TOKEN_VOLUME} that holds no token for the audience {AUDIENCE}",
            "give it another name: the init container mounts this one",
        )


def size_limit(
    request: InjectionRequest, engines: Mapping[str, EngineView], settings: InjectionSettings
) -> str:
    """
    Return the most that the engines' folder may hold; the kubelet evicts a pod whose folder holds more.

    Twice the engines: while one is fetched that replaces another, or after a rebuild that gave a larger one,
    both are there. An engine that is not built yet counts as the largest that the hub accepts, because the
    volumes of a pod cannot be changed when its gate is lifted. So does a model that it may fall back to.
    """
    least = settings.largest_model if request.on_miss is OnMiss.FALLBACK else 0
    views = [engines[reference.resource] for reference in request.engines]
    sizes = [max(view.size or settings.largest_engine, least) for view in views]
    return f"{-(-(2 * sum(sizes) + ROOM) // MIB)}Mi"


def safe_to_evict(pod: Json) -> Patch:
    """
    Name the engines' folder among the volumes whose loss does not matter: the next pod fetches its own.

    Without it the cluster autoscaler takes no node away that such a pod runs on. Commas separate the names,
    and a blank beside one is part of the name.
    """
    theirs = pod["metadata"]["annotations"].get(ANNOTATION_SAFE_TO_EVICT) or ""
    names = theirs.split(",") if isinstance(theirs, str) and theirs else []
    if ENGINES_VOLUME in names:
        return []
    value = ",".join((*names, ENGINES_VOLUME))
    return [add(("metadata", "annotations", ANNOTATION_SAFE_TO_EVICT), value)]
