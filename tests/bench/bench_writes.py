"""
What the controller asks of the API server: writes, seconds and memory per resource.

One controller at work on a real API server, the whole of it, kopf's watches included; this process plays the
Job controller and the gateway, and the store is in memory. Every case begins with its resources there and no
controller, so its seconds are those of a controller that comes up and brings all of them to Ready. The floor
is as many plain PATCHes of a status, sent by the same client in the same run (the best of three rounds).

Events are printed and have no bar: one is posted per transition, after the status. Memory is that of this
process, the controller and those who play around it. The Lease, which a leader renews, is left out.

``python tests/bench/bench_writes.py [--count 500] [--shared 1000] [--rest 60]``
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from controller_harness import Hub, hub_at, plane_of_its_own
from fakeworld import MODEL_URI, make_engine
from ignition_hub.controller.app import Controller
from ignition_hub.controller.policy.job_status import state_of
from ignition_hub.controller.policy.pool_status import COUNT_AFTER
from ignition_hub.controller.policy.views import JobState
from ignition_hub.kube import ENGINES, Kube, RateLimiter
from job_controller import condition_of, eventually, is_current
from localcluster import ControlPlane

QPS = 100_000.0
"""No brake: what is measured is the work, not the rate that the deployed controller is held to."""
IN_FLIGHT = 32
DEADLINE = 600.0
BARS = {"built": 2.0, "store hits": 1.0, "one identity": 2.0, "at rest": 0.0}
"""Writes per resource, events and the status of the pool left out."""
POOL_WRITE = "patch buildpools/status"


@dataclass(frozen=True)
class Case:
    """What one case cost."""

    name: str
    count: int
    writes: Counter[str]
    seconds: float
    cpu_seconds: float
    peak_mib: float

    @property
    def writes_each(self) -> float:
        """Return writes per resource; events and pools are not counted."""
        apart = {"create events", POOL_WRITE}
        return sum(number for kind, number in self.writes.items() if kind not in apart) / self.count

    @property
    def most_pool_writes(self) -> int:
        """Return how often the one pool's status may be written: twice to begin with, then every 5 s."""
        return 0 if self.name == "at rest" else 2 + int(self.seconds / COUNT_AFTER)

    @property
    def holds(self) -> bool:
        """Tell whether the bar holds."""
        return self.writes_each <= BARS[self.name] and self.writes[POOL_WRITE] <= self.most_pool_writes


def main() -> int:
    """Run the cases in turn, print each beside the floor, and say whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="resources that are built, and store hits")
    parser.add_argument("--shared", type=int, default=1000, help="resources of one identity")
    parser.add_argument("--rest", type=float, default=60.0, help="seconds at rest")
    options = parser.parse_args()
    with plane_of_its_own() as plane:
        cases = asyncio.run(measure(plane, options.count, options.shared, options.rest))
    return 0 if all(case.holds for case in cases) else 1


async def measure(plane: ControlPlane, count: int, shared: int, rest: float) -> list[Case]:
    """Measure the floor and the cases."""
    floor = await plain_patches(plane, count)
    print(f"floor: {count} plain PATCHes of a status in {floor * count:.2f} s, {1 / floor:.0f}/s", flush=True)
    async with hub_at(plane) as hub:
        apart = [engine(f"model-{number}", f"model-{number}") for number in range(count)]
        again = [engine(f"again-{number}", f"model-{number}") for number in range(count)]
        alike = [engine(f"alike-{number}", "alike") for number in range(shared)]
        return [
            tell(await all_ready(hub, "built", apart), floor),
            tell(await all_ready(hub, "store hits", again), floor),
            tell(await all_ready(hub, "one identity", alike), floor),
            tell(await at_rest(hub, shared, rest), floor),
        ]


def engine(name: str, model: str) -> dict:
    """Return a resource; those of one model have one identity."""
    return make_engine(name, model={"name": model, "version": "v1", "source": {"uri": MODEL_URI}})


async def plain_patches(plane: ControlPlane, count: int) -> float:
    """Return the seconds of one PATCH of a status among ``count``, as the same client sends them."""
    async with hub_at(plane) as hub:
        kube = await Kube.connect(limiter=RateLimiter(qps=QPS, burst=500, in_flight=IN_FLIGHT))
        names = [f"floor-{number}" for number in range(count)]
        await create(hub, [make_engine(name) for name in names])
        rounds = []
        for number in range(3):  # the first opens the connections
            status = {"status": {"observedGeneration": 1, "readyTargets": f"{number}/3"}}
            started = time.monotonic()
            patches = (kube.merge_patch(ENGINES, name, status, hub.namespace, "status") for name in names)
            await asyncio.gather(*patches)
            rounds.append(time.monotonic() - started)
        await kube.close()
    return min(rounds) / count


async def create(hub: Hub, bodies: list[dict]) -> None:
    """Create resources while no controller runs."""
    await asyncio.gather(*(hub.apply(body) for body in bodies))


async def all_ready(hub: Hub, name: str, bodies: list[dict]) -> Case:
    """Let a controller bring ``bodies`` to Ready; only they are there."""
    for body in await hub.kube.list(ENGINES, hub.namespace):
        await hub.kube.delete(ENGINES, body["metadata"]["name"], hub.namespace)
    await create(hub, bodies)
    meter = Meter(hub)
    async with hub.controller(qps=QPS) as controller:
        player = asyncio.create_task(play(hub, controller))
        await until_ready(controller, len(bodies))
        case = meter.read(name, len(bodies))
        player.cancel()
        await asyncio.wait({player})
    listed = await hub.kube.list(ENGINES, hub.namespace)
    assert sum(is_ready(body) for body in listed) == len(bodies)
    return case


async def at_rest(hub: Hub, count: int, seconds: float) -> Case:
    """Let a controller look at what is Ready, then measure it while nothing happens; a resync is in it."""
    async with hub.controller(qps=QPS, resync=seconds / 2) as controller:
        await until_ready(controller, count)
        await asyncio.sleep(COUNT_AFTER + 3.0)  # the pool is described after the engines
        meter = Meter(hub)
        await asyncio.sleep(seconds)
        return meter.read("at rest", count)


async def play(hub: Hub, controller: Controller) -> None:
    """Publish and complete every Job as soon as the controller's own watch knows it."""
    begun: set[str] = set()
    async with asyncio.TaskGroup() as group:
        while True:
            for job in controller.cluster.jobs:
                if state_of(job) is JobState.ACTIVE and job["metadata"]["uid"] not in begun:
                    begun.add(job["metadata"]["uid"])
                    group.create_task(hub.complete(job))
            await asyncio.sleep(0.05)


def ready_in(controller: Controller) -> int:
    """Count what is Ready, as the controller's mirror has it: asking the API server would be work for it."""
    return sum(is_ready(body) for body in controller.cluster.engines)


def is_ready(body: dict) -> bool:
    """Tell whether a resource is Ready for its newest spec."""
    return condition_of(body, "Ready").get("status") == "True" and is_current(body)


async def until_ready(controller: Controller, count: int) -> None:
    """Wait until ``count`` resources are Ready."""

    async def all_are() -> bool:
        return ready_in(controller) == count

    await eventually(all_are, seconds=DEADLINE)


class Meter:
    """Counts from now on."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        hub.writes.clear()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        self._cpu = time.process_time()
        self._started = time.monotonic()

    def read(self, name: str, count: int) -> Case:
        """Return what was spent since."""
        return Case(
            name=name,
            count=count,
            writes=Counter(self._hub.writes),
            seconds=time.monotonic() - self._started,
            cpu_seconds=time.process_time() - self._cpu,
            peak_mib=peak_mib(),
        )


def peak_mib() -> float:
    """Return this process's peak resident memory since it was last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def tell(case: Case, floor: float) -> Case:
    """Print a case beside the floor and its bar."""
    verdict = "" if case.holds else " EXCEEDED"
    print(
        f"{case.name}: {case.count} resources, {case.writes_each:.2f} writes each"
        f" (bar {BARS[case.name]:.0f}{verdict}), {case.writes[POOL_WRITE]} of the pool"
        f" (bar {case.most_pool_writes}), {case.seconds:.2f} s, {case.cpu_seconds:.2f} s of CPU,"
        f" peak {case.peak_mib:.0f} MiB"
    )
    for kind, number in sorted(case.writes.items()):
        print(f"    {kind}: {number} ({number / case.count:.2f} each)")
    if case.name != "at rest":
        each = case.seconds / case.count
        print(f"    {1 / each:.0f} resources/s, {each / floor:.1f} times the floor", flush=True)
    return case


if __name__ == "__main__":
    sys.exit(main())
