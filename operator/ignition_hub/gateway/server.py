"""
Listen, and stop well.

On SIGTERM the gateway first turns unready and keeps answering, because Services go on sending for a few
seconds; then it closes its sockets and lets running requests end; then it ends.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

from aiohttp import web

from ignition_hub.gateway.app import private_app, public_app
from ignition_hub.gateway.process.connections import listen, runner_of
from ignition_hub.gateway.routes.probes import watch_store
from ignition_hub.gateway.services import Services

log = logging.getLogger(__name__)

RELOAD_SECONDS = 10.0


async def serve(services: Services, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set and the last request is answered."""
    settings = services.settings
    certificate = Certificate(settings.tls_cert, settings.tls_key)
    public, private = runner_of(public_app(services)), runner_of(private_app(services))
    works = (*services.views.follow(), watch_store(services), certificate.follow())
    async with _set_up(public), _set_up(private), _background(*works):
        host = settings.host or None
        listener = await listen(public, host, settings.port, certificate.context)
        await web.TCPSite(private, host, settings.metrics_port).start()
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


class Certificate:
    """The server's certificate, loaded again when its files change: cert-manager renews it while we run."""

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert, self._key = cert, key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._loaded = self._stamp()
        self.context.load_cert_chain(cert, key)

    async def follow(self) -> None:
        """Reload for ever; new connections get the new certificate."""
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            self.reload_if_changed()

    def reload_if_changed(self) -> bool:
        """Load the files if they changed; keep the old certificate when they cannot be read or do not fit."""
        try:
            stamp = self._stamp()
            if stamp == self._loaded:
                return False
            self.context.load_cert_chain(self._cert, self._key)
        except (OSError, ssl.SSLError) as error:
            log.warning("the new certificate cannot be loaded, keeping the old one: %s", error)
            return False
        self._loaded = stamp
        log.info("the certificate was reloaded")
        return True

    def _stamp(self) -> tuple[int, ...]:
        return tuple(path.stat().st_mtime_ns for path in (self._cert, self._key))


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
