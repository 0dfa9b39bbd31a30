"""Which target's engine a GPU gets, and the words when it gets none."""

import pytest

from ignition_hub.compatibility.engine_choice import EngineNotReady, NoEngineForGPU, ready_for
from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.compatibility.loading import described

L4 = NodeGpu("sm_89", "NVIDIA-L4", mig=None)
L40S = NodeGpu("sm_89", "NVIDIA-L40S", mig=None)
T4 = NodeGpu("sm_75", "Tesla-T4", mig=None)


def make_target(name, **changes):
    return {
        "name": name,
        "state": "Ready",
        "gpuArch": "sm_89",
        "compatibility": "SameComputeCapability",
        "tensorrt": {"flavor": "TensorRT", "version": "10.13.2.6"},
        "identity": "0" * 64,
        "uri": f"s3://engines/{name}",
        **changes,
    }


EXACT = make_target("l4", product="NVIDIA-L4", compatibility="Product")
SAME = make_target("sm-89")
AMPERE = make_target("ampere", gpuArch="sm_80", compatibility="AmperePlus")


def make_engine(*targets):
    return {"metadata": {"name": "arcface"}, "status": {"targets": list(targets)}}


def names(engine, gpu):
    return [candidate.name for candidate in ready_for(engine, gpu)]


def test_the_exact_product_comes_first_then_the_capability_then_ampere_plus():
    assert names(make_engine(AMPERE, SAME, EXACT), L4) == ["l4", "sm-89", "ampere"]


def test_an_engine_of_another_product_is_not_handed_out():
    assert names(make_engine(EXACT, SAME), L40S) == ["sm-89"]


def test_what_is_not_published_is_passed_over():
    building = {**EXACT, "state": "Building", "uri": None}

    assert names(make_engine(building, SAME), L4) == ["sm-89"]


def test_while_a_fitting_target_is_on_its_way_the_pod_waits():
    with pytest.raises(EngineNotReady, match="sm-89 is Queued"):
        ready_for(make_engine({**SAME, "state": "Queued"}), L4)


def test_a_resource_nobody_looked_at_yet_makes_the_pod_wait():
    with pytest.raises(EngineNotReady, match="no target has a status"):
        ready_for({"metadata": {"name": "arcface"}}, L4)


def test_without_a_fitting_target_the_message_lists_what_there_is_and_what_would_work():
    with pytest.raises(NoEngineForGPU) as refused:
        ready_for(make_engine(EXACT, AMPERE), T4)

    assert "no engine for Tesla-T4 (sm_75)" in refused.value.message
    assert "NVIDIA-L4 (Ready), sm_80 (Ready)" in refused.value.message
    assert "add a target {gpuArch: sm_75}" in refused.value.remedy


def test_a_target_that_is_still_building_for_another_gpu_does_not_make_this_pod_wait():
    with pytest.raises(NoEngineForGPU, match="Building"):
        ready_for(make_engine({**SAME, "state": "Building"}), T4)


def test_a_failed_target_is_quoted():
    failed = {**SAME, "state": "Unbuildable", "message": "no pool has sm_89"}

    with pytest.raises(NoEngineForGPU, match="sm-89 is Unbuildable \\(no pool has sm_89\\)"):
        ready_for(make_engine(failed), L4)


def test_a_gpu_without_a_product_is_described_by_its_architecture():
    assert described(NodeGpu("sm_89", None, mig=None)) == "sm_89"


def test_an_engine_for_windows_is_given_to_no_pod():
    windows = make_engine(SAME) | {"spec": {"options": {"runtimePlatform": "WindowsAMD64"}}}

    with pytest.raises(NoEngineForGPU, match="sm_89 on Windows") as refused:
        ready_for(windows, L4)

    assert "leave options.runtimePlatform out" in refused.value.remedy


@pytest.mark.parametrize("state", ["Ready", "Building", "Failed"])
def test_a_target_of_another_platform_serves_no_pod_and_the_message_names_both(state):
    arm = NodeGpu("sm_90", "NVIDIA-GH200-480GB", mig=None, platform="linux-aarch64")
    x86 = make_target("sm-90", gpuArch="sm_90", state=state, platform="linux-x86_64")
    own = make_target("auto-sm-90", gpuArch="sm_90", platform="linux-aarch64")

    assert names(make_engine(x86, own), arm) == ["auto-sm-90"]
    with pytest.raises(NoEngineForGPU) as refused:
        ready_for(make_engine(x86), arm)
    assert "the engine is for linux-x86_64, and the node is linux-aarch64" in str(refused.value)
    assert refused.value.remedy == "build it on a BuildPool of linux-aarch64 nodes"


def test_a_target_whose_platform_the_status_does_not_name_is_left_to_its_manifest():
    arm = NodeGpu("sm_89", "NVIDIA-L4", mig=None, platform="linux-aarch64")

    assert names(make_engine(SAME), arm) == ["sm-89"]
    assert names(make_engine({**SAME, "platform": "linux-x86_64"}), L4) == ["sm-89"]
