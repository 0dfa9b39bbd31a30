"""One that asks for much of what is expensive waits for itself."""

import asyncio

import pytest

from ignition_hub.engine.errors import Reason, TransientError
from ignition_hub.fair_turns import FairTurns


def reviews(*, most, each):
    return FairTurns("reviews", most=most, each=each, reason=Reason.GatewayUnavailable)


async def holding(turns, who, held, until):
    async with turns.one(who):
        held.append(who)
        await until.wait()


async def test_one_that_asks_for_much_waits_for_itself_and_not_others_for_it():
    turns, held, until = reviews(most=100, each=2), [], asyncio.Event()
    tasks = [asyncio.create_task(holding(turns, "loud", held, until)) for _ in range(5)]
    tasks.append(asyncio.create_task(holding(turns, "quiet", held, until)))
    await asyncio.sleep(0)

    assert sorted(held) == ["loud", "loud", "quiet"]
    until.set()
    await asyncio.gather(*tasks)
    assert held.count("loud") == 5
    assert (turns._all, turns._turns) == (0, {})


async def test_half_of_the_places_are_never_one_callers():
    turns, until = reviews(most=4, each=1), asyncio.Event()
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
    turns, until = reviews(most=4, each=1), asyncio.Event()
    first, second = (asyncio.create_task(holding(turns, "one", [], until)) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)

    assert turns._all == 1
    until.set()
    await first
