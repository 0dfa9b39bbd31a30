"""Keys of one kind do not wait behind those of another."""

import asyncio

import pytest

from ignition_hub.controller.process.keys import ENGINES, JOBS_KEY, PLATFORM, PODS, Key, lane_of, pool_key
from ignition_hub.controller.process.lanes import Lanes
from ignition_hub.controller.process.work_queue import Again

ENGINE, POD = Key("engine", "vision", "a"), Key("pod", "vision", "p")


@pytest.fixture
def lanes():
    return Lanes(lane_of, {PODS: 1, ENGINES: 2, PLATFORM: 1})


def test_every_kind_of_key_has_its_lane():
    lanes = [lane_of(key) for key in (ENGINE, POD, pool_key("l4"), Key("store", name="s"), JOBS_KEY)]

    assert lanes == [ENGINES, PODS, PLATFORM, PLATFORM, PLATFORM]


async def test_a_pod_is_worked_on_while_every_worker_of_engines_waits_for_the_store(lanes):
    away, released = asyncio.Event(), asyncio.Event()

    async def reconcile(key):
        await (away.wait() if key.kind == "engine" else asyncio.sleep(0))
        released.set()
        return Again()

    work = asyncio.create_task(lanes.work(reconcile))
    for number in range(100):
        lanes.add(Key("engine", "vision", str(number)))
    await asyncio.sleep(0)
    lanes.add(POD)

    await asyncio.wait_for(released.wait(), 5)

    assert len(lanes) >= 100
    assert lanes.oldest_age() >= 0
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_back_off_is_ended_in_the_lane_of_the_key(lanes):
    seen = []

    async def reconcile(key):
        seen.append(key)
        return Again(back_off=True)

    work = asyncio.create_task(lanes.work(reconcile))
    for key in (ENGINE, POD):
        lanes.add(key)
    await asyncio.sleep(0.01)
    lanes.hasten(lambda key: key.kind == "pod", within=0.0)
    await asyncio.sleep(0.05)

    assert (seen.count(POD), seen.count(ENGINE)) == (2, 1)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
