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


@pytest.fixture
def gate():
    """What calls wait for; it is open at the end, or a failed test would leave its threads waiting."""
    event = threading.Event()
    yield event
    event.set()


async def test_a_call_that_has_not_begun_when_its_time_is_over_never_begins(gate):
    begun = []
    workers = Workers(name="t", threads=1, waiting=40, deadline=0.05)
    calls = [workers.run(lambda: (begun.append(1), gate.wait())) for _ in range(41)]

    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    assert workers.held == 1
    gate.set()
    workers._pool.shutdown(wait=True)
    assert begun == [1]


async def test_a_call_that_has_not_begun_when_its_caller_leaves_never_begins(gate):
    begun = []
    workers = Workers(name="t", threads=1, waiting=1, deadline=30)
    first = asyncio.create_task(workers.run(gate.wait))
    await asyncio.sleep(0)
    left = asyncio.create_task(workers.run(begun.append, "left"))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)

    stays = asyncio.create_task(workers.run(begun.append, "stays"))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(first, stays)

    assert begun == ["stays"]
    assert workers.held == 0
    workers.close()


async def test_the_error_of_a_call_reaches_its_caller():
    def fail():
        raise StoreMisconfigured("no bucket")

    workers = Workers(name="t", threads=1, waiting=0, deadline=5)
    with pytest.raises(StoreMisconfigured):
        await workers.run(fail)
    workers.close()
