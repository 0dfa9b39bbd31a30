"""
``GET /v1/store``: what this gateway found of the bucket in use, for the status of the EngineStore.

Who may read the EngineStore may read this: its status says the same.
"""

from aiohttp import web

from ignition_hub.engine.errors import Reason, TransientError
from ignition_hub.gateway.errors import NotPermitted
from ignition_hub.gateway.services import SERVICES, Services
from ignition_hub.kube import STORES
from ignition_hub.store.settings import default_store

VERB = "get"


async def found(request: web.Request) -> web.Response:
    """Answer what was found; 503 until the bucket was looked at."""
    services = request.app[SERVICES]
    await _require_permission(services, request)
    if (findings := services.store_watch.findings) is None:
        raise TransientError(
            Reason.GatewayUnavailable,
            "this gateway has not looked at the bucket in use yet",
            "the request is retried",
        )
    return web.json_response(findings.to_json(), headers={"Cache-Control": "no-store"})


async def _require_permission(services: Services, request: web.Request) -> None:
    """Raise NotPermitted unless the caller may read the EngineStore in use."""
    user = await services.callers.user_of(request)
    name = str(default_store(await services.views.stores())["metadata"]["name"])
    if not await services.kube.may(user, VERB, STORES, name=name):
        raise NotPermitted(
            f"{user.username} may not {VERB} {STORES.plural} {name}", f"allow it the verb {VERB}"
        )
