"""
Engines that a pod mounts as images: which, or why they are downloaded instead. Pure.

The volumes of a pod cannot be changed after its creation, and its GPU is known only after it was scheduled.
So an image is mounted where one engine alone can be meant on every node that is left to the pod; the pod is
then narrowed to those nodes. In all other cases the author is warned, and the fetcher downloads: no pod waits
for a registry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ignition_hub.compatibility.placement import has_place, reachable_targets
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.engine import environment
from ignition_hub.engine.names import IMAGE_VOLUME, INIT_CONTAINER
from ignition_hub.engine.pod_annotations import (
    ANNOTATION_DELIVERY,
    AnnotationError,
    Delivery,
    EngineImage,
    InjectionRequest,
    LayoutName,
    OnMiss,
)
from ignition_hub.gateway.admission.json_patch import Json
from ignition_hub.gateway.admission.scheduling import is_held


@dataclass(frozen=True, slots=True)
class Mounting:
    """
    What becomes of ``delivery: ImageVolume``: the images of all engines, or why there are none.

    ``engines`` are those of the pod, each with the one target that its image is of, where it has one.
    """

    images: tuple[EngineImage, ...]
    engines: Sequence[EngineView]
    why_not: str = ""


class Doubt(Exception):
    """Why the engines of a pod are downloaded, in words for its author."""


def mounting(pod: Json, request: InjectionRequest, engines: Sequence[EngineView], trouble: str) -> Mounting:
    """
    Return the images that a pod mounts.

    ``trouble`` says why the cluster has none at all, empty where it may. Raises AnnotationError for a pod
    that could never have one.
    """
    if request.delivery is not Delivery.IMAGE_VOLUME:
        return Mounting((), engines)
    require_mountable(request)
    if (injected := injected_before(pod, request)) is not None:
        return Mounting(injected, engines)
    try:
        narrowed = mountable(pod, engines, trouble)
    except Doubt as doubt:
        return Mounting((), engines, str(doubt))
    targets = {engine.name: engine.ready[0] for engine in narrowed}
    images = tuple(
        EngineImage(one.alias, targets[one.resource].image, targets[one.resource].sha256)
        for one in request.engines
    )
    return Mounting(images, narrowed)


def require_mountable(request: InjectionRequest) -> None:
    """Raise AnnotationError for what an image cannot give: files beside the engine, or a model."""
    if request.layout is not LayoutName.PLAIN:
        problem = f"an image holds the engine alone, and the layout {request.layout} needs files beside it"
        raise AnnotationError(ANNOTATION_DELIVERY, problem, f"use layout {LayoutName.PLAIN}, or Fetch")
    if request.on_miss is OnMiss.FALLBACK:
        problem = "a pod with on-miss Fallback runs on any GPU, and its image is chosen before it has one"
        raise AnnotationError(ANNOTATION_DELIVERY, problem, "use on-miss Wait or Fail, or Fetch")


def mountable(pod: Json, engines: Sequence[EngineView], trouble: str) -> Sequence[EngineView]:
    """Return each of ``engines`` with the one target that the pod may get; Doubt says why there is none."""
    if trouble:
        raise Doubt(trouble)
    if pod["spec"].get("nodeName"):
        raise Doubt("the pod names its node, and which GPU that has is not known here")
    if is_held(pod) or not has_place(pod, engines):
        raise Doubt("the pod waits for its engines, and its volumes cannot be added later")
    narrowed = [one_target(pod, engine) for engine in engines]
    if not has_place(pod, narrowed):
        raise Doubt("no GPU is served by the one target of every engine")
    return narrowed


def one_target(pod: Json, engine: EngineView) -> EngineView:
    """Return an engine with the one target that a pod may get; Doubt where it is several, or has no image."""
    targets = reachable_targets(pod, engine)
    if len(targets) != 1:
        names = ", ".join(target.name or target.arch for target in targets)
        raise Doubt(
            f"TensorRTEngine {engine.name} has several targets that the pod may get ({names}); "
            "select the GPU by a nodeSelector"
        )
    [target] = targets
    if not target.image:
        raise Doubt(f"the image of {engine.name}, target {target.name}, is not in the registry yet")
    return replace(engine, ready=(target,))


def injected_before(pod: Json, request: InjectionRequest) -> tuple[EngineImage, ...] | None:
    """Return the images of a pod that has the fetcher already; they stay. None where it has no fetcher."""
    containers = pod["spec"].get("initContainers") or ()
    ours = next((each for each in containers if each["name"] == INIT_CONTAINER), None)
    if ours is None:
        return None
    told = {each["name"]: each.get("value") or "" for each in ours.get("env") or ()}
    digests = dict(item.split("=", 1) for item in told.get(environment.IMAGES, "").split(",") if "=" in item)
    return tuple(
        EngineImage(one.alias, reference, digests[one.alias])
        for one, reference in zip(request.engines, references_in(pod, request), strict=True)
        if one.alias in digests and reference
    )


def references_in(pod: Json, request: InjectionRequest) -> list[str]:
    """Return the image that the pod's volume for each engine names; empty where it has none."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
    found = (volumes.get(volume_name(request, one.alias)) or {} for one in request.engines)
    return [(volume.get("image") or {}).get("reference") or "" for volume in found]


def volume_name(request: InjectionRequest, alias: str) -> str:
    """Return the name of the volume with an engine's image: an alias may be too long to be part of it."""
    position = [one.alias for one in request.engines].index(alias)
    return f"{IMAGE_VOLUME}-{position}"


def image_volumes(request: InjectionRequest) -> list[Json]:
    """Return the volumes of a pod's images: by digest, so what a node has already is what is meant."""
    return [
        {
            "name": volume_name(request, one.alias),
            "image": {"reference": one.reference, "pullPolicy": "IfNotPresent"},
        }
        for one in request.images
    ]


def image_mounts(request: InjectionRequest) -> list[Json]:
    """Return where every container that gets engines has them, the fetcher among them."""
    return [
        {"name": volume_name(request, one.alias), "mountPath": one.mount_path, "readOnly": True}
        for one in request.images
    ]


def with_images(
    engines: Mapping[str, EngineView], images: Mapping[str, Mapping[str, str]]
) -> dict[str, EngineView]:
    """Return ``engines`` with what a registry has of them: ``images`` by engine and SHA-256."""
    return {
        name: replace(
            engine, ready=tuple(with_image(target, images.get(name) or {}) for target in engine.ready)
        )
        for name, engine in engines.items()
    }


def with_image(target: ReadyTarget, images: Mapping[str, str]) -> ReadyTarget:
    """Return a target with the image of the engine that it has now."""
    return replace(target, image=images[target.sha256]) if target.sha256 in images else target
