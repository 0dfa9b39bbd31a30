"""
What a pod that asks for engines is given, as a JSON patch.

Pure: the pod and the engines of its namespace come in, a patch goes out. ``inject`` is the whole of it; each
part has a module of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ignition_hub.compatibility.readiness import EngineView
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.fallback import HOW_TO_PIN
from ignition_hub.engine.names import LABEL_INJECT, LABEL_ROLLS
from ignition_hub.engine.pod_annotations import (
    ANNOTATION_ENGINES,
    ANNOTATION_ON_MISS,
    AnnotationError,
    InjectionRequest,
    LayoutName,
    OnMiss,
    Rollout,
    injection_request,
)
from ignition_hub.gateway.admission.fetcher import InjectionSettings
from ignition_hub.gateway.admission.image_volumes import mounting
from ignition_hub.gateway.admission.init_containers import init_containers
from ignition_hub.gateway.admission.json_patch import Json, Patch
from ignition_hub.gateway.admission.recipients import filled_by_fetcher, recipients
from ignition_hub.gateway.admission.scheduling import labelled, scheduling
from ignition_hub.gateway.admission.serving import require_servable
from ignition_hub.gateway.admission.volumes import volumes

__all__ = ["EngineView", "InjectionSettings", "inject", "pod_asks", "wanted_views"]

MIRROR = "kubernetes.io/config.mirror"
KUBERNETES_OS = "kubernetes.io/os"


class UnknownEngine(RequestError):
    """A pod asks for an engine its namespace does not have."""


def inject(pod: Json, engines: Mapping[str, EngineView], settings: InjectionSettings) -> Patch:
    """
    Return the JSON patch for ``pod``, empty where there is nothing to do: it may have been injected before.

    ``engines`` are all TensorRTEngines of the pod's namespace, by name. Raises RequestError, whose text is
    for the pod's author.
    """
    if not pod_asks(pod):
        return []
    require_linux(pod)
    request = injection_request(pod)
    views = wanted_views(request, engines)
    require_servable(views, request)
    require_models(views, request)
    mounts = mounting(pod, request, views, settings.no_images)
    request = replace(request, images=mounts.images)
    filled = filled_by_fetcher(pod, request)
    return [
        *volumes(pod, request, engines, settings),
        *recipients(pod, request, filled),  # before there is one init container more, and its indices another
        *init_containers(pod, request, settings, filled),
        *scheduling(pod, mounts.engines, request),
        *(labelled(pod, LABEL_ROLLS, "true") if request.rollout is Rollout.AUTOMATIC else ()),
    ]


def require_models(views: Sequence[EngineView], request: InjectionRequest) -> None:
    """Raise AnnotationError for a pod that falls back to a model that cannot be verified, or found."""
    if request.on_miss is not OnMiss.FALLBACK:
        return
    if request.layout is not LayoutName.PLAIN:
        problem = f"Fallback delivers the ONNX model, which has no layout {request.layout}"
        raise AnnotationError(ANNOTATION_ON_MISS, problem, f"use layout {LayoutName.PLAIN}, or Wait")
    if unknown := [view.name for view in views if not view.can_fall_back]:
        problem = f"Fallback delivers the ONNX model, and TensorRTEngine {unknown[0]} names no digest of it"
        raise AnnotationError(ANNOTATION_ON_MISS, problem, f"{HOW_TO_PIN}; or use Wait")


def pod_asks(pod: Mapping[str, Any]) -> bool:
    """Whether the pod opted in; a mirror pod only pictures a file on its node and cannot be changed."""
    metadata = pod.get("metadata", {})
    return (metadata.get("labels") or {}).get(LABEL_INJECT) == "true" and MIRROR not in (
        metadata.get("annotations") or {}
    )


def require_linux(pod: Json) -> None:
    """Raise RequestError for a pod that says that it runs on Windows."""
    spec = pod["spec"]
    said = ((spec.get("os") or {}).get("name"), (spec.get("nodeSelector") or {}).get(KUBERNETES_OS))
    if "windows" in said:
        raise RequestError(
            Reason.InvalidRequest,
            "the pod runs on Windows, and the init container that fetches engines on Linux only",
            f"remove the label {LABEL_INJECT}",
        )


def wanted_views(request: InjectionRequest, engines: Mapping[str, EngineView]) -> list[EngineView]:
    """Return the engines a pod wants; UnknownEngine names the one that does not exist, and no others."""
    for name in (reference.resource for reference in request.engines):
        if name not in engines:
            # Whatever reaches the webhook may ask about any namespace: what else is there is not said.
            raise UnknownEngine(
                Reason.EngineNotFound,
                f"annotation {ANNOTATION_ENGINES}: the namespace has no TensorRTEngine {name!r}",
                "apply it there, or list those that exist: kubectl get tensorrtengines",
            )
    return [engines[name] for name in dict.fromkeys(reference.resource for reference in request.engines)]
