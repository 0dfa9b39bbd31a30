"""
``POST /mutate``: admission of pods. The deciding is ``admission``'s; here the namespace's engines are read.
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.gateway.admission.image_volumes import with_images
from ignition_hub.gateway.admission.injection import InjectionSettings
from ignition_hub.gateway.admission.review import read_request, review
from ignition_hub.gateway.process.bodies import REVIEW_BYTES, REVIEWS
from ignition_hub.gateway.process.image_list import NO_REGISTRY
from ignition_hub.gateway.process.settings import GatewaySettings
from ignition_hub.gateway.services import ADMISSION, AdmissionServices
from ignition_hub.kube import KubeError


async def mutate(request: web.Request) -> web.Response:
    """Answer an AdmissionReview."""
    services = request.app[ADMISSION]
    answer = await _answer(request, services)
    services.metrics.reviews.labels(outcome_of(answer)).inc()
    return web.json_response(answer)


def outcome_of(answer: Mapping[str, Any]) -> str:
    """Return what became of the pod that an AdmissionReview answers."""
    response = answer["response"]
    if not response["allowed"]:
        return "denied"
    return "patched" if "patch" in response else "unchanged"


async def _answer(request: web.Request, services: AdmissionServices) -> Mapping[str, Any]:
    document = await request.app[REVIEWS].read(request, "AdmissionReview", most=REVIEW_BYTES)
    namespace = str(read_request(document)["namespace"])
    known = services.images.read()
    settings, images = injection_settings(services.settings, known.trouble), known.of(namespace)
    engines = with_images(services.views.engines_in(namespace), images)
    answer = review(document, lambda _: engines, settings)
    if not answer["response"]["allowed"] and (unknown := named_engines(document) - set(engines)):
        try:
            young = await services.views.young_engines(namespace, sorted(unknown))
        except KubeError:
            # The ReplicaSet, or whoever applied the pod, tries again; by then the watch has brought it.
            return answer
        answer = review(document, lambda _: engines | with_images(young, images), settings)
    return answer


def named_engines(document: Mapping[str, Any]) -> set[str]:
    """Return the TensorRTEngines that the pod of a review names; none where they cannot be read."""
    pod = document["request"].get("object") or {}
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    try:
        return {entry.resource for entry in ANNOTATION_ENGINES.of(annotations)}
    except RequestError:
        return set()


def injection_settings(settings: GatewaySettings, no_images: str = NO_REGISTRY) -> InjectionSettings:
    """Return what pods are given; the CA is read each time, because it is renewed while we run."""
    authorities = settings.ca_bundle.read_text() if settings.ca_bundle else ""
    return InjectionSettings(
        fetcher_image=settings.fetcher_image,
        gateway_url=settings.gateway_url,
        node_cache_url=settings.node_cache_url,
        no_images=no_images,
        authorities=authorities,
        largest_engine=settings.max_engine_bytes,
        largest_model=settings.max_model_bytes,
    )
