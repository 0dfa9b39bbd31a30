"""
The controller as a process of its own, on whatever API server ``KUBECONFIG`` names, with a store in memory.

What ``bench_controller.py`` and ``bench_gates.py`` measure: everything of ``app.Controller`` is at work, the
Lease, kopf and the health server included, and no brake on requests unless ``--paced``. In the store lies
the engine of every Job that is complete, as if its builder had published it.

It says ``watches`` on standard output once it could work, ``leads`` once it does, ``judged`` when as many
resources as ``--expect`` were looked at, and at its end how many passes it made of each kind.
"""

import argparse
import asyncio
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from fakeworld import FakeStore, FakeWorld, make_manifest
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.app import RELEASES, Controller, ControllerSettings
from ignition_hub.controller.policy.job_status import state_of
from ignition_hub.controller.policy.views import JobState
from ignition_hub.controller.process.keys import Key
from ignition_hub.controller.process.work_queue import Again
from ignition_hub.engine.identity import EngineInputs
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.names import BUILD_NAMESPACE, RELEASE_NAMESPACE
from ignition_hub.engine.naming import job_name
from ignition_hub.kube import Kube, RateLimiter, event_loop

QPS = 100_000.0
IN_FLIGHT = 32


class StoreOfCompleteJobs(FakeStore):
    """Holds the engine of every Job that is complete."""

    cluster: Cluster

    async def find(self, inputs: EngineInputs, identity: str) -> Manifest | None:
        job = self.cluster.job(job_name(identity))
        if job is None or state_of(job) is not JobState.COMPLETE:
            return None
        return make_manifest(inputs, identity)


class Passes:
    """Counts what the reconciler does, and says when every resource was looked at."""

    def __init__(self, controller: Controller, expect: int) -> None:
        self.counts: Counter[str] = Counter()
        self._controller = controller
        self._reconcile = controller.reconciler.reconcile
        self._expect = expect
        self._seen: set[Key] = set()
        self._leads = False

    async def reconcile(self, key: Key) -> Again:
        if not self._leads:
            self._leads = True
            print("leads", flush=True)
        again = await self._reconcile(key)
        self.counts[key.kind] += 1
        if key.kind == "engine" and key not in self._seen:
            self._seen.add(key)
            if len(self._seen) == self._expect:
                print("judged", flush=True)
        return again


async def run(port: int, expect: int, *, paced: bool) -> int:
    brake = RateLimiter() if paced else RateLimiter(qps=QPS, burst=500, in_flight=IN_FLIGHT)
    kube = await Kube.connect(limiter=brake)
    lease = await Kube.connect(limiter=RateLimiter(qps=5, burst=10, in_flight=2))
    releases = kube.paced(RELEASES) if paced else None
    cluster = Cluster(kube, BUILD_NAMESPACE, releases=releases, most_engines=0)  # all are in one namespace
    store = StoreOfCompleteJobs()
    store.cluster = cluster
    settings = ControllerSettings(
        release_namespace=RELEASE_NAMESPACE,
        build_namespace=BUILD_NAMESPACE,
        gateway_url="https://gateway.invalid",
        health_port=port,
    )
    controller = Controller(kube, FakeWorld(store), cluster, settings, lease=lease)
    passes = Passes(controller, expect)
    controller.reconciler.reconcile = passes.reconcile  # type: ignore[method-assign]
    standing_by = asyncio.create_task(say_when_it_watches(controller))
    status = await controller.run()
    standing_by.cancel()
    await kube.close()
    await lease.close()
    print("passes", *(f"{kind}={count}" for kind, count in sorted(passes.counts.items())), flush=True)
    return status


async def say_when_it_watches(controller: Controller) -> None:
    while not controller.vitals().watching:  # noqa: ASYNC110  # it has no event of its own
        await asyncio.sleep(0.1)
    print("watches", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--health-port", type=int, default=0, help="0 takes one that is free")
    parser.add_argument("--expect", type=int, default=0)
    parser.add_argument("--paced", action="store_true", help="with the brakes of an installation")
    options = parser.parse_args()
    return event_loop.run(run(options.health_port, options.expect, paced=options.paced))


if __name__ == "__main__":
    sys.exit(main())
