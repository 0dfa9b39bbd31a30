"""``python -m ignition_hub.gateway``: one replica of the gateway, everything made, wired and run."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

from kubernetes.aio.config import ConfigException

from ignition_hub.buckets.default_store import DefaultStore
from ignition_hub.buckets.workers import Workers
from ignition_hub.gateway.artifacts.careful_publishing import CarefulPublishing
from ignition_hub.gateway.artifacts.images import ImagePushing
from ignition_hub.gateway.artifacts.publishing import Signer
from ignition_hub.gateway.artifacts.storage_quotas import StorageQuotas
from ignition_hub.gateway.artifacts.store_watch import StoreWatch
from ignition_hub.gateway.artifacts.verified_engines import VerifiedEngines
from ignition_hub.gateway.cluster.callers import Callers
from ignition_hub.gateway.cluster.people import People
from ignition_hub.gateway.cluster.pod_events import PodEvents
from ignition_hub.gateway.cluster.readers import Readers
from ignition_hub.gateway.cluster.turns import PRUNE, PUBLISH, Turns
from ignition_hub.gateway.cluster.usage import StoreUsage
from ignition_hub.gateway.cluster.views import EngineViews, Views
from ignition_hub.gateway.process.exit_codes import CANNOT_START
from ignition_hub.gateway.process.image_list import ImageFile
from ignition_hub.gateway.process.metrics import AdmissionMetrics, Metrics
from ignition_hub.gateway.process.settings import GatewaySettings, Role, parse_settings
from ignition_hub.gateway.routes.probes import watch_store
from ignition_hub.gateway.server import serve
from ignition_hub.gateway.services import AdmissionServices, Services
from ignition_hub.kube import Kube, RateLimiter, event_loop
from ignition_hub.kube.figures import PaceCollector
from ignition_hub.logs import log_as_json
from ignition_hub.store.trust import SigningKey

log = logging.getLogger("ignition_hub.gateway")

REVIEWS = RateLimiter(qps=200, burst=400, in_flight=64, patience=5.0)
"""A token is reviewed once, when its pod comes: the pods of a large Deployment come together."""

EVENTS = RateLimiter(qps=10, burst=20, in_flight=1)
"""An event on a pod may come late: what the pods of a large Deployment would take is left to others."""

CATALOG = RateLimiter(qps=50, burst=100, in_flight=8, patience=5.0)
"""Who asks for the catalog, and what they may list: pods do not wait for people who look."""

FRESH = RateLimiter(qps=20, burst=40, in_flight=8, patience=1.0)
"""What the watches have not brought yet is rare."""

PATIENCE = 10.0
"""Seconds a request to the API server may wait for its turn: half of what the fetcher waits for an answer."""


def main() -> int:
    """Run a gateway until SIGTERM; return its exit code."""
    settings = parse_settings(sys.argv[1:])
    log_as_json()
    try:
        event_loop.run(run(settings))
    except (ConfigException, OSError, ValueError, TypeError) as error:
        log.error("the gateway cannot start: %s", error)  # noqa: TRY400  # an operator's mistake: the words are enough
        return CANNOT_START
    return 0


async def run(settings: GatewaySettings) -> None:
    """Connect, serve, and close what was opened."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    signer = signer_of(settings.signing_key, settings.previous_keys) if settings.signing_key else None
    budgets = {
        "default": RateLimiter(patience=PATIENCE),
        "catalog": CATALOG,
        "events": EVENTS,
        "fresh": FRESH,
        "reviews": REVIEWS,
    }
    kube = await Kube.connect(limiter=budgets["default"])
    paces = PaceCollector("ignition_gateway", budgets)
    async with contextlib.AsyncExitStack() as opened:
        opened.push_async_callback(kube.close)
        if signer and Role.PODS in settings.serve:
            services = pod_services(settings, kube, signer)
            opened.callback(services.close)
            services.metrics.registry.register(paces)
            await serve(
                services,
                stop,
                watch_store(services),
                services.pod_events.follow(),
                services.image_pushing.follow(services.views, services.stores, settings.images_seconds),
            )
        else:
            views = EngineViews(kube, fresh=kube.paced(FRESH))
            admission = AdmissionServices(
                settings=settings,
                views=views,
                metrics=AdmissionMetrics(),
                images=ImageFile(settings.images_file),
            )
            admission.metrics.registry.register(paces)
            await serve(admission, stop)


def pod_services(settings: GatewaySettings, kube: Kube, signer: Signer) -> Services:
    """Return what a gateway works with that serves builders and pods."""
    views = Views(kube, fresh=kube.paced(FRESH))
    quick = Workers(name="store", threads=32, waiting=256, deadline=25.0)
    heavy = Workers(name="engine", threads=4, waiting=64, deadline=1800.0)
    metrics, asking = Metrics(), kube.paced(CATALOG)
    callers = Callers(kube, settings.build_namespace, reviews=kube.paced(REVIEWS))
    stores = DefaultStore(kube, settings.release_namespace, views.stores)
    publish_turns = Turns(kube, settings.release_namespace, PUBLISH, "another engine is being published")
    publishing = CarefulPublishing(signer, publish_turns, heavy, views.stores)
    images, engines = ImageFile(settings.images_file), VerifiedEngines(signer.keys, quick)
    return Services(
        settings=settings,
        kube=kube,
        callers=callers,
        people=People(callers, asking),
        readers=Readers(asking),
        views=views,
        stores=stores,
        usage=StoreUsage(kube, views),
        prune_turns=Turns(
            kube, settings.release_namespace, PRUNE, "another run of prune is removing objects"
        ),
        publishing=publishing,
        store_watch=StoreWatch(stores, publishing, quick, metrics),
        pod_events=PodEvents(kube.paced(EVENTS), lambda outcome: metrics.pod_events.labels(outcome).inc()),
        signer=signer,
        metrics=metrics,
        engines=engines,
        images=images,
        image_pushing=ImagePushing(
            kube,
            settings.release_namespace,
            images,
            engines,
            lambda outcome: metrics.images.labels(outcome).inc(),
        ),
        quick=quick,
        heavy=heavy,
        quotas=StorageQuotas(views, quick),
    )


def signer_of(signing_key: Path, previous_keys: Iterable[Path]) -> Signer:
    """Read the signing key and the earlier ones."""
    key = SigningKey.from_pem(signing_key.read_bytes())
    earlier = [SigningKey.from_pem(path.read_bytes()) for path in previous_keys]
    return Signer(key, {each.keyid: each.public for each in (key, *earlier)})


if __name__ == "__main__":
    sys.exit(main())
