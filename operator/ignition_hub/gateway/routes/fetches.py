"""
``POST /v1/fetches``: what init containers say of their fetches, for the metrics.

A pod's own word: it is bounded, it is counted, and nothing else is made of it. So the API server is not asked
about the token, whose signature says that a pod of this cluster has it.
"""

from aiohttp import web

from ignition_hub.engine.fetch_report import FETCHED, FetchAccount
from ignition_hub.gateway.documents import fetches_in
from ignition_hub.gateway.process.bodies import DOCUMENTS, SMALL_BYTES
from ignition_hub.gateway.process.metrics import FetchMetrics
from ignition_hub.gateway.services import SERVICES


async def report(request: web.Request) -> web.Response:
    """Count what a pod says of its fetches."""
    services = request.app[SERVICES]
    await services.callers.require_token(request)
    document = await request.app[DOCUMENTS].read(request, "fetches", most=SMALL_BYTES)
    said = fetches_in(document, most=services.settings.max_engine_bytes)
    for account in said.engines:
        count(services.metrics.of_fetches, account)
    return web.Response(status=204)


def count(metrics: FetchMetrics, account: FetchAccount) -> None:
    """Count one engine; how long a fetch took says something of those alone that downloaded it."""
    metrics.fetches.labels(account.outcome, account.reason).inc()
    metrics.fetched_bytes.inc(account.fetched_bytes)
    metrics.fetch_wait_seconds.observe(account.waited)
    if account.outcome == FETCHED:
        metrics.fetch_seconds.observe(account.seconds)
