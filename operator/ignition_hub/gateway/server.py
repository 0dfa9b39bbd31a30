"""
Listen, and stop well.

On SIGTERM the gateway first turns unready and keeps answering, because Services go on sending for a few
seconds; then it closes its sockets and lets running requests end; then it ends.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from ignition_hub.gateway.app import private_app, public_app
from ignition_hub.gateway.process.certificate import Certificate
from ignition_hub.gateway.process.connections import listen, runner_of
from ignition_hub.gateway.services import AdmissionServices

log = logging.getLogger(__name__)


async def serve(
    services: AdmissionServices, stop: asyncio.Event, *background: Coroutine[Any, Any, None]
) -> None:
    """Serve until ``stop`` is set and the last request is answered; ``background`` runs as long."""
    settings = services.settings
    certificate = Certificate(
        settings.tls_cert,
        settings.tls_key,
        host=urlsplit(settings.gateway_url).hostname or "",
        authorities=settings.ca_bundle,
    )
    services.metrics.certificate_expiry.set_function(lambda: certificate.expires_at)
    public, private = runner_of(public_app(services)), runner_of(private_app(services))
    works = (*services.views.follow(), certificate.follow(), *background)
    async with _set_up(public), _set_up(private), _background(*works):
        host = settings.host or None
        listener = await listen(public, host, settings.port, certificate.context)
        metrics = await listen(private, host, settings.metrics_port, None)
        addresses = [str(each.getsockname()) for each in listener.sockets]
        log.info("serving", extra={"addresses": addresses})
        await stop.wait()
        services.life.is_draining = True
        log.info("stopping: requests are accepted for %g s more", settings.drain_seconds)
        await asyncio.sleep(settings.drain_seconds)
        listener.close()
        # Not left to the runner: it stops reading at once, and a model on its way could not arrive any more.
        if not await services.life.idle(settings.shutdown_seconds):
            log.warning("%d requests are still running and will be closed", services.life.under_way)
        metrics.close()


@contextlib.asynccontextmanager
async def _set_up(runner: web.AppRunner) -> AsyncIterator[None]:
    await runner.setup()
    try:
        yield
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _background(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
