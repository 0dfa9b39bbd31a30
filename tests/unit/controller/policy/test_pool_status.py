"""What the status of a BuildPool says of its runtimes and of its builds."""

from collections import Counter
from typing import Any

import pytest

from fakeworld import IMAGE, make_pool
from ignition_hub.api.convert import tenants_of
from ignition_hub.api.v1alpha1 import BuildPool
from ignition_hub.compatibility.tenants import entries_without_effect
from ignition_hub.controller.policy.job_status import state_of
from ignition_hub.controller.policy.pool_status import Builds, PoolReason, builds_of, pool_status
from ignition_hub.controller.policy.status import difference

THEN, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
NONE = Builds(0, 0)


def pool(**spec: Any) -> dict[str, Any]:
    body = make_pool(**spec)
    body["spec"] = {name: value for name, value in body["spec"].items() if value is not None}
    body["metadata"]["generation"] = 3
    return body


def gpu_pool(arch: str, *versions: str, product: str | None = None, **spec: Any) -> dict[str, Any]:
    gpu = {"arch": arch, **({"product": product} if product else {})}
    runtimes = [{"flavor": "TensorRT", "version": version, "image": IMAGE} for version in versions]
    return pool(gpu=gpu, aheadOfTime=None, runtimes=runtimes, **spec)


def ready(body: dict[str, Any], builds: Builds = NONE) -> tuple[str, str, str]:
    condition, *_ = pool_status(body, builds, NOW)["conditions"]
    assert (condition["type"], condition["observedGeneration"]) == ("Ready", 3)
    return condition["status"], condition["reason"], condition["message"]


def types(status: dict[str, Any]) -> list[str]:
    return [condition["type"] for condition in status["conditions"]]


def job(*, active: bool = True, **metadata: Any) -> dict[str, Any]:
    ended = {"conditions": [{"type": "Complete", "status": "True"}]}
    return {"metadata": metadata, "spec": {}, "status": {} if active else ended}


@pytest.mark.parametrize(
    ("body", "builds"),
    [
        (pool(), "TensorRT-RTX 1.7.1.116 for sm_75, sm_80, sm_86, sm_89, sm_120"),
        (
            gpu_pool("sm_89", "10.13.2.6", "10.9.0.34", product="NVIDIA-L4"),
            "TensorRT 10.13.2.6 for sm_89; TensorRT 10.9.0.34 for sm_89",
        ),
        (gpu_pool("sm_89", "8.6.1.6"), "TensorRT 8.6.1.6 for sm_89"),  # AmperePlus needs no product
        (gpu_pool("sm_75", "8.6.1.6", product="Tesla-T4"), "TensorRT 8.6.1.6 for sm_75"),
        (
            gpu_pool(
                "sm_87",
                "10.3.0.30",
                product="Jetson-AGX-Orin-64GB",
                nodeSelector={"ignitionhub.io/jetpack": "6.2"},
            ),
            "TensorRT 10.3.0.30 for sm_87",
        ),
    ],
)
def test_a_pool_that_can_build_says_with_what_and_for_what(body: dict[str, Any], builds: str) -> None:
    assert ready(body) == ("True", PoolReason.CAN_BUILD, f"builds with {builds}")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            gpu_pool("sm_70", "10.13.2.6", product="Tesla-V100-SXM2-16GB"),
            ["TensorRT 10.13.2.6 for sm_70", "add a runtime of TensorRT older than 10.5"],
        ),
        (gpu_pool("sm_75", "8.6.1.6"), ["TensorRT 8.6.1.6 for sm_75", "set spec.gpu.product"]),
        (gpu_pool("sm_99", "10.13.2.6"), ["'sm_99' is not a known GPU architecture"]),
        (gpu_pool("sm_80", "10.13.2.6", product="NVIDIA-A100-SHARED"), ["without time slicing"]),
    ],
)
def test_a_pool_whose_runtimes_build_nothing_says_why_and_what_would_work(
    body: dict[str, Any], says: list[str]
) -> None:
    status, reason, message = ready(body)

    assert (status, reason) == ("False", PoolReason.RUNTIMES_UNSUPPORTED)
    assert message.startswith("spec.runtimes: ")
    assert all(part in message for part in says)


def test_a_pool_that_builds_nothing_is_stalled_until_its_spec_changes_as_nothing_else_helps() -> None:
    body = gpu_pool("sm_99", "10.13.2.6")
    before = pool_status(body, NONE, THEN)
    ready_condition, stalled = before["conditions"]

    assert (stalled["type"], stalled["status"], stalled["observedGeneration"]) == ("Stalled", "True", 3)
    assert (stalled["reason"], stalled["message"]) == (ready_condition["reason"], ready_condition["message"])
    assert difference(before, pool_status({**body, "status": before}, NONE, NOW)) == {}
    assert types(pool_status({**pool(), "status": before}, NONE, NOW)) == ["Ready"]


def test_a_paused_pool_is_not_stalled() -> None:
    assert types(pool_status(pool(builds=0), NONE, NOW)) == ["Ready"]


def test_a_runtime_that_builds_nothing_is_named_beside_those_that_build() -> None:
    status, _, message = ready(gpu_pool("sm_120", "10.13.2.6", "8.6.1.6", product="NVIDIA-RTX-5090"))

    assert status == "True"
    assert message.startswith(
        "builds with TensorRT 10.13.2.6 for sm_120; spec.runtimes: TensorRT 8.6.1.6 for"
    )


def test_an_entry_for_a_namespace_that_an_earlier_one_lists_is_named() -> None:
    tenants = [{"namespaces": ["vision"]}, {"namespaces": ["vision", "audio"], "queueName": "gold"}]
    status, reason, message = ready(pool(tenants=tenants))

    assert (status, reason) == ("True", PoolReason.CAN_BUILD)
    assert message.endswith(
        "; " + next(entries_without_effect(tenants_of(BuildPool.as_asked(pool(tenants=tenants)))))
    )
    assert "spec.tenants[1].namespaces: vision has no effect" in message


def test_a_paused_pool_is_as_it_was_asked_to_be_and_says_which_field_holds_its_builds_back() -> None:
    status, reason, message = ready(pool(builds=0))

    assert (status, reason) == ("True", PoolReason.STARTS_NO_BUILDS)
    assert message.startswith("spec.maxConcurrentBuilds is 0: ")


def test_the_message_of_the_largest_pool_fits_a_status() -> None:
    versions = [f"10.{minor}.0.1" for minor in range(16)]
    _, _, message = ready(gpu_pool("sm_53", *versions))

    assert len(message) <= 1024


def test_running_builds_have_a_place_and_queued_ones_wait_for_one() -> None:
    suspended = {**job(), "spec": {"suspend": True}}
    jobs = [job(), job(deletionTimestamp=THEN), suspended, job(active=False)]

    assert builds_of(Counter(map(state_of, jobs)), waiting=4) == Builds(running=2, queued=5)
    assert builds_of({}, waiting=0) == Builds(0, 0)


def test_what_is_not_known_to_wait_leaves_the_last_count() -> None:
    body = pool()
    assert "queuedBuilds" not in pool_status(body, builds_of({}, waiting=None), NOW)

    body["status"] = pool_status(body, Builds(1, 7), THEN)
    assert pool_status(body, builds_of({}, waiting=None), NOW)["queuedBuilds"] == 7


def test_the_same_facts_later_are_no_write() -> None:
    body = pool()
    body["status"] = pool_status(body, NONE, THEN)

    assert difference(body["status"], pool_status(body, NONE, NOW)) == {}
    assert difference(body["status"], pool_status(body, Builds(1, 0), NOW)) == {"runningBuilds": 1}


def test_a_transition_has_its_own_time_and_a_new_message_has_not() -> None:
    body = pool()
    body["status"] = pool_status(body, NONE, THEN)
    body["spec"]["aheadOfTime"] = {"archs": ["sm_89"]}
    assert pool_status(body, NONE, NOW)["conditions"][0]["lastTransitionTime"] == THEN

    body["spec"]["aheadOfTime"] = {"archs": ["sm_99"]}
    assert pool_status(body, NONE, NOW)["conditions"][0]["lastTransitionTime"] == NOW
