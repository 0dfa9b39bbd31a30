"""
The containers that get a pod's engines: each sees them read-only, and is told where they are. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ignition_hub.engine.names import ENGINE_FILE, MODEL_FILE, MODEL_FOLDER
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
from ignition_hub.gateway.admission.own_mounts import (
    engines_mount,
    filled_part,
    folders_seen,
    other_part,
    own_mounts,
    require_sight,
    sees_engines,
)


@dataclass(frozen=True, slots=True)
class Recipient:
    """A container that gets engines: ``path`` is where it stands in the pod."""

    path: tuple[str | int, ...]
    container: Json


def recipients(pod: Json, request: InjectionRequest, filled: str) -> Patch:
    """Show the engines to the containers that get them, and tell each where they are."""
    patch: Patch = []
    for recipient in chosen(pod, request):
        patch += mount(recipient, request, filled) + variables(recipient, request, filled)
    return patch


def filled_by_fetcher(pod: Json, request: InjectionRequest) -> str:
    """
    Return the ``subPath`` of the engines' volume into which they are put, empty for the whole volume.

    Raises RequestError where no container would see them there.
    """
    containers, aliases = _containers_and_aliases(pod, request)
    filled = filled_part(containers, aliases)
    require_sight(containers, aliases, filled)
    return filled


def blind(pod: Json, request: InjectionRequest) -> list[str]:
    """Say which containers that get engines would see none by the mounts that they have themselves."""
    containers, aliases = _containers_and_aliases(pod, request)
    filled = filled_part(containers, aliases)
    return [other_part(one, filled) for one in containers if not sees_engines(one, aliases, filled)]


def _containers_and_aliases(pod: Json, request: InjectionRequest) -> tuple[list[Json], list[str]]:
    containers = [recipient.container for recipient in chosen(pod, request)]
    return containers, [one.alias for one in request.engines]


def chosen(pod: Json, request: InjectionRequest) -> list[Recipient]:
    """Return the containers that get engines."""
    found = [*named_among(pod, "initContainers", request), *named_among(pod, "containers", request)]
    require_few_containers(found)
    return found


def named_among(pod: Json, field: str, request: InjectionRequest) -> Iterator[Recipient]:
    """Yield those that get engines: the named, or all that are neither an init container nor a proxy."""
    for index, container in enumerate(pod["spec"].get(field) or ()):
        by_default = field == "containers" and container["name"] not in PROXIES
        if by_default if request.containers is None else container["name"] in request.containers:
            yield Recipient(("spec", field, index), container)


def mount(recipient: Recipient, request: InjectionRequest, filled: str) -> Patch:
    """Add the read-only mounts; that of the engines' folder only if the container has not made its own."""
    container = recipient.container
    there = {one["name"] for one in container.get("volumeMounts") or ()}
    images = [one for one in image_mounts(request) if one["name"] not in there]
    if own_mounts(container):
        return appended(container, ("volumeMounts",), images, below=recipient.path)
    mounts = container.get("volumeMounts") or ()
    if taken := [one["name"] for one in mounts if one["mountPath"].rstrip("/") == request.mount_path]:
        raise AnnotationError(
            ANNOTATION_MOUNT_PATH,
            f"container {container['name']!r:.80} mounts volume {taken[0]!r:.80} at {request.mount_path}",
            "set the annotation to another path",
        )
    ours = {**engines_mount(request.mount_path, filled), "readOnly": True}
    return appended(container, ("volumeMounts",), [ours, *images], below=recipient.path)


def variables(recipient: Recipient, request: InjectionRequest, filled: str) -> Patch:
    """Add the path of each engine; a variable the author set stays as it is."""
    container = recipient.container
    there = {variable["name"] for variable in container.get("env") or ()}
    paths = paths_in(container, request, filled)
    ours = [{"name": name, "value": path} for name, path in paths.items() if name not in there]
    return appended(container, ("env",), ours, below=recipient.path)


def paths_in(container: Json, request: InjectionRequest, filled: str) -> dict[str, str]:
    """Return the path for each variable: of every engine, and of every model that may be there instead."""
    folders = folders_in(container, request, filled)
    seen = [one for one in request.engines if one.alias in folders]
    engines = {one.variable: f"{folders[one.alias]}/{ENGINE_FILE}" for one in seen}
    if request.on_miss is not OnMiss.FALLBACK:
        return engines
    models = {one.model_variable: f"{folders[one.alias]}/{MODEL_FOLDER}/{MODEL_FILE}" for one in seen}
    return engines | models


def folders_in(container: Json, request: InjectionRequest, filled: str) -> dict[str, str]:
    """Return where the engines that a container sees are, by alias: its own mounts may show one alone."""
    aliases = [one.alias for one in request.engines]
    if own_mounts(container):
        return folders_seen(container, aliases, filled)
    return {alias: f"{request.mount_path}/{alias}" for alias in aliases}
