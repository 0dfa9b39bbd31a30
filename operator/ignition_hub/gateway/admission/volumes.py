"""
The volumes of an injected pod: the folder of its engines, and the token that the fetcher shows. Pure.
"""

from ignition_hub.engine.names import ANNOTATION_SAFE_TO_EVICT, AUDIENCE, ENGINES_VOLUME, TOKEN_VOLUME
from ignition_hub.gateway.admission.fetcher import InjectionSettings
from ignition_hub.gateway.admission.json_patch import Json, Patch, add, appended


def volumes(pod: Json, settings: InjectionSettings) -> Patch:
    """Add the engines' folder and the token the fetcher shows to the gateway."""
    token = {"audience": AUDIENCE, "expirationSeconds": settings.token_seconds, "path": "token"}
    ours: list[Json] = [
        {"name": ENGINES_VOLUME, "emptyDir": {}},
        {"name": TOKEN_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}},
    ]
    return [*appended(pod, ("spec", "volumes"), ours), *safe_to_evict(pod)]


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
