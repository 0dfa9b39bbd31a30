"""Passes that are not about one engine, as the reconciler paces them."""

from typing import Any

import pytest

from fakeworld import FakeWorld
from ignition_hub.controller import reconciler as module
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.observe import Observer
from ignition_hub.controller.policy.build_job import JobSettings
from ignition_hub.controller.policy.build_queue import BuildQueue
from ignition_hub.controller.process.keys import JOBS_KEY
from ignition_hub.controller.process.work_queue import Again, WorkQueue
from ignition_hub.controller.reconciler import COLLECT_EVERY, Clock, Reconciler


async def test_jobs_are_looked_through_once_in_a_while_and_what_came_too_early_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kube: Any = None
    cluster, world, now, looks = Cluster(kube, "builds"), FakeWorld(), 100.0, []

    async def collect(*_: Any) -> Again:
        looks.append(now)
        return Again()

    monkeypatch.setattr(module, "collect", collect)
    reconciler = Reconciler(
        cluster=cluster,
        observer=Observer(cluster, world, now=lambda: now),
        world=world,
        queue=WorkQueue(),
        builds=BuildQueue(),
        settings=JobSettings(gateway_url="https://gateway.invalid"),
        clock=Clock(wall=lambda: now, steady=lambda: now),
        instance="test",
    )
    assert await reconciler.reconcile(JOBS_KEY) == Again()
    now += 0.25 * COLLECT_EVERY
    assert await reconciler.reconcile(JOBS_KEY) == Again(seconds=0.75 * COLLECT_EVERY)
    now += 0.75 * COLLECT_EVERY
    assert await reconciler.reconcile(JOBS_KEY) == Again()

    assert looks == [100.0, 100.0 + COLLECT_EVERY]
