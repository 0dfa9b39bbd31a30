"""
The containers that get a pod's engines: each sees them read-only, and is told where they are. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ignition_hub.engine.names import ENGINE_FILE, ENGINES_VOLUME, MODEL_FILE, MODEL_FOLDER
from ignition_hub.engine.pod_annotations import (
    ANNOTATION_MOUNT_PATH,
    AnnotationError,
    InjectionRequest,
    OnMiss,
)
from ignition_hub.gateway.admission.bounds import require_few_containers
from ignition_hub.gateway.admission.image_volumes import image_mounts
from ignition_hub.gateway.admission.json_patch import Json, Patch, appended
from ignition_hub.gateway.admission.meshes import PROXIES


@dataclass(frozen=True, slots=True)
class Recipient:
    """A container that gets engines: ``path`` is where it stands in the pod."""

    path: tuple[str | int, ...]
    container: Json


def recipients(pod: Json, request: InjectionRequest) -> Patch:
    """Show the engines to the containers that get them, and tell each where they are."""
    chosen = [*named_among(pod, "initContainers", request), *named_among(pod, "containers", request)]
    require_few_containers(chosen)
    patch: Patch = []
    for recipient in chosen:
        patch += mount(recipient, request) + variables(recipient, request)
    return patch


def named_among(pod: Json, field: str, request: InjectionRequest) -> Iterator[Recipient]:
    """Yield those that get engines: the named, or all that are neither an init container nor a proxy."""
    for index, container in enumerate(pod["spec"].get(field) or ()):
        by_default = field == "containers" and container["name"] not in PROXIES
        if by_default if request.containers is None else container["name"] in request.containers:
            yield Recipient(("spec", field, index), container)


def mount(recipient: Recipient, request: InjectionRequest) -> Patch:
    """Add the read-only mounts; that of the engines' folder only if the container has not made its own."""
    container = recipient.container
    there = {one["name"] for one in container.get("volumeMounts") or ()}
    images = [one for one in image_mounts(request) if one["name"] not in there]
    if own_folder(container) is not None:
        return appended(container, ("volumeMounts",), images, below=recipient.path)
    mounts = container.get("volumeMounts") or ()
    if taken := [one["name"] for one in mounts if one["mountPath"].rstrip("/") == request.mount_path]:
        raise AnnotationError(
            ANNOTATION_MOUNT_PATH,
            f"container {container['name']!r:.80} mounts volume {taken[0]!r:.80} at {request.mount_path}",
            "set the annotation to another path",
        )
    ours = {"name": ENGINES_VOLUME, "mountPath": request.mount_path, "readOnly": True}
    return appended(container, ("volumeMounts",), [ours, *images], below=recipient.path)


def variables(recipient: Recipient, request: InjectionRequest) -> Patch:
    """Add the path of each engine; a variable the author set stays as it is."""
    container = recipient.container
    folder = own_folder(container) or request.mount_path
    there = {variable["name"] for variable in container.get("env") or ()}
    paths = paths_in(folder, request)
    ours = [{"name": name, "value": path} for name, path in paths.items() if name not in there]
    return appended(container, ("env",), ours, below=recipient.path)


def paths_in(folder: str, request: InjectionRequest) -> dict[str, str]:
    """Return the path for each variable: of every engine, and of every model that may be there instead."""
    engines = {one.variable: f"{folder}/{one.alias}/{ENGINE_FILE}" for one in request.engines}
    if request.on_miss is not OnMiss.FALLBACK:
        return engines
    models = {
        one.model_variable: f"{folder}/{one.alias}/{MODEL_FOLDER}/{MODEL_FILE}" for one in request.engines
    }
    return engines | models


def own_folder(container: Json) -> str | None:
    """Return where a container mounts the engines' volume by itself, if it does."""
    mounts = container.get("volumeMounts") or ()
    paths = [one["mountPath"].rstrip("/") for one in mounts if one["name"] == ENGINES_VOLUME]
    return paths[0] if paths else None
