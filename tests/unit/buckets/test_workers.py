"""The threads for the store: how many calls they take, and for how long."""

import asyncio
import threading

import pytest

from ignition_hub.buckets.workers import Workers
from ignition_hub.engine.errors import TransientError
from ignition_hub.store.errors import StoreMisconfigured, StoreUnavailable


async def test_more_calls_than_threads_and_waiting_places_are_sent_away_at_once():
    gate = threading.Event()
    workers = Workers(name="t", threads=1, waiting=1, deadline=30)
    running = [asyncio.create_task(workers.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(TransientError, match="are pending"):
        await workers.run(gate.wait)
    gate.set()

    assert await asyncio.gather(*running) == [True, True]
    await asyncio.sleep(0)
    assert workers.held == 0
    workers.close()


async def test_a_call_that_is_late_is_the_stores_fault_and_keeps_its_place_until_it_ends():
    gate = threading.Event()
    workers = Workers(name="t", threads=1, waiting=0, deadline=0.01)

    with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.01 s"):
        await workers.run(gate.wait)

    assert workers.held == 1
    gate.set()
    workers._pool.shutdown(wait=True)
    await asyncio.sleep(0.01)  # the thread has ended; its callback is next on the loop
    assert workers.held == 0
    workers.close()


async def test_the_error_of_a_call_reaches_its_caller():
    def fail():
        raise StoreMisconfigured("no bucket")

    workers = Workers(name="t", threads=1, waiting=0, deadline=5)
    with pytest.raises(StoreMisconfigured):
        await workers.run(fail)
    workers.close()
