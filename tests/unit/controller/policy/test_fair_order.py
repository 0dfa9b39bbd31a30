"""The order of a pool's queue: turns of namespaces, truthful positions, and what a thousand builds cost."""

from collections.abc import Iterator
from random import Random

import pytest

from ignition_hub.controller.policy.fair_order import FairOrder


def entered(order: FairOrder, namespace: str, *names: str) -> FairOrder:
    """Return ``order`` in which builds wait, of which each was asked for a second after the one before."""
    for since, name in enumerate(names):
        order.enter(namespace, (float(since), name))
    return order


def served(order: FairOrder, waiting: dict[str, tuple[str, tuple[float, str]]]) -> Iterator[str]:
    """Serve what goes first until nothing waits; give each its name."""
    while len(order):
        (name,) = order.first(1)
        order.serve(*waiting[name])
        yield name


def test_a_thousand_builds_of_one_namespace_let_the_first_of_the_next_go_before_their_second() -> None:
    order = entered(FairOrder(), "big", *(f"b{number:04}" for number in range(1000)))
    order.enter("small", (9999.0, "s"))

    assert order.ahead("small", (9999.0, "s")) == 1
    assert order.first(3) == ["b0000", "s", "b0001"]


def test_namespaces_take_turns_and_within_one_the_oldest_is_first() -> None:
    order = FairOrder()
    asked = {"a2": 2.0, "a1": 1.0, "b1": 5.0, "a3": 3.0, "b2": 6.0, "c1": 9.0}
    waiting = {name: (name[0], (since, name)) for name, since in asked.items()}
    for namespace, turn in waiting.values():
        order.enter(namespace, turn)

    assert list(served(order, waiting)) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_namespace_that_comes_later_has_no_credit_for_the_rounds_it_missed() -> None:
    order = entered(FairOrder(), "first", *"abcdef")
    for since, name in enumerate("abc"):
        order.serve("first", (float(since), name))
    entered(order, "later", *"uvwxyz")

    assert order.first(6) == ["u", "d", "v", "e", "w", "f"]


def test_a_namespace_that_asks_one_at_a_time_does_not_go_before_all_others_each_time() -> None:
    order = entered(FairOrder(), "patient", *"xyz")
    order.enter("again", (10.0, "a"))
    order.serve("again", (10.0, "a"))
    order.enter("again", (11.0, "b"))

    assert order.first(2) == ["x", "b"]


def test_one_that_leaves_costs_its_namespace_no_turn() -> None:
    order = entered(FairOrder(), "a", *"uvw")
    entered(order, "b", *"xyz")
    order.leave("a", (0.0, "u"))

    assert order.first(5) == ["v", "x", "w", "y", "z"]


def weighing(**weights: int) -> FairOrder:
    order = FairOrder()
    for namespace, weight in weights.items():
        order.weigh(namespace, weight)
    return order


def test_a_namespace_of_weight_three_has_three_places_for_each_of_another_and_not_all_of_them_first() -> None:
    order = entered(weighing(big=3), "big", *(f"b{number}" for number in range(9)))
    entered(order, "small", *"xyz")

    assert order.first(12) == ["b0", "x", "b1", "b2", "b3", "y", "b4", "b5", "b6", "z", "b7", "b8"]
    assert order.ahead("other", (99.0, "o")) == 1


def test_a_namespace_that_comes_late_in_a_round_has_no_more_than_its_places_of_it() -> None:
    order = entered(weighing(big=2), "small", *"wxyz")
    order.enter("big", (0.0, "a"))
    order.serve("big", (0.0, "a"))
    entered(order, "big", *"bcdef")

    assert order.first(9) == ["w", "b", "c", "x", "d", "e", "y", "f", "z"]


def test_what_waits_is_given_other_places_when_the_weight_of_its_namespace_changes() -> None:
    order = entered(FairOrder(), "big", *(f"b{number}" for number in range(6)))
    entered(order, "small", *"xyz")
    order.serve("big", (0.0, "b0"))
    order.weigh("big", 2)
    assert order.first(9) == ["x", "b1", "y", "b2", "b3", "z", "b4", "b5"]

    order.weigh("big", 1)
    assert order.first(9) == ["x", "b1", "y", "b2", "z", "b3", "b4", "b5"]


@pytest.mark.parametrize("weights", [{"big": 100}, {"big": 100, "small": 7}])
def test_in_a_round_each_namespace_starts_as_many_builds_as_its_weight(weights: dict[str, int]) -> None:
    order = weighing(**weights)
    waiting = {f"{n}{i:04}": (n, (float(i), f"{n}{i:04}")) for n in ("big", "small") for i in range(1000)}
    for namespace, turn in waiting.values():
        order.enter(namespace, turn)

    small = weights.get("small", 1)
    begun = [name for name, _ in zip(served(order, waiting), range(5 * (100 + small)), strict=False)]
    assert sum(name.startswith("small") for name in begun) == 5 * small


@pytest.mark.parametrize("seed", range(20))
def test_every_position_that_is_told_is_the_number_of_builds_that_are_served_before(seed: int) -> None:
    random, order = Random(seed), FairOrder()  # a walk that can be repeated
    waiting: dict[str, tuple[str, tuple[float, str]]] = {}
    for number in range(200):
        order.weigh(random.choice("abcde"), random.choice([1, 1, 2, 3, 100]))
        if waiting and random.random() < 0.4:
            namespace, turn = waiting.pop(random.choice(list(waiting)))
            random.choice([order.leave, order.serve])(namespace, turn)
        else:
            namespace, turn = random.choice("abcde"), (float(random.randrange(50)), f"{number}")
            waiting[turn[1]] = namespace, turn
            order.enter(namespace, turn)
    told = {name: order.ahead(*place) for name, place in waiting.items()}

    assert len(order) == len(waiting)
    assert list(served(order, waiting)) == sorted(told, key=lambda name: told[name])
    assert sorted(told.values()) == list(range(len(told)))
