"""The work queue: each key once, never twice at a time, back off on failure; and its lanes."""

import asyncio
import itertools
import logging

import pytest

from ignition_hub.controller.process.counters import Counters, counted
from ignition_hub.controller.process.keys import ENGINES, JOBS_KEY, PLATFORM, PODS, Key, lane_of, pool_key
from ignition_hub.controller.process.lanes import Lanes
from ignition_hub.controller.process.work_queue import Again, WorkQueue
from ignition_hub.wire.back_off import BackOff

ENGINE, POD = Key("engine", "vision", "a"), Key("pod", "vision", "p")


async def run_for_a_while(queue, reconcile, *, workers=4, until=lambda: False, seconds=1.0):
    work = asyncio.create_task(queue.work(reconcile, workers=workers))
    deadline = asyncio.get_running_loop().time() + seconds
    while not until() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110  # a condition of the test
        await asyncio.sleep(0.001)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_a_key_that_waits_is_not_added_twice():
    queue, seen = WorkQueue(), []

    async def reconcile(key):
        seen.append(key)
        return Again()

    for _ in range(1000):
        queue.add("a")
    queue.add("b")
    await run_for_a_while(queue, reconcile, until=lambda: len(seen) == 2)

    assert seen == ["a", "b"]


async def test_a_key_never_runs_twice_at_once_and_what_came_meanwhile_is_not_lost():
    queue, running, runs = WorkQueue(), set(), []

    async def reconcile(key):
        assert key not in running
        running.add(key)
        if len(runs) < 3:
            queue.add(key)
            queue.add(key)
        await asyncio.sleep(0.001)
        running.discard(key)
        runs.append(key)
        return Again()

    queue.add("a")
    await run_for_a_while(queue, reconcile, until=lambda: len(runs) == 4)
    await asyncio.sleep(0.01)

    assert runs == ["a"] * 4


async def test_no_more_keys_run_than_there_are_workers():
    queue, now, peak = WorkQueue(), 0, 0

    async def reconcile(_):
        nonlocal now, peak
        now += 1
        peak = max(peak, now)
        await asyncio.sleep(0.001)
        now -= 1
        return Again()

    for key in range(30):
        queue.add(key)
    await run_for_a_while(queue, reconcile, workers=3, until=lambda: len(queue) == 0)

    assert peak == 3


async def test_a_failure_brings_the_key_back_and_the_others_go_on(caplog):
    queue, seen = WorkQueue(back_off=BackOff(first=0.002)), []

    async def reconcile(key):
        seen.append(key)
        if key == "bad" and seen.count("bad") < 3:
            raise ValueError("a bug")
        return Again()

    queue.add("bad")
    queue.add("good")
    with caplog.at_level(logging.WARNING):
        await run_for_a_while(queue, reconcile, workers=1, until=lambda: seen.count("bad") == 3)

    assert seen.count("bad") == 3
    assert seen[1] == "good"
    assert [record.failures for record in caplog.records] == [1, 2]
    assert caplog.records[0].exc_info


async def test_what_asks_for_back_off_comes_later_every_time():
    queue, times = WorkQueue(back_off=BackOff(first=0.01)), []

    async def reconcile(_):
        times.append(asyncio.get_running_loop().time())
        return Again(back_off=True)

    queue.add("a")
    await run_for_a_while(queue, reconcile, until=lambda: len(times) == 4)

    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps[0] >= 0.005
    assert gaps[2] >= 0.02


async def test_work_on_a_key_ends_the_appointment_that_was_made_before_it():
    queue, seen = WorkQueue(), []

    async def reconcile(key):
        seen.append(key)
        return Again()

    queue.add_after("a", 0.01)
    queue.add("a")
    await run_for_a_while(queue, reconcile, seconds=0.05)

    assert seen == ["a"]


async def test_an_appointment_that_is_made_while_a_key_is_worked_on_stays():
    queue, seen = WorkQueue(), []

    async def reconcile(key):
        seen.append(key)
        if len(seen) == 1:
            queue.add_after(key, 0.001)
            await asyncio.sleep(0.005)
        return Again()

    queue.add("a")
    await run_for_a_while(queue, reconcile, until=lambda: len(seen) == 2)

    assert seen == ["a", "a"]


async def test_an_earlier_appointment_stays_and_a_later_one_does_not_replace_it():
    queue, seen = WorkQueue(), []

    async def reconcile(key):
        seen.append(key)
        return Again()

    queue.add_after("a", 0.005)
    queue.add_after("a", 60.0)
    await run_for_a_while(queue, reconcile, until=lambda: bool(seen))

    assert seen == ["a"]


async def test_keys_that_back_off_are_hastened_and_the_others_left_alone():
    queue, seen = WorkQueue(back_off=BackOff(first=600, longest=600)), []

    async def reconcile(key):
        seen.append(key)
        return Again(back_off=key != "rests")

    for key in ("waits", "stays", "rests"):
        queue.add(key)
    await run_for_a_while(queue, reconcile, until=lambda: len(seen) == 3)
    queue.hasten(lambda key: key != "stays", within=0.01)
    await run_for_a_while(queue, reconcile, until=lambda: len(seen) == 4)
    await run_for_a_while(queue, reconcile, seconds=0.05)

    assert seen == ["waits", "stays", "rests", "waits"]
    assert queue._failures == {"waits": 1, "stays": 1}


async def test_keys_that_are_hastened_come_spread():
    queue, asked = WorkQueue(), {}
    for key in range(1000):
        queue.retry(key)
    queue.add_after = lambda key, seconds: asked.update({key: seconds})
    queue.hasten(lambda _: True, within=5.0)

    assert 0 <= min(asked.values()) < 1
    assert 4 < max(asked.values()) <= 5
    assert len(asked) == 1000


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


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (Again(seconds=5.0), "success"),
        (Again(back_off=True), "retry"),
        (ValueError("a defect"), "error"),
    ],
)
async def test_a_pass_is_counted_by_what_it_is_about_and_how_it_ended_and_ends_as_it_did(result, outcome):
    counters = Counters()

    async def reconcile(key):
        if isinstance(result, Exception):
            raise result
        return result

    [ended] = await asyncio.gather(counted(reconcile, counters)(ENGINE), return_exceptions=True)

    read = counters.registry.get_sample_value
    assert ended is result
    labels = {"kind": "engine", "outcome": outcome}
    assert read("ignition_controller_reconciliations_total", labels) == 1
    assert read("ignition_controller_reconciliation_seconds_count", {"kind": "engine"}) == 1
