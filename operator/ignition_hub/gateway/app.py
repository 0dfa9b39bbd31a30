"""
The gateway's table of contents: which path is answered where.

``public`` is served over TLS to pods and the API server, ``private`` in plain text to kubelet and Prometheus.
"""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ignition_hub.gateway.errors import translate_errors
from ignition_hub.gateway.process.bodies import limit_bodies
from ignition_hub.gateway.process.metrics import counting
from ignition_hub.gateway.process.settings import Role
from ignition_hub.gateway.process.slow_refusals import slow_refusals
from ignition_hub.gateway.routes import (
    builds,
    catalog,
    fetches,
    models,
    mutate,
    probes,
    prune,
    resolve,
    store,
    timing_cache,
)
from ignition_hub.gateway.services import ADMISSION, SERVICES, AdmissionServices, Services


def public_app(services: AdmissionServices) -> web.Application:
    """Return the application that the API server talks to, and with ``Services`` builders and pods too."""
    middlewares = [counting(services.metrics, services.life), translate_errors, slow_refusals()]
    app = web.Application(middlewares=middlewares)
    app[ADMISSION] = services
    limit_bodies(app)
    if Role.ADMISSION in services.settings.serve:
        app.add_routes([web.post("/mutate", mutate.mutate)])
    if isinstance(services, Services):
        app[SERVICES] = services
        models.limit_pushes(app)
        prune.limit_pages(app)
        catalog.limit_catalogs(app)
        app.add_routes(
            [
                web.get("/v1/builds/self", builds.grant),
                web.post("/v1/builds/self/progress", builds.progress),
                web.post("/v1/builds/self/upload", builds.upload),
                web.post("/v1/builds/self/timing-cache", timing_cache.find),
                web.post("/v1/builds/self/timing-cache/upload", timing_cache.upload),
                web.post("/v1/builds/self/complete", builds.completed),
                web.post("/v1/builds/self/failed", builds.failed),
                web.post("/v1/engines/{name}/resolve", resolve.resolve),
                web.post("/v1/fetches", fetches.report),
                web.post("/v1/models", models.push),
                web.post("/v1/prune", prune.prune),
                web.get("/v1/keys", probes.keys),
                web.get("/v1/store", store.found),
                web.get("/v1/catalog", catalog.show_rows),
                web.get("/catalog", catalog.show_page),
            ]
        )
    app.add_routes([web.get("/healthz", probes.alive), web.get("/readyz", probes.ready)])
    return app


def private_app(services: AdmissionServices) -> web.Application:
    """Return the application that only the node and the monitoring talk to."""
    app = web.Application(middlewares=[translate_errors])
    app[ADMISSION] = services
    app.add_routes(
        [
            web.get("/metrics", _metrics),
            web.get("/healthz", probes.alive),
            web.get("/readyz", probes.ready),
        ]
    )
    return app


async def _metrics(request: web.Request) -> web.Response:
    body = generate_latest(request.app[ADMISSION].metrics.registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
