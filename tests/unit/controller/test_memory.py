"""What the controller keeps between passes: mirrors, demand, places in pools."""

from itertools import permutations

import pytest

from ignition_hub.compatibility.tenants import Scheduling
from ignition_hub.controller.adapters.object_cache import Mirror
from ignition_hub.controller.policy.build_queue import BuildQueue
from ignition_hub.controller.policy.shared_build import parameters_for_all
from ignition_hub.controller.policy.views import BuildParameters, Patience

A, B, C = ("a" * 32, "b" * 32, "c" * 32)


def body(name="x", version=1, **more):
    return {"metadata": {"namespace": "ns", "name": name, "resourceVersion": str(version), **more}}


def test_an_older_version_never_replaces_a_newer_one():
    mirror = Mirror()
    assert mirror.put(body(version=5))
    assert not mirror.put(body(version=4))
    assert not mirror.put(body(version=5))

    assert mirror.get("ns", "x") == body(version=5)


def test_a_late_event_does_not_bring_a_deleted_object_back_and_a_new_one_is_taken():
    mirror = Mirror()
    mirror.put(body(version=5))
    mirror.drop(body(version=7))
    assert not mirror.put(body(version=6))
    assert mirror.get("ns", "x") is None
    assert mirror.put(body(version=8))


def test_a_late_deletion_does_not_remove_what_was_created_anew():
    mirror = Mirror()
    mirror.put(body(version=9))
    mirror.drop(body(version=7))

    assert mirror.get("ns", "x") is not None


def test_a_list_removes_what_it_lacks_but_not_what_came_while_it_was_made():
    mirror = Mirror()
    mirror.put(body("old", 1))
    mirror.put(body("kept", 2))
    before = mirror.versions()
    mirror.put(body("new", 3))
    mirror.replace([body("kept", 2)], before)

    assert {one["metadata"]["name"] for one in mirror} == {"kept", "new"}


def test_managed_fields_are_not_kept():
    mirror = Mirror()
    given = body(managedFields=[{"manager": "kubectl"}])
    mirror.put(given)

    assert "managedFields" not in mirror.get("ns", "x")["metadata"]
    assert "managedFields" in given["metadata"]


def test_demand_tells_who_waits_and_what_was_let_go():
    demand = BuildQueue()
    assert demand.want("one", [A, B]) == frozenset()
    demand.want("two", [B])
    assert demand.keys_of(B + "further digits") == ["one", "two"]

    assert demand.want("one", [C]) == {A, B}
    assert demand.keys_of(A) == []
    assert demand.keys_of(B) == ["two"]
    assert demand.drop("two") == {B}


def test_while_it_is_unknown_what_a_key_wants_its_earlier_wants_stand():
    demand = BuildQueue()
    demand.want("one", [A])
    assert demand.want("one", None) == frozenset()
    assert demand.keys_of(A) == ["one"]
    assert demand.all_known(["one"])

    demand.want("two", None)
    assert not demand.all_known(["one", "two"])
    assert not demand.all_known(["never decided"])


def test_how_a_build_is_asked_for_is_known_of_all_who_want_it_and_of_no_others():
    demand = BuildQueue()
    for key in ("quick", "slow", "other"):
        demand.want(key, [C if key == "other" else A])
        demand.ask(key, asking(key))
    assert demand.asked_for(A) == [asking("quick"), asking("slow")]

    demand.drop("slow")
    demand.want("not yet observed", [A])
    assert demand.asked_for(A) == [asking("quick")]


def test_a_shared_build_has_the_longest_time_and_the_most_retries_of_all_who_wait_for_it():
    quick, slow = asking("a", patience=Patience(60, 5)), asking("b", patience=Patience(9000, 0))

    assert parameters_for_all((), [quick, slow]).patience == Patience(9000, 5)
    assert parameters_for_all((), [quick]).patience == Patience(60, 5)


@pytest.mark.parametrize(
    ("modes", "mode"),
    [
        ("ReadWrite ReadWrite", "ReadWrite"),
        ("ReadWrite ReadOnly", "ReadOnly"),
        ("ReadWrite Locked", "ReadOnly"),
        ("ReadOnly Locked", "ReadOnly"),
        ("Locked Locked", "Locked"),
        ("ReadWrite Off", "Off"),
        ("Locked Off ReadOnly", "Off"),
    ],
)
def test_the_timing_cache_of_a_shared_build_is_what_all_who_wait_for_it_accept(modes, mode):
    asked = [asking(f"team-{number}", timing_cache=one) for number, one in enumerate(modes.split())]

    assert {parameters_for_all((), order).timing_cache for order in permutations(asked)} == {mode}


def test_a_shared_build_takes_less_memory_when_one_who_waits_for_it_asks_for_that():
    asked = [asking("a"), asking("b", low_memory=True), asking("c")]

    assert all(parameters_for_all((), order).low_memory for order in permutations(asked))
    assert not parameters_for_all((), [asking("a"), asking("c")]).low_memory


def asking(namespace, **changes):
    return BuildParameters(**{"scheduling": Scheduling(namespace), **changes})


def claim(slots, identity, *, busy=(), since=0.0, limit=1, namespace="ns", weight=1, key=None):
    return slots.claim(
        "pool",
        identity,
        limit,
        busy=busy,
        since=since,
        namespace=namespace,
        weight=weight,
        key=key or identity,
    )


def test_a_claim_counts_until_it_is_released():
    slots = BuildQueue()
    assert claim(slots, A) is None
    assert claim(slots, B) == 0
    slots.release(A)
    assert claim(slots, B) is None


def test_running_builds_take_places_and_a_build_does_not_stand_in_its_own_way():
    slots = BuildQueue()

    assert claim(slots, A, busy=[A]) is None
    assert claim(slots, B, busy=[C, A], limit=2) == 0


def test_who_asked_first_is_served_first():
    slots = BuildQueue()
    assert claim(slots, C, busy=["x"], since=3.0) == 0
    assert claim(slots, A, busy=["x"], since=1.0) == 0
    assert claim(slots, B, busy=["x"], since=2.0) == 1
    assert claim(slots, C, busy=["x"], since=3.0) == 2
    assert slots.next_in("pool", 2) == [A, B]

    assert claim(slots, B, since=2.0) == 1
    assert claim(slots, A, since=1.0) is None


def test_who_leaves_makes_room():
    slots = BuildQueue()
    claim(slots, A, busy=["x"], since=1.0)
    claim(slots, B, busy=["x"], since=2.0)
    assert slots.waiting("pool") == 2
    assert slots.leave(A) == "pool"
    assert not slots.leave(A)
    assert slots.waiting("pool") == 1

    assert claim(slots, B, since=2.0) is None


def test_a_build_that_stands_in_the_queue_by_another_stays_when_one_of_its_sharers_withdraws():
    slots = BuildQueue()
    claim(slots, A, busy=["x"], key="theirs")
    assert not slots.withdraw(A, "mine")
    assert not slots.withdraw(B, "mine")
    assert slots.waiting("pool") == 1

    assert slots.withdraw(A, "theirs") == "pool"
    assert slots.waiting("pool") == 0


def test_a_pool_of_nothing_serves_nobody():
    assert claim(BuildQueue(), A, limit=0) == 0


def test_a_build_that_two_namespaces_wait_for_stands_with_the_one_whose_turn_is_first():
    slots = BuildQueue()
    for number in range(9):
        claim(slots, f"{number:032}", busy=["x"], namespace="big")
    assert claim(slots, A, busy=["x"], since=9.0, namespace="big", key="theirs") == 9
    assert claim(slots, A, busy=["x"], since=99.0, namespace="small", key="ours") == 1
    assert claim(slots, A, busy=["x"], since=9.0, namespace="big", key="theirs") == 1

    assert slots.waiting("pool") == 10
    assert slots.next_in("pool", 2) == [f"{0:032}", "ours"]
    assert slots.leave(A) == "pool"
    assert slots.waiting("pool") == 9


def test_a_claim_gives_its_namespace_the_weight_that_the_pool_says():
    slots = BuildQueue()
    for number in range(4):
        claim(slots, f"{number:032}", busy=["x"], since=float(number), namespace="big", weight=3)
    assert claim(slots, A, busy=["x"], namespace="small") == 1

    assert claim(slots, B, busy=["x"], namespace="small", since=1.0) == 5
    assert claim(slots, f"{3:032}", busy=["x"], since=3.0, namespace="big", weight=3) == 4
    assert claim(slots, f"{3:032}", busy=["x"], since=3.0, namespace="big", weight=1) == 5


def test_a_build_that_has_its_place_already_takes_no_second_turn_of_its_namespace():
    slots = BuildQueue()
    assert claim(slots, A, namespace="one") is None
    assert claim(slots, A, busy=[A], namespace="one") is None
    slots.release(A)
    claim(slots, B, busy=[A], namespace="one")

    # One turn each: the second of "one" is in the round after that of "two", and no later.
    assert claim(slots, C, busy=[A], namespace="two") == 0
    assert claim(slots, "d" * 32, busy=[A], namespace="two", since=1.0) == 2
