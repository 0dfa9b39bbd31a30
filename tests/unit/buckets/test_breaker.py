"""A store that is away is asked now and then, and not by everybody."""

import pytest

from ignition_hub.buckets.breaker import Breaker
from ignition_hub.store.errors import AccessDenied, StoreUnavailable


class Store:
    """Answers, is away, or refuses; counts how often it is asked."""

    def __init__(self):
        self.asked, self.error = 0, None

    async def ask(self):
        self.asked += 1
        if self.error:
            raise self.error
        return "answer"


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def breaker(clock):
    return Breaker(failures=3, seconds=15.0, clock=lambda: clock[0])


async def failing(breaker, store, times):
    store.error = StoreUnavailable("no answer")
    for _ in range(times):
        with pytest.raises(StoreUnavailable, match="no answer"):
            await breaker.run(store.ask)


async def test_after_three_failures_in_a_row_the_store_is_not_asked_and_the_reason_is_told(breaker, store):
    await failing(breaker, store, 10)

    assert store.asked == 3


async def test_one_call_finds_out_after_a_while_and_the_others_still_do_not_ask(breaker, store, clock):
    await failing(breaker, store, 3)
    clock[0] = 15.0

    await failing(breaker, store, 5)

    assert store.asked == 4


async def test_a_store_that_answers_again_is_asked_by_all(breaker, store, clock):
    await failing(breaker, store, 3)
    clock[0], store.error = 15.0, None

    assert [await breaker.run(store.ask) for _ in range(3)] == ["answer"] * 3


async def test_an_answer_in_between_starts_the_count_again(breaker, store):
    await failing(breaker, store, 2)
    store.error = None
    await breaker.run(store.ask)

    await failing(breaker, store, 3)

    assert store.asked == 6


async def test_a_store_that_refuses_has_answered(breaker, store):
    await failing(breaker, store, 2)
    store.error = AccessDenied("these keys may not read it")
    with pytest.raises(AccessDenied):
        await breaker.run(store.ask)

    await failing(breaker, store, 3)

    assert store.asked == 6


async def test_a_breaker_is_open_from_the_last_failure_that_counts_until_the_store_answers(
    breaker, store, clock
):
    await failing(breaker, store, 2)
    assert not breaker.is_open
    await failing(breaker, store, 1)
    assert breaker.is_open

    clock[0], store.error = 15.0, None
    await breaker.run(store.ask)
    assert not breaker.is_open
