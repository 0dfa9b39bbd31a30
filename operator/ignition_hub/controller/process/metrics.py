"""
What the outside can ask the controller process: is it alive, is it ready, what are its figures.

What can be looked up is looked up when Prometheus asks, and costs the same however large the cluster is; what
is over by then was counted in ``counters``.

Alive means that its loop turns. How long keys wait is a figure and no reason to restart: after a restart they
would wait again, and a store that is away or a large cluster would have the process restarted for ever.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ignition_hub.api.quotas import StorageUse


@dataclass(frozen=True, slots=True)
class Vitals:
    """
    One look at the process.

    ``targets`` counts those of all engines by state and reason; ``gated_since`` is when the pod was created
    that waits longest, in seconds since the epoch; ``writes`` counts requests that change something, by verb
    and resource.
    """

    leads: bool
    watching: bool
    queued: int
    oldest: float
    engines: int
    targets: Mapping[tuple[str, str], int]
    added: Mapping[str, int]
    """Targets that each BuildPool with ``spec.autoBuild`` added for pods."""
    jobs: int
    gated: int
    gated_since: float | None
    store_is_away: bool
    writes: Mapping[str, int]
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
            "gated_pods": ("Pods whose scheduling gate waits for engines", float(vitals.gated)),
            "gated_pod_oldest_seconds": ("Age of the gated pod that waits longest", self._age(vitals)),
            "store_breaker_open": (
                "1 while the store counts as away, so that it is asked once in 15 seconds",
                float(vitals.store_is_away),
            ),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"ignition_controller_{name}", text, value=value)
        yield _targets(vitals.targets)
        yield _added(vitals.added)
        yield _writes(vitals.writes)
        yield from _storage(vitals.storage)

    @staticmethod
    def _age(vitals: Vitals) -> float:
        return 0.0 if vitals.gated_since is None else max(0.0, time.time() - vitals.gated_since)


def _targets(counts: Mapping[tuple[str, str], int]) -> Metric:
    text = "Targets of all TensorRTEngines, by the state and the reason in their status"
    targets = GaugeMetricFamily("ignition_controller_engine_targets", text, labels=["state", "reason"])
    for standing, count in sorted(counts.items()):
        targets.add_metric(standing, count)
    return targets


def _added(counts: Mapping[str, int]) -> Metric:
    text = (
        "Targets that a BuildPool with spec.autoBuild added for GPUs of pods; it may have maxTargets of them"
    )
    added = GaugeMetricFamily("ignition_controller_added_targets", text, labels=["pool"])
    for pool, count in sorted(counts.items()):
        added.add_metric([pool], count)
    return added


def _writes(counts: Mapping[str, int]) -> Metric:
    text = "Requests that change something"
    writes = CounterMetricFamily("ignition_controller_writes", text, labels=["request"])
    for request, count in sorted(counts.items()):
        writes.add_metric([request], count)
    return writes


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
    """
    Serves ``/healthz``, ``/readyz`` and ``/metrics`` without TLS, for the kubelet and Prometheus.

    ``registry`` holds what else there is to tell than what ``look`` returns.
    """

    def __init__(
        self, port: int, look: Callable[[], Vitals], registry: CollectorRegistry | None = None
    ) -> None:
        self._port = port
        self._look = look
        self._registry = registry or CollectorRegistry()
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
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
