"""
The containers that get a pod's engines: each sees them read-only, and is told where they are. Pure.
"""

from ignition_hub.engine.names import ENGINES_VOLUME
from ignition_hub.engine.pod_annotations import (
    ANNOTATION_MOUNT_PATH,
    AnnotationError,
    EngineReference,
    InjectionRequest,
)
from ignition_hub.gateway.admission.bounds import require_few_containers
from ignition_hub.gateway.admission.json_patch import Json, Patch, appended


def recipients(pod: Json, request: InjectionRequest) -> Patch:
    """Show the engines to the containers that get them, and tell each where they are."""
    chosen = [
        (index, container)
        for index, container in enumerate(pod["spec"].get("containers") or ())
        if request.containers is None or container["name"] in request.containers
    ]
    require_few_containers(chosen)
    patch: Patch = []
    for index, container in chosen:
        patch += mount(container, index, request) + variables(container, index, request)
    return patch


def mount(container: Json, index: int, request: InjectionRequest) -> Patch:
    """Add the read-only mount, unless the container has made its own of the same volume."""
    mounts = container.get("volumeMounts") or ()
    if any(one["name"] == ENGINES_VOLUME for one in mounts):
        return []
    if taken := [one["name"] for one in mounts if one["mountPath"].rstrip("/") == request.mount_path]:
        raise AnnotationError(
            ANNOTATION_MOUNT_PATH,
            f"container {container['name']!r:.80} mounts volume {taken[0]!r:.80} at {request.mount_path}",
            "set the annotation to another path",
        )
    ours = {"name": ENGINES_VOLUME, "mountPath": request.mount_path, "readOnly": True}
    return appended(container, ("volumeMounts",), [ours], below=("spec", "containers", index))


def variables(container: Json, index: int, request: InjectionRequest) -> Patch:
    """Add the path of each engine; a variable the author set stays as it is."""
    there = {variable["name"] for variable in container.get("env") or ()}
    ours = [
        {"name": reference.variable, "value": engine_path(request, reference)}
        for reference in request.engines
        if reference.variable not in there
    ]
    return appended(container, ("env",), ours, below=("spec", "containers", index))


def engine_path(request: InjectionRequest, reference: EngineReference) -> str:
    """Return where a container finds an engine."""
    return f"{request.mount_path}/{reference.alias}/model.engine"
