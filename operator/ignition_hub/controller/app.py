"""
The controller process: everything made, wired and run.

Both replicas watch; the one that leads works. Leading means: list everything, decide on every engine, then
live on what the watches bring, with a resync every ten minutes that bounds the cost of any missed event.
"""

import asyncio
import logging
import os
import random
import secrets
import signal
import socket
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kopf

from ignition_hub.controller.adapters.bucket import Buckets
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.gateway_findings import GatewayFindings
from ignition_hub.controller.adapters.public_keys import GatewayKeys
from ignition_hub.controller.adapters.workloads import Workloads
from ignition_hub.controller.observe import Observer
from ignition_hub.controller.policy.build_job import JobSettings
from ignition_hub.controller.policy.build_queue import BuildQueue
from ignition_hub.controller.policy.job_status import epoch
from ignition_hub.controller.policy.ports import World
from ignition_hub.controller.process.counters import Counters, counted
from ignition_hub.controller.process.exit_codes import FAILED
from ignition_hub.controller.process.keys import ENGINES, PLATFORM, PODS, ROLLOUTS, Key, lane_of
from ignition_hub.controller.process.lanes import Lanes
from ignition_hub.controller.process.leader_election import Election, KubeLease
from ignition_hub.controller.process.metrics import HealthServer, Vitals
from ignition_hub.controller.reconciler import Clock, Reconciler
from ignition_hub.controller.watches import Watching, demand_feeds, feeds, register, settings_for_kopf
from ignition_hub.kube import Kube, KubeError, RateLimiter, Resource
from ignition_hub.kube.figures import PaceCollector

logger = logging.getLogger(__name__)

LEASE = "ignition-hub-controller"
WORKERS = 32
"""For engines."""
MOST_ENGINES = 1000
"""TensorRTEngines of one namespace that are worked on."""
POD_WORKERS, FEW_WORKERS = 16, 4
RELEASES = RateLimiter(qps=150, burst=300, in_flight=POD_WORKERS)
"""Pods that wait for one engine are released together: a thousand within seconds, behind no other write."""
WORKLOADS = RateLimiter(qps=10, burst=20, in_flight=FEW_WORKERS)
"""Reading whose pods a rollout would replace is not urgent, and a namespace may have many."""
RESYNC = 600.0
RESYNC_SPREAD = 60.0
SHUTDOWN = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """What the command line says."""

    release_namespace: str
    build_namespace: str
    gateway_url: str
    ca_file: Path | None = None
    token_file: Path | None = None
    """A token for the gateway; without it the gateways are not asked what they found of the bucket."""
    health_port: int = 8080
    workers: int = WORKERS
    max_engines_per_namespace: int = MOST_ENGINES
    resync: float = RESYNC
    rollouts: bool = False


class Controller:
    """One replica; ``lease`` is a connection of the election's own, so that no other request delays it."""

    def __init__(
        self,
        kube: Kube,
        world: World,
        cluster: Cluster,
        settings: ControllerSettings,
        *,
        lease: Kube | None = None,
        workloads: Workloads | None = None,
        budgets: Mapping[str, RateLimiter] | None = None,
        store_is_away: Callable[[], bool] = lambda: False,
    ) -> None:
        identity = f"{socket.gethostname()}_{secrets.token_hex(4)}"
        self.cluster = cluster
        self.counters = Counters()
        self.counters.registry.register(PaceCollector("ignition_controller", budgets or {}))
        few = dict.fromkeys((PLATFORM, ROLLOUTS), FEW_WORKERS)
        self.queue = Lanes(lane_of, {PODS: POD_WORKERS, ENGINES: settings.workers, **few})
        builds: BuildQueue[Key] = BuildQueue()
        self.reconciler = Reconciler(
            cluster=cluster,
            observer=Observer(cluster, world, now=time.time),
            world=world,
            queue=self.queue,
            builds=builds,
            settings=JobSettings(gateway_url=settings.gateway_url),
            clock=Clock(wall=time.time, steady=time.monotonic),
            instance=identity,
            counters=self.counters,
            workloads=workloads,
        )
        self.watching = Watching(cluster, self.queue, builds)
        self.feeds = feeds(cluster, self.watching)
        self.demand_feeds = demand_feeds(cluster, self.watching)
        self.election = Election(KubeLease(lease or kube, LEASE, settings.release_namespace), identity)
        self._kube = kube
        self._store_is_away = store_is_away
        self._settings = settings
        self._established = asyncio.Event()
        self._stop = asyncio.Event()
        self._asked_to_stop = asyncio.Event()

    async def run(self) -> int:
        """Run until a signal or a failure; return the exit status."""
        async with HealthServer(self._settings.health_port, self.vitals, self.counters.registry):
            leading = asyncio.create_task(self.election.run(self.lead), name="election")
            watching = asyncio.create_task(self.watch(), name="watching")
            asked = asyncio.create_task(self._asked_to_stop.wait(), name="signals")
            await asyncio.wait({leading, watching, asked}, return_when=asyncio.FIRST_COMPLETED)
            # The Lease goes back while the connections still work; the watches end after.
            failures = [await _ended(leading), await _ended(asked)]
            self.stop()
            # Not ``wait_for``: that makes a task, and kopf cancels every task made since it began.
            await asyncio.wait({watching}, timeout=SHUTDOWN)
            failures.append(await _ended(watching))
        for failure in filter(None, failures):
            logger.error("stopped: %s", failure, exc_info=failure)
        return 0 if self._asked_to_stop.is_set() else FAILED

    async def watch(self) -> None:
        """Run all watches; one of kopf's that cannot go on ends the process, and the kubelet restarts it."""
        async with asyncio.TaskGroup() as group:
            feeds = [group.create_task(feed.run(), name="feed") for feed in self.feeds]
            feeds.append(group.create_task(self.watch_demand(), name="demand"))
            await self._watch_by_kopf()
            for feed in feeds:
                feed.cancel()

    async def watch_demand(self) -> None:
        """Follow which GPUs pods run on, once a pool builds for them by itself."""
        demand = self.cluster.demand
        await demand.wanted.wait()
        async with asyncio.TaskGroup() as group:
            for feed in self.demand_feeds:
                group.create_task(feed.run(), name="feed")
            for feed in self.demand_feeds:
                await feed.synced()
            demand.is_known = True
            self.watching.wake_all(within=2.0)

    async def _watch_by_kopf(self) -> None:
        registry = kopf.OperatorRegistry()
        register(registry, self.watching)
        others = asyncio.all_tasks()
        tasks = await kopf.spawn_tasks(
            registry=registry,
            settings=settings_for_kopf(),
            clusterwide=True,
            standalone=True,
            ready_flag=self._established,
            stop_flag=self._stop,
        )
        # kopf would stop its watches at once; first the Lease is to be handed back.
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop.set)
        await kopf.run_tasks(tasks, ignored=others)

    def stop(self) -> None:
        """Have the watches end."""
        self._stop.set()

    async def lead(self) -> None:
        """Work for as long as this replica leads."""
        self.reconciler.begin()
        await self.see_everything()
        self.watching.wake_all(within=1.0)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.queue.work(counted(self.reconciler.reconcile, self.counters)))
            group.create_task(self._resync())

    async def see_everything(self) -> None:
        """List all kinds, but for those whose first list is under way: that is as new, and takes as long."""
        under_way = [feed for feed in self.feeds if not feed.is_synced]
        await self._refresh_until_done(but=[feed.resource for feed in under_way])
        for feed in under_way:
            await feed.synced()

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync * random.uniform(0.9, 1.0))  # noqa: S311  # spreads load
            await self._refresh_until_done()
            self.watching.wake_all(within=RESYNC_SPREAD)

    async def _refresh_until_done(self, but: Collection[Resource] = ()) -> None:
        while True:
            try:
                await self.cluster.refresh(but)
            except KubeError as error:
                logger.warning("cannot list: %s", error)
                await asyncio.sleep(random.uniform(1.0, 3.0))  # noqa: S311  # spreads load
            else:
                return

    def vitals(self) -> Vitals:
        """Look at the process."""
        return Vitals(
            leads=self.election.leads,
            watching=self._established.is_set() and all(feed.is_synced for feed in self.feeds),
            queued=len(self.queue),
            oldest=self.queue.oldest_age(),
            engines=len(self.cluster.engines),
            targets=self.cluster.engines.counts.standings,
            added=self.cluster.added_targets(),
            jobs=len(self.cluster.jobs),
            gated=len(self.cluster.waiting_pods),
            gated_since=epoch(self.cluster.waiting_pods.oldest()),
            store_is_away=self._store_is_away(),
            writes=dict(self._kube.writes),
            storage=self.reconciler.storage.latest if self.election.leads else (),
        )


async def run(settings: ControllerSettings) -> int:
    """Connect to everything and run one replica; return the exit status."""
    budgets = {
        "default": RateLimiter(),
        "lease": RateLimiter(qps=5, burst=10, in_flight=2),
        "releases": RELEASES,
        "workloads": WORKLOADS,
    }
    kube = await Kube.connect(limiter=budgets["default"])
    lease = await Kube.connect(limiter=budgets["lease"])
    cluster = Cluster(
        kube,
        settings.build_namespace,
        releases=kube.paced(RELEASES),
        most_engines=settings.max_engines_per_namespace,
        rolls=settings.rollouts,
    )
    keys = GatewayKeys(settings.gateway_url, settings.ca_file)
    findings = GatewayFindings(settings.gateway_url, settings.ca_file, settings.token_file)
    buckets = Buckets(kube, cluster.stores, settings.release_namespace, keys, findings)
    logger.info("controller starts", extra={"pid": os.getpid(), "gateway": settings.gateway_url})
    try:
        controller = Controller(
            kube,
            buckets,
            cluster,
            settings,
            lease=lease,
            workloads=Workloads(kube.paced(WORKLOADS)),
            budgets=budgets,
            store_is_away=lambda: buckets.is_away,
        )
        return await controller.run()
    finally:
        buckets.close()
        await kube.close()
        await lease.close()


async def _ended(task: "asyncio.Task[Any]") -> BaseException | None:
    """Cancel a task unless it is done, wait for it, and return what it failed with."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    return None if task.cancelled() else task.exception()
