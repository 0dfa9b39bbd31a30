"""
What the outside can ask the controller process: is it alive, is it ready, what are its figures.

Alive means that its loop turns. How long keys wait is a figure and no reason to restart: after a restart they
would wait again, and a store that is away or a large cluster would have the process restarted for ever.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ignition_hub.api.quotas import StorageUse


@dataclass(frozen=True, slots=True)
class Vitals:
    """One look at the process; ``writes`` counts requests that change something, by verb and resource."""

    leads: bool
    watching: bool
    queued: int
    oldest: float
    engines: int
    jobs: int
    writes: dict[str, int]
    storage: Sequence[StorageUse]
    """What namespaces use of their storage quotas."""


class VitalsCollector(Collector):
    """The vitals as Prometheus metrics; read when asked, never counted twice."""

    def __init__(self, look: Callable[[], Vitals]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        vitals = self._look()
        gauges = {
            "leader": ("1 while this replica leads", float(vitals.leads)),
            "queue_depth": ("Keys that wait or are worked on", float(vitals.queued)),
            "queue_oldest_seconds": ("Age of the key that waits longest", vitals.oldest),
            "engines": ("TensorRTEngines in the cluster", float(vitals.engines)),
            "build_jobs": ("Builder Jobs in the cluster", float(vitals.jobs)),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"ignition_controller_{name}", text, value=value)
        writes = CounterMetricFamily(
            "ignition_controller_writes", "Requests that change something", labels=["request"]
        )
        for request, count in sorted(vitals.writes.items()):
            writes.add_metric([request], count)
        yield writes
        yield from _storage(vitals.storage)


def _storage(uses: Sequence[StorageUse]) -> Iterator[Metric]:
    used = GaugeMetricFamily(
        "ignition_controller_storage_used_bytes",
        "Bytes that count against the storage quota of a namespace; some minutes old, of the leader only",
        labels=["namespace"],
    )
    quota = GaugeMetricFamily(
        "ignition_controller_storage_quota_bytes", "Storage quota of a namespace", labels=["namespace"]
    )
    for use in uses:
        used.add_metric([use.namespace], use.used)
        quota.add_metric([use.namespace], use.quota)
    yield from (used, quota)


class HealthServer:
    """Serves ``/healthz``, ``/readyz`` and ``/metrics`` without TLS, for the kubelet and Prometheus."""

    def __init__(self, port: int, look: Callable[[], Vitals]) -> None:
        self._port = port
        self._look = look
        self._registry = CollectorRegistry()
        self._registry.register(VitalsCollector(look))
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "HealthServer":
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, port=self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="alive")

    async def _readyz(self, _: web.Request) -> web.Response:
        # A replica that does not lead is ready too: it would take over at once.
        if not self._look().watching:
            return web.Response(status=503, text="the watches are not established yet")
        return web.Response(text="ready")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), content_type="text/plain")
