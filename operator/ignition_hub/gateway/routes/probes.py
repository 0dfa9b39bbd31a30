"""
Whether this gateway lives and may be sent requests, and what its bucket says.

Ready means: the API server answers. A store that is missing, wrong or away does not make a gateway unready:
no other replica would do better, and admission must go on. It shows in the log and the metrics.
"""

import asyncio
import logging

from aiohttp import web

from ignition_hub.engine.errors import IgnitionError
from ignition_hub.gateway.services import ADMISSION, SERVICES, Services
from ignition_hub.kube import KubeError
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.trust import keys_to_json

log = logging.getLogger(__name__)


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
    """Probe the bucket for ever, for the metrics; what each bucket's server does once."""
    probed: ObjectStore | None = None
    await services.views.synced()
    while True:
        try:
            store = (await services.stores.current()).objects
            await services.quick.run(store.check_bucket)
            services.metrics.store_up.set(1)
            if store is not probed:
                await _note_habits(services, store)
                probed = store
        except (IgnitionError, KubeError) as error:
            services.metrics.store_up.set(0)
            log.warning("the store does not answer: %s", error)
        await asyncio.sleep(services.settings.probe_seconds)


async def _note_habits(services: Services, store: ObjectStore) -> None:
    habits = await services.publishing.habits(store)
    services.metrics.conditional_writes.set(int(habits.are_conditional))
    for broken in habits.broken:
        log.error("%s: %s: %s; see docs/stores.md", store.settings.endpoint, broken.relied, broken.seen)
