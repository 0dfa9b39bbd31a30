"""Leader election by the local monotonic clock."""

import asyncio
import copy
import itertools

import pytest

from ignition_hub.controller.process.leader_election import Election, Timing
from ignition_hub.kube import Conflict, Unavailable


class FakeLease:
    """A Lease in memory with optimistic concurrency."""

    def __init__(self):
        self.stored = None
        self.away = False
        self._versions = itertools.count(1)

    async def read(self):
        if self.away:
            raise Unavailable(503, "away")
        return copy.deepcopy(self.stored)

    async def create(self, spec):
        if self.stored is not None:
            raise Conflict(409, "AlreadyExists")
        return self._store(spec)

    async def replace(self, lease, spec):
        if lease["metadata"] != self.stored["metadata"]:
            raise Conflict(409, "Conflict")
        return self._store(spec)

    def _store(self, spec):
        self.stored = {"metadata": {"resourceVersion": str(next(self._versions))}, "spec": dict(spec)}
        return copy.deepcopy(self.stored)


class FakeClock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def lease():
    return FakeLease()


def candidate(lease, clock, name):
    return Election(lease, name, clock=clock)


async def test_the_first_candidate_leads_and_the_second_waits(lease, clock):
    first, second = candidate(lease, clock, "a"), candidate(lease, clock, "b")

    assert await first.attempt()
    assert not await second.attempt()
    assert (first.leads, second.leads) == (True, False)


async def test_a_lease_that_goes_on_changing_is_respected_for_ever(lease, clock):
    first, second = candidate(lease, clock, "a"), candidate(lease, clock, "b")
    await first.attempt()

    for _ in range(50):
        clock.now += 5.0
        assert await first.attempt()
        assert not await second.attempt()


async def test_a_lease_that_stands_still_for_its_duration_is_taken_over(lease, clock):
    first, second = candidate(lease, clock, "a"), candidate(lease, clock, "b")
    await first.attempt()
    assert not await second.attempt()

    clock.now += 14.9
    assert not await second.attempt()
    clock.now += 0.2
    assert await second.attempt()
    assert lease.stored["spec"]["holderIdentity"] == "b"
    assert lease.stored["spec"]["leaseTransitions"] == 1


async def test_timestamps_of_another_clock_decide_nothing(lease, clock):
    first, second = candidate(lease, clock, "a"), candidate(lease, clock, "b")
    await first.attempt()
    lease.stored["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"

    assert not await second.attempt()


async def test_a_leader_that_cannot_renew_stops_leading_before_its_lease_ends(lease, clock):
    first, second = candidate(lease, clock, "a"), candidate(lease, clock, "b")
    await first.attempt()
    await second.attempt()

    clock.now += 10.0
    assert not first.leads
    assert not await second.attempt()


async def test_a_paused_leader_finds_its_lease_gone(lease, clock):
    first, second = candidate(lease, clock, "a"), candidate(lease, clock, "b")
    await first.attempt()
    await second.attempt()
    clock.now += 60.0
    await second.attempt()

    assert not await first.attempt()
    assert not first.leads


async def test_of_two_who_take_over_at_once_one_wins(lease, clock):
    holder, left, right = (candidate(lease, clock, name) for name in "abc")
    await holder.attempt()
    await left.attempt()
    await right.attempt()
    clock.now += 20.0

    answers = await asyncio.gather(left.attempt(), right.attempt())

    assert sorted(answers) == [False, True]


async def test_a_lease_that_was_handed_back_is_free_at_once(lease, clock):
    first, second = candidate(lease, clock, "a"), candidate(lease, clock, "b")
    await first.attempt()
    await second.attempt()
    lease.stored["spec"]["holderIdentity"] = ""

    assert await second.attempt()


async def test_work_begins_with_leadership_ends_with_it_and_the_lease_is_handed_back(lease):
    election = Election(lease, "a", timing=Timing(duration=1.0, renew_within=0.5, retry=0.01))
    started, ended = asyncio.Event(), asyncio.Event()

    async def lead():
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    run = asyncio.create_task(election.run(lead))
    await asyncio.wait_for(started.wait(), 1.0)
    lease.away = True
    await asyncio.wait_for(ended.wait(), 2.0)
    lease.away, _ = False, started.clear()
    await asyncio.wait_for(started.wait(), 3.0)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)

    assert lease.stored["spec"]["holderIdentity"] == ""


async def test_work_that_fails_ends_the_election_with_its_error(lease):
    election = Election(lease, "a", timing=Timing(duration=1.0, renew_within=0.5, retry=0.01))

    async def lead():
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await asyncio.wait_for(election.run(lead), 1.0)
