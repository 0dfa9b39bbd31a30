"""
Whether this gateway lives and may be sent requests, and which keys it signs with.

Ready means: the API server answers. A store that is missing, wrong or away does not make a gateway unready:
no other replica would do better, and admission must go on. It shows in the log and the metrics.
"""

import asyncio

from aiohttp import web

from ignition_hub.gateway.services import ADMISSION, SERVICES, Services
from ignition_hub.store.trust import keys_to_json


async def alive(request: web.Request) -> web.Response:  # every handler takes the request
    """Answer that the loop turns."""
    return web.json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """Answer 200 when requests may be sent here, else 503 and why not."""
    services = request.app[ADMISSION]
    why_not = "this gateway is stopping" if services.life.is_draining else services.views.trouble
    if why_not is not None:
        return web.json_response({"status": "not ready", "message": why_not}, status=503)
    return web.json_response({"status": "ok"})


async def keys(request: web.Request) -> web.Response:
    """Answer the public keys that manifests are signed with; they are no secret."""
    return web.json_response(keys_to_json(request.app[SERVICES].signer.keys))


async def watch_store(services: Services) -> None:
    """Look at the bucket for ever."""
    await services.views.synced()
    while True:
        await services.store_watch.look()
        await asyncio.sleep(services.settings.probe_seconds)
