"""
A controller without queue and watches: passes over everything that is there, until nothing is written.

For tests that ask what a pass makes of what it finds on a real API server. Time is a number: every round is
long after the one before, so that nothing is put off.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from unittest import mock

from fakeworld import FakeWorld
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.observe import Observer
from ignition_hub.controller.policy.build_job import JobSettings
from ignition_hub.controller.policy.build_queue import BuildQueue
from ignition_hub.controller.process.keys import Key
from ignition_hub.controller.process.work_queue import WorkQueue
from ignition_hub.controller.reconciler import Clock, Reconciler
from ignition_hub.controller.watches import keys_of_all
from ignition_hub.engine.names import BUILD_NAMESPACE
from ignition_hub.kube import Conflict, Kube, Unavailable
from ignition_hub.ttl_cache import TtlCache

LONG_AFTER = 10_000.0


@dataclass
class Times:
    """The clocks of one controller after another: seconds gone by, and how far the wall clock is ahead."""

    elapsed: float = 0.0
    ahead: float = 0.0


class Passes:
    """One controller that knows nothing; ``written`` tells how much it has written."""

    def __init__(self, kube: Kube, world: FakeWorld, times: Times, written: Callable[[], int]) -> None:
        self.cluster, self._times, self._written = Cluster(kube, BUILD_NAMESPACE, rolls=True), times, written
        self._known: dict[Key, None] = {}
        clock = Clock(wall=lambda: time.time() + times.ahead, steady=lambda: times.elapsed)
        with mock.patch.dict(TtlCache.__init__.__kwdefaults__, clock=clock.steady):
            observer = Observer(self.cluster, world, now=clock.wall)
        self._reconciler = Reconciler(
            cluster=self.cluster,
            observer=observer,
            world=world,
            queue=WorkQueue(),
            builds=BuildQueue(),
            settings=JobSettings(gateway_url="https://gateway.invalid"),
            clock=clock,
            instance="test",
        )

    async def settle(self) -> None:
        """Work until nothing is written in two rounds: what has just begun is written a little later."""
        quiet = 0
        for _ in range(24):
            before = self._written()
            await self.cluster.refresh()
            self._times.elapsed += LONG_AFTER
            for key in self._keys():
                await self._pass(key)
            quiet = quiet + 1 if self._written() == before else 0
            if quiet == 2:
                return
        raise AssertionError("it goes on writing")

    async def _pass(self, key: Key) -> None:
        try:
            await self._reconciler.reconcile(key)
        except (Conflict, Unavailable):
            return  # it is tried again: there is another round

    def _keys(self) -> list[Key]:
        """Return what the watches would have asked for: everything that is there, and engines that were."""
        there = dict.fromkeys(keys_of_all(self.cluster))
        gone = [key for key in self._known if key not in there]
        self._known |= {key: None for key in there if key.kind == "engine"}
        return [*there, *gone]
