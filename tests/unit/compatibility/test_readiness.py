"""What pods are told of a TensorRTEngine: its ready targets, its failure, and whether more is to come."""

import pytest

from ignition_hub.compatibility.readiness import GRACE, EngineView, ReadyTarget, view_of

READY = {
    "name": "a",
    "state": "Ready",
    "gpuArch": "sm_89",
    "tensorrt": {"flavor": "TensorRTRTX", "version": "1.7.1.116"},
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
NEW_YEAR = 1767225600.0
STALLED = {"type": "Stalled", "status": "True", "reason": "TargetsFailed", "message": "no pool for sm_90"}


def resource(*, targets=(), conditions=(), generation=2, observed=2):
    status = {"observedGeneration": observed, "targets": list(targets), "conditions": list(conditions)}
    return {"metadata": {"name": "resnet", "generation": generation}, "status": status}


def other(state, **more):
    return {"name": "b", "state": state, "gpuArch": "sm_86", **more}


def test_a_view_has_the_ready_targets_alone():
    view = view_of(resource(targets=[READY, other("Building")], conditions=[STALLED]))

    target = ReadyTarget("sm_89", None, "SameComputeCapability", "TensorRTRTX", NEW_YEAR, name="a")
    assert view == EngineView("resnet", (target,))


def test_a_view_carries_the_failure_of_a_stalled_engine():
    assert view_of(resource(conditions=[STALLED])).failure == "no pool for sm_90"
    assert view_of(resource(conditions=[{**STALLED, "status": "False"}])).failure is None


def test_a_failure_of_an_earlier_spec_is_no_failure():
    assert view_of(resource(conditions=[STALLED], observed=1)).failure is None


def test_a_fresh_resource_has_no_status_no_failure_and_is_not_settled():
    assert view_of({"metadata": {"name": "resnet", "generation": 1}}) == EngineView("resnet")
    assert not view_of({"metadata": {"name": "resnet", "generation": 1}}).is_settled


@pytest.mark.parametrize("state", ["Ready", "Failed", "Unbuildable"])
def test_an_engine_has_settled_when_each_target_has_ended(state):
    assert view_of(resource(targets=[READY, other(state)])).is_settled


@pytest.mark.parametrize("state", ["Pending", "Queued", "Building", "Verifying", "SomethingNewer"])
def test_an_engine_has_not_settled_while_a_target_is_on_its_way(state):
    assert not view_of(resource(targets=[READY, other(state)])).is_settled


def test_a_suspended_target_is_not_waited_for():
    assert view_of(resource(targets=[READY, other("Pending", reason="Suspended")])).is_settled
    assert not view_of(resource(targets=[READY, other("Pending", reason="StoreUnavailable")])).is_settled


def test_a_changed_spec_has_yet_to_settle():
    assert not view_of(resource(targets=[READY], observed=1)).is_settled


def test_pods_need_not_wait_beyond_the_grace_after_the_first_ready_target():
    later = {**READY, "name": "c", "lastTransitionTime": "2026-01-01T00:05:00Z"}

    assert view_of(resource(targets=[later, READY, other("Queued")])).settles_by == NEW_YEAR + GRACE
    assert view_of(resource(targets=[later, READY])).settles_by == 0.0


def test_a_ready_target_that_does_not_say_since_when_was_ready_long_ago():
    target = {name: value for name, value in READY.items() if name != "lastTransitionTime"}

    assert view_of(resource(targets=[target, other("Building")])).settles_by == GRACE


def test_an_engine_for_windows_serves_no_pod_and_says_so():
    body = resource(targets=[READY]) | {"spec": {"options": {"runtimePlatform": "WindowsAMD64"}}}
    view = view_of(body)

    assert view.ready == ()
    assert "for Windows" in view.failure


def test_an_engine_is_as_large_as_the_largest_of_its_ready_targets():
    ready = [{**READY, "sizeBytes": size} for size in (2_000, 3_000)]

    assert view_of(resource(targets=[*ready, other("Building")])).size == 3_000


def test_the_size_of_an_engine_is_not_known_before_each_ready_target_tells_it():
    assert view_of(resource(targets=[other("Building")])).size is None
    assert view_of(resource(targets=[READY, {**READY, "sizeBytes": 1}])).size is None
