"""Queue and priority class by ``spec.tenants``: never by who asked first, and named only where allowed."""

from itertools import permutations

import pytest

from ignition_hub.compatibility.tenants import (
    Scheduling,
    Tenant,
    entries_without_effect,
    naming_refusal,
    scheduling_for_all,
    tenant_of,
)


def entry(*namespaces: str, queue: str | None = None, priority: str | None = None, may: str = "") -> Tenant:
    return Tenant(frozenset(namespaces), queue, priority, may_name=frozenset(may.split()))


VISION = entry("vision", "lidar", queue="gpu-high", priority="high")
AUDIO = entry("audio", queue="gpu-low", may="queueName")
REST = entry("*", queue="rest", priority="low")
POOL = (VISION, AUDIO, REST)


@pytest.mark.parametrize(
    ("namespaces", "queue", "priority"),
    [
        (["vision"], "gpu-high", "high"),
        (["audio"], "gpu-low", None),
        (["anything"], "rest", "low"),
        (["audio", "anything"], "gpu-low", None),
        (["audio", "anything", "vision"], "gpu-high", "high"),
    ],
)
def test_the_first_entry_that_lists_any_who_waits_decides_in_whatever_order_they_ask(
    namespaces: list[str], queue: str, priority: str | None
) -> None:
    answers = {
        scheduling_for_all(POOL, [Scheduling(name) for name in order]) for order in permutations(namespaces)
    }

    (answer,) = answers
    assert (answer.queue_name, answer.priority_class_name) == (queue, priority)
    assert tenant_of(POOL, answer.namespace) == min(
        (tenant_of(POOL, name) for name in namespaces), key=POOL.index
    )


def test_a_pool_without_entries_gives_no_queue_and_no_priority_class() -> None:
    asked = [Scheduling("vision"), Scheduling("audio")]

    assert scheduling_for_all((), asked) == Scheduling("audio", None, None)
    assert scheduling_for_all((VISION,), [Scheduling("audio")]) == Scheduling("audio", None, None)


def test_a_name_that_is_allowed_goes_before_the_queue_of_the_entry() -> None:
    assert naming_refusal("rtx", POOL, Scheduling("audio", "night")) is None
    assert scheduling_for_all(POOL, [Scheduling("audio", "night")]).queue_name == "night"
    assert scheduling_for_all(POOL, [Scheduling("audio")]).queue_name == "gpu-low"


def test_of_several_names_for_one_build_the_same_is_taken_in_whatever_order_they_are_asked_for() -> None:
    asked = [Scheduling("audio", "night"), Scheduling("audio"), Scheduling("audio", "day")]

    assert {scheduling_for_all(POOL, order).queue_name for order in permutations(asked)} == {"day"}


@pytest.mark.parametrize(
    "asked",
    [
        Scheduling("vision", "night"),  # its own entry does not allow it
        Scheduling("vision", None, "gold"),
        Scheduling("audio", None, "gold"),  # it may name a queue, and no class
        Scheduling("anything", "gpu-high"),
    ],
)
def test_a_name_that_is_not_allowed_is_refused_and_never_reaches_a_job(asked: Scheduling) -> None:
    assert naming_refusal("rtx", POOL, asked)

    given = scheduling_for_all(POOL, [asked])
    assert given == scheduling_for_all(POOL, [Scheduling(asked.namespace)])


def test_a_name_counts_only_by_the_entry_that_decides_on_the_build() -> None:
    shared = scheduling_for_all(POOL, [Scheduling("audio", "night"), Scheduling("vision")])

    assert shared == Scheduling("vision", "gpu-high", "high")


def test_a_refusal_names_the_field_the_value_why_and_what_would_work() -> None:
    assert naming_refusal("rtx", POOL, Scheduling("vision", "night")) == (
        "spec.build.queueName is night, but spec.tenants[0] of BuildPool rtx does not let namespace vision "
        "name it: remove it, which gives the build queueName gpu-high, or have the platform team add "
        "queueName to mayName of that entry"
    )
    assert naming_refusal("rtx", (), Scheduling("vision", None, "gold")) == (
        "spec.build.priorityClassName is gold, but spec.tenants of BuildPool rtx needs an entry for "
        "namespace vision to allow it: remove it, which gives the build no priorityClassName, or have the "
        "platform team add priorityClassName to mayName of that entry"
    )


def test_naming_what_the_pool_gives_anyway_is_allowed() -> None:
    assert naming_refusal("rtx", POOL, Scheduling("vision", "gpu-high", "high")) is None
    assert naming_refusal("rtx", POOL, Scheduling("anything", "rest")) is None


def test_a_namespace_that_two_entries_list_has_the_first() -> None:
    tenants = (VISION, entry("vision", "audio", queue="other"), REST)

    assert tenant_of(tenants, "vision") is VISION
    assert list(entries_without_effect(tenants)) == [
        "spec.tenants[1].namespaces: vision has no effect, because spec.tenants[0] lists it too and comes "
        "first"
    ]
    assert not list(entries_without_effect(POOL))
