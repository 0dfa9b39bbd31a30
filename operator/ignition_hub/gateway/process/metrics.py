"""What a gateway counts, for Prometheus. Every metric is named ``ignition_gateway_…``."""

import time

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ignition_hub.gateway.errors import CLIENT_WENT_AWAY, REASON
from ignition_hub.gateway.process.draining import RequestsInFlight

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)


FETCH_SECONDS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""What a fetch takes: an engine has megabytes to gigabytes."""


class AdmissionMetrics:
    """What both processes of a gateway count, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ignition_gateway_requests_total",
            "Requests answered, by route, status and the reason of a refusal.",
            ["route", "status", "reason"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "ignition_gateway_request_seconds",
            "Time until the answer, by route.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "ignition_gateway_requests_in_flight", "Requests under way.", registry=self.registry
        )
        self.reviews = Counter(
            "ignition_gateway_admission_reviews_total",
            "Pods reviewed, by outcome: patched, unchanged or denied.",
            ["outcome"],
            registry=self.registry,
        )
        self.certificate_expiry = Gauge(
            "ignition_gateway_certificate_expiry_timestamp_seconds",
            "When the certificate that is served expires, in seconds since the epoch.",
            registry=self.registry,
        )


class FetchMetrics:
    """What init containers say of their fetches."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.fetches = Counter(
            "ignition_gateway_fetches_total",
            "Engines that init containers say they fetched, by outcome (fetched, present, fallback for the "
            "ONNX model, failed) and the reason of a failure.",
            ["outcome", "reason"],
            registry=registry,
        )
        self.fetch_seconds = Histogram(
            "ignition_gateway_fetch_seconds",
            "What init containers say a fetch took, from the answer of the gateway to the verified file.",
            buckets=FETCH_SECONDS,
            registry=registry,
        )
        self.fetched_bytes = Counter(
            "ignition_gateway_fetched_bytes_total",
            "Bytes that init containers say they fetched.",
            registry=registry,
        )
        self.fetch_wait_seconds = Histogram(
            "ignition_gateway_fetch_wait_seconds",
            "What init containers say they waited until an engine was ready for them.",
            buckets=FETCH_SECONDS,
            registry=registry,
        )


class Metrics(AdmissionMetrics):
    """What a gateway counts that serves builders and pods."""

    def __init__(self) -> None:
        super().__init__()
        self.store_up = Gauge(
            "ignition_gateway_store_up",
            "1 when the bucket of the default EngineStore answered the last probe.",
            registry=self.registry,
        )
        self.conditional_writes = Gauge(
            "ignition_gateway_store_conditional_writes",
            "1 when conditional writes keep two writers apart; at 0 engines are published one at a time.",
            registry=self.registry,
        )
        self.published = Counter(
            "ignition_gateway_engines_published_total",
            "Engines signed and published, and builds answered with what was there (outcome existing).",
            ["outcome"],
            registry=self.registry,
        )
        self.resolved = Counter(
            "ignition_gateway_engines_resolved_total",
            "Engines handed to pods, by the architecture they were built for.",
            ["arch"],
            registry=self.registry,
        )
        self.fallbacks = Counter(
            "ignition_gateway_fallbacks_total",
            "ONNX models handed to pods with on-miss Fallback, by the reason why there was no engine.",
            ["reason"],
            registry=self.registry,
        )
        self.pod_events = Counter(
            "ignition_gateway_pod_events_total",
            "Events on pods that say which engine they got, or why none, by outcome: posted, failed, or "
            "dropped because too many waited.",
            ["outcome"],
            registry=self.registry,
        )
        self.images = Counter(
            "ignition_gateway_images_total",
            "Engines for the registry of the EngineStore, by outcome: pushed or failed.",
            ["outcome"],
            registry=self.registry,
        )
        self.of_fetches = FetchMetrics(self.registry)
        self.pushed_bytes = Counter(
            "ignition_gateway_models_pushed_bytes_total", "Bytes of pushed models.", registry=self.registry
        )
        self.pruned_objects = Counter(
            "ignition_gateway_pruned_objects_total",
            "Objects and unfinished uploads removed from the store, by the class of spec.retention.",
            ["kind"],
            registry=self.registry,
        )
        self.pruned_bytes = Counter(
            "ignition_gateway_pruned_bytes_total",
            "Bytes of objects removed from the store, by the class of spec.retention.",
            ["kind"],
            registry=self.registry,
        )


def counting(metrics: AdmissionMetrics, life: RequestsInFlight) -> Middleware:
    """Return the middleware that counts every request of an application."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        started, status = time.monotonic(), CLIENT_WENT_AWAY
        try:
            with life, metrics.in_flight.track_inprogress():
                response = await handler(request)
            status = response.status
            if life.is_draining:
                response.force_close()  # or a client would keep its connection and send the next one here
        finally:
            route = route_of(request)
            metrics.requests.labels(route, str(status), request.get(REASON, "")).inc()
            metrics.seconds.labels(route).observe(time.monotonic() - started)
        return response

    return count


def route_of(request: web.Request) -> str:
    """Return the pattern that matched, so that names in paths do not become label values."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"
