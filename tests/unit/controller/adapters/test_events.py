from ignition_hub.controller.adapters.events import NAMES, events_of_store
from ignition_hub.engine.state import SETTLED


def test_every_state_in_which_a_target_settles_has_an_event() -> None:
    assert NAMES.keys() == SETTLED


def store(**conditions: str) -> dict[str, object]:
    told = [
        {"type": kind, "status": status, "reason": "Why", "message": "words"}
        for kind, status in conditions.items()
    ]
    return {"metadata": {"name": "main", "uid": "u"}, "status": {"conditions": told}}


def told(before: dict[str, object], after: dict[str, object]) -> list[tuple[str, str]]:
    return [(event["type"], event["note"]) for event in events_of_store(before, after, instance="c-0")]


def test_a_store_has_an_event_when_a_condition_becomes_false_and_when_it_is_true_again() -> None:
    failed, mended = ("Warning", "Ready is False: words"), ("Normal", "Ready is True: words")

    assert told(store(), store(Ready="False")) == [failed]
    assert told(store(Ready="True"), store(Ready="False")) == [failed]
    assert told(store(Ready="False"), store(Ready="True")) == [mended]
    assert told(store(ConditionalWrites="Unknown"), store(ConditionalWrites="False")) == [
        ("Warning", "ConditionalWrites is False: words")
    ]


def test_what_stays_what_is_not_known_and_what_was_never_false_is_no_event() -> None:
    for before, after in (
        (store(Ready="False"), store(Ready="False")),
        (store(), store(Ready="True", ConditionalWrites="Unknown")),
        (store(ConditionalWrites="True"), store(ConditionalWrites="Unknown")),
        (store(ConditionalWrites="Unknown"), store(ConditionalWrites="True")),
    ):
        assert told(before, after) == []


def test_an_event_on_what_belongs_to_no_namespace_lies_where_kubernetes_takes_it() -> None:
    [event] = events_of_store(store(), store(Ready="False"), instance="c-0")

    assert event["metadata"]["namespace"] == "default"
    assert event["regarding"] == {
        "apiVersion": "ignitionhub.io/v1alpha1", "kind": "EngineStore", "name": "main", "uid": "u"
    }  # fmt: skip
