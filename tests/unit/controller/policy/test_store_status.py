"""What the status of an EngineStore says of its bucket, its Secret and its use."""

from dataclasses import replace
from typing import Any

import pytest

from ignition_hub.api.quotas import StorageUse
from ignition_hub.controller.policy.status import difference
from ignition_hub.controller.policy.store_status import FIELDS, Heard, Probe, opens_for_engines, store_status
from ignition_hub.engine.store_findings import BucketPlace, StoreFindings, StoreReason, WritesReason

THEN, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
ANSWERS = Probe(StoreReason.BUCKET_REACHABLE)
FAILURES = sorted(set(StoreReason) - {StoreReason.BUCKET_REACHABLE})


def store(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "main", "generation": 2},
        "spec": {"s3": {"endpoint": "https://s3.example.com", "bucket": "engines"}},
        "status": status,
    }


def ready(probe: Probe, default: str = "main") -> tuple[str, str, str]:
    condition, _ = store_status(store(), probe, default=default, now=NOW)["conditions"]
    assert (condition["type"], condition["observedGeneration"]) == ("Ready", 2)
    return condition["status"], condition["reason"], condition["message"]


def test_a_bucket_that_answers_is_named_with_the_use_that_is_made_of_it() -> None:
    answers = "bucket engines at https://s3.example.com answers"

    assert ready(ANSWERS) == ("True", StoreReason.BUCKET_REACHABLE, f"{answers}; it is the default")
    assert ready(ANSWERS, "other")[2] == f"{answers}; EngineStore other is used"


@pytest.mark.parametrize("reason", FAILURES)
def test_every_failure_names_the_field_that_would_mend_it(reason: StoreReason) -> None:
    assert ready(Probe(reason, "why: what would work")) == (
        "False",
        reason,
        f"{FIELDS[reason]}: why: what would work",
    )


def test_the_status_tells_which_store_is_used() -> None:
    assert store_status(store(), ANSWERS, default="main", now=NOW)["default"] is True
    assert store_status(store(), ANSWERS, default="other", now=NOW)["default"] is False
    assert store_status(store(), ANSWERS, default="", now=NOW)["default"] is False


def test_the_same_answer_later_is_no_write() -> None:
    before = store_status(store(), ANSWERS, default="main", now=THEN)

    assert difference(before, store_status(store(**before), ANSWERS, default="main", now=NOW)) == {}


def test_only_a_transition_moves_its_time() -> None:
    before = store_status(store(), Probe(StoreReason.CREDENTIALS_INVALID, "a"), default="main", now=THEN)
    later = store_status(store(**before), Probe(StoreReason.ACCESS_DENIED, "b"), default="main", now=NOW)
    mended = store_status(store(**before), ANSWERS, default="main", now=NOW)

    assert later["conditions"][0]["lastTransitionTime"] == THEN
    assert mended["conditions"][0]["lastTransitionTime"] == NOW


def test_engines_go_on_with_the_default_store_when_it_is_ready_and_with_no_other() -> None:
    mended = store_status(store(), ANSWERS, default="main", now=NOW)
    unused = store_status(store(), ANSWERS, default="other", now=NOW)
    failed = store_status(store(), Probe(StoreReason.ACCESS_DENIED, "b"), default="main", now=NOW)

    assert opens_for_engines(store(**mended))
    assert [opens_for_engines(one) for one in (store(**unused), store(**failed), store(), None)] == [
        False
    ] * 4


def test_what_namespaces_use_is_told_of_the_fullest_by_name() -> None:
    used = [StorageUse(f"n{number:03d}", number, 100) for number in range(99, 0, -1)]
    status = store_status(store(), ANSWERS, default="main", used=[StorageUse("z", 0, 0), *used], now=NOW)

    names = [entry["namespace"] for entry in status["storage"]]
    assert names == [f"n{number:03d}" for number in range(36, 100)]
    assert status["storage"][0] == {"namespace": "n036", "used": "36B", "quota": "100B"}
    [entry] = store_status(store(), ANSWERS, default="", used=[StorageUse("z", 0, 0)], now=NOW)["storage"]
    assert entry == {"namespace": "z", "used": "0", "quota": "0"}
    assert "storage" not in store_status(store(), ANSWERS, default="main", now=NOW)


PLACE = BucketPlace("https://s3.example.com", "us-east-1", "engines", "")
GOOD = StoreFindings(
    "g-0", PLACE, StoreReason.BUCKET_REACHABLE, "", True, ("If-None-Match", "If-Match"), (), ()
)
BAD = replace(GOOD, replica="g-1", conditional=False, holds=("If-Match",), broken=("If-None-Match: ignored",))
AWAY = replace(GOOD, conditional=None, reason=StoreReason.BUCKET_UNREACHABLE, message="no answer", holds=())


def writes(heard: Heard, default: str = "main", standing: Any = None) -> tuple[str, str, str]:
    found = store_status(store(**(standing or {})), ANSWERS, default=default, now=NOW, heard=heard)[
        "conditions"
    ][1]
    assert (found["type"], found["observedGeneration"]) == ("ConditionalWrites", 2)
    return found["status"], found["reason"], found["message"]


def test_a_server_that_keeps_to_conditions_is_told_with_what_holds() -> None:
    assert writes(Heard((GOOD,))) == (
        "True",
        WritesReason.HONOURED,
        "publications take no turns, for these hold: If-None-Match, If-Match",
    )


def test_of_what_two_gateways_found_the_worst_is_told_with_what_follows() -> None:
    assert writes(Heard((GOOD, BAD), is_settled=True)) == (
        "False",
        WritesReason.NOT_HONOURED,
        "publications take turns by the Lease ignition-hub-publish, and only the gateways write into the "
        "bucket: If-None-Match: ignored; these hold: If-Match",
    )


def test_what_is_not_known_is_unknown_and_says_why() -> None:
    unknown = "what the server does with conditional writes is not known: "
    away = Heard(reason=WritesReason.GATEWAY_UNREACHABLE, trouble="the gateway does not answer")

    assert writes(away) == (
        "Unknown",
        WritesReason.GATEWAY_UNREACHABLE,
        f"{unknown}the gateway does not answer",
    )
    assert writes(Heard((AWAY,))) == ("Unknown", WritesReason.NOT_PROBED, f"{unknown}no answer")
    assert writes(Heard((AWAY, GOOD)))[0] == "True"
    assert writes(Heard((GOOD,)), "other")[:2] == ("Unknown", WritesReason.NOT_IN_USE)


def test_what_one_gateway_found_stands_until_each_was_heard_and_for_another_spec_not_at_all() -> None:
    before = store_status(store(), ANSWERS, default="main", now=THEN, heard=Heard((BAD,)))
    edited = {**before, "conditions": [{**one, "observedGeneration": 1} for one in before["conditions"]]}

    assert writes(Heard((GOOD,)), standing=before)[0] == "False"
    assert writes(Heard((GOOD,), is_settled=True), standing=before)[0] == "True"
    assert writes(Heard((GOOD,)), standing=edited)[0] == "True"
    assert writes(Heard(), standing=before)[0] == "Unknown"


def test_a_store_that_a_gateway_cannot_use_is_not_ready_with_the_field_and_the_gateways_words() -> None:
    mistaken = replace(GOOD, reason=StoreReason.REGION_MISTAKEN, message="set spec.s3.region to garage")
    [found, _] = store_status(store(), ANSWERS, default="main", now=NOW, heard=Heard((GOOD, mistaken)))[
        "conditions"
    ]

    assert (found["status"], found["reason"]) == ("False", StoreReason.REGION_MISTAKEN)
    assert found["message"] == "spec.s3.region: a gateway found: set spec.s3.region to garage"


def test_what_nothing_follows_from_is_a_word_behind_what_is_ready() -> None:
    open_to_all = replace(GOOD, notes=("GetObject without a signature: answered",))
    heard = Heard((open_to_all, open_to_all))
    [found, _] = store_status(store(), ANSWERS, default="main", now=NOW, heard=heard)["conditions"]

    assert found["status"] == "True"
    assert found["message"].endswith("; it is the default; GetObject without a signature: answered")
