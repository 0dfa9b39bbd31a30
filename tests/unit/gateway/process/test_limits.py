"""Nobody alone keeps the others out of what is expensive."""

import asyncio

import pytest

from ignition_hub.engine.errors import TransientError
from ignition_hub.gateway.process.limits import ConcurrencyLimit, FairTurns
from ignition_hub.gateway.routes.models import seconds_for


def test_one_caller_gets_its_share_and_others_get_theirs():
    places = ConcurrencyLimit("pushes", most=3, each=2)

    with places.one("vision"), places.one("vision"):
        with pytest.raises(TransientError, match="2 pushes for vision are in progress"):
            places.one("vision").__enter__()
        with places.one("audio"), pytest.raises(TransientError, match="3 pushes are in progress"):
            places.one("text").__enter__()


def test_a_place_is_free_again_whatever_happened_in_it():
    places = ConcurrencyLimit("pushes", most=1, each=1)
    with pytest.raises(OSError, match="gone"), places.one("vision"):
        raise OSError("gone")

    with places.one("audio"):
        pass


def test_a_slow_push_ends():
    assert seconds_for(1) < 180
    assert seconds_for(1024**3) < 2 * 3600


async def holding(turns, who, held, until):
    async with turns.one(who):
        held.append(who)
        await until.wait()


async def test_one_that_asks_for_much_waits_for_itself_and_not_others_for_it():
    turns, held, until = FairTurns("reviews", most=100, each=2), [], asyncio.Event()
    tasks = [asyncio.create_task(holding(turns, "loud", held, until)) for _ in range(5)]
    tasks.append(asyncio.create_task(holding(turns, "quiet", held, until)))
    await asyncio.sleep(0)

    assert sorted(held) == ["loud", "loud", "quiet"]
    until.set()
    await asyncio.gather(*tasks)
    assert held.count("loud") == 5
    assert (turns._all, turns._turns) == (0, {})


async def test_half_of_the_places_are_never_one_callers():
    turns, until = FairTurns("reviews", most=4, each=1), asyncio.Event()
    tasks = [asyncio.create_task(holding(turns, who, [], until)) for who in ("loud", "loud", "quiet")]
    await asyncio.sleep(0)

    with pytest.raises(TransientError, match="2 reviews of loud and 3 in all are pending"):
        await turns.one("loud").__aenter__()
    tasks.append(asyncio.create_task(holding(turns, "other", [], until)))
    await asyncio.sleep(0)
    with pytest.raises(TransientError, match="0 reviews of last and 4 in all are pending"):
        await turns.one("last").__aenter__()
    until.set()
    await asyncio.gather(*tasks)


async def test_a_turn_that_is_given_up_while_waiting_frees_its_place():
    turns, until = FairTurns("reviews", most=4, each=1), asyncio.Event()
    first, second = (asyncio.create_task(holding(turns, "one", [], until)) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)

    assert turns._all == 1
    until.set()
    await first
