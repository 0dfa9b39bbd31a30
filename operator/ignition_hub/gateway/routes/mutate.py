"""
``POST /mutate``: admission of pods. The deciding is ``admission``'s; here the namespace's engines are read.
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ignition_hub.compatibility.readiness import EngineView, view_of
from ignition_hub.gateway.admission.injection import InjectionSettings
from ignition_hub.gateway.admission.review import read_request, review
from ignition_hub.gateway.process.bodies import REVIEW_BYTES, REVIEWS
from ignition_hub.gateway.process.settings import GatewaySettings
from ignition_hub.gateway.services import SERVICES, Services
from ignition_hub.kube import ENGINES
from ignition_hub.ttl_cache import TtlCache

Views = Mapping[str, EngineView]

VIEW_SECONDS = 1.0
"""A Deployment's pods come together: one list serves them all."""

NAMESPACES = 1024

VIEWS = web.AppKey("engine_views", TtlCache[str, Views])


async def mutate(request: web.Request) -> web.Response:
    """Answer an AdmissionReview."""
    services, views = request.app[SERVICES], request.app[VIEWS]
    document = await request.app[REVIEWS].read(request, "AdmissionReview", most=REVIEW_BYTES)
    namespace = str(read_request(document)["namespace"])
    settings = injection_settings(services.settings)
    answer = await _review(services, views, document, namespace, settings)
    if not answer["response"]["allowed"]:
        # An engine applied together with its pod may be younger than what is remembered.
        views.forget(namespace)
        answer = await _review(services, views, document, namespace, settings)
    return web.json_response(answer)


def remember_views(app: web.Application) -> None:
    """Give an application its short memory of each namespace's engines."""
    app[VIEWS] = TtlCache(seconds=VIEW_SECONDS, size=NAMESPACES)


def injection_settings(settings: GatewaySettings) -> InjectionSettings:
    """Return what pods are given; the CA is read each time, because it is renewed while we run."""
    authorities = settings.ca_bundle.read_text() if settings.ca_bundle else ""
    return InjectionSettings(
        fetcher_image=settings.fetcher_image, gateway_url=settings.gateway_url, authorities=authorities
    )


async def _review(
    services: Services,
    views: TtlCache[str, Views],
    document: Mapping[str, Any],
    namespace: str,
    settings: InjectionSettings,
) -> dict[str, Any]:
    async def read() -> Views:
        engines = await services.kube.list(ENGINES, namespace)
        return {engine["metadata"]["name"]: view_of(engine) for engine in engines}

    engines = await views.get(namespace, read)
    return review(document, lambda _: engines, settings)
