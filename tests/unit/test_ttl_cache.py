"""Answers kept for a moment: one question is asked once, and a failure is not an answer."""

import asyncio
import gc

import pytest

from ignition_hub.ttl_cache import TtlCache


class Clock:
    """Time as a test wants it."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Question:
    """Answers with how often it was asked."""

    def __init__(self):
        self.asked = 0

    async def __call__(self):
        self.asked += 1
        await asyncio.sleep(0)
        return self.asked


async def test_an_answer_is_remembered_until_it_is_too_old():
    clock, question = Clock(), Question()
    memory = TtlCache(seconds=10, size=2, clock=clock)

    assert [await memory.get("k", question) for _ in range(3)] == [1, 1, 1]
    clock.now += 10
    assert await memory.get("k", question) == 2
    memory.forget("k")
    assert await memory.get("k", question) == 3


async def test_a_memory_is_bounded_and_drops_the_oldest():
    question = Question()
    memory = TtlCache(seconds=10, size=2, clock=Clock())
    for key in "abc":
        await memory.get(key, question)

    assert await memory.get("c", question) == 3
    assert await memory.get("a", question) == 4


async def test_one_asker_that_goes_away_does_not_take_the_answer_from_the_others():
    question = Question()
    memory = TtlCache(seconds=10, size=2, clock=Clock())
    first = asyncio.create_task(memory.get("k", question))
    second = asyncio.create_task(memory.get("k", question))
    await asyncio.sleep(0)

    first.cancel()

    assert await second == 1
    assert memory.asking == 0


async def test_an_error_is_not_remembered():
    async def fail():
        raise ConnectionError("away")

    memory = TtlCache(seconds=10, size=2, clock=Clock())
    with pytest.raises(ConnectionError):
        await memory.get("k", fail)

    assert await memory.get("k", Question()) == 1


async def test_a_hundred_who_ask_at_once_share_one_answer():
    question = Question()
    memory = TtlCache(seconds=10)

    assert await asyncio.gather(*(memory.get("k", question) for _ in range(100))) == [1] * 100


async def test_a_failure_after_everybody_gave_up_is_not_reported_as_lost():
    lost, gate = [], asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context["message"]))
    memory = TtlCache(seconds=10)

    async def fail():
        await gate.wait()
        raise ConnectionError("away")

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(memory.get("k", fail), 0.001)
    gate.set()
    for _ in range(5):  # turns of the loop: the task ends, and is settled
        await asyncio.sleep(0)
    gc.collect()

    assert (memory.asking, lost) == (0, [])
