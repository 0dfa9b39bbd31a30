"""The truth table: which engine loads on which GPU, with which runtime, and what each refusal says."""

from dataclasses import replace

import pytest

from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.compatibility.loading import EngineFacts, Runtime, loads
from ignition_hub.engine.errors import Reason

NODE_L4 = NodeGpu("sm_89", "NVIDIA-L4", mig=None)
NODE_ORIN = NodeGpu("sm_87", "Jetson-Orin-NX-16GB", mig=None)
NODE_H100 = NodeGpu("sm_90", "NVIDIA-H100-80GB-HBM3", mig=None)
NODE_T4 = NodeGpu("sm_75", "Tesla-T4", mig=None)
NODE_A100 = NodeGpu("sm_80", "NVIDIA-A100-SXM4-40GB", mig=None)
NODE_SLICE = replace(NODE_A100, mig="1g.5gb")
NODE_LATER = NodeGpu("sm_130", None, mig=None)


def engine(arch="sm_89", product=None, level=None, flavor="TensorRT", **more):
    level = level or ("Product" if product else "SameComputeCapability")
    return EngineFacts(flavor=flavor, arch=arch, product=product, compatibility=level, **more)


AMPERE_PLUS = engine("sm_80", level="AmperePlus")
ON_L4 = engine(product="NVIDIA-L4")
ON_ORIN = engine("sm_87", "Jetson-Orin-NX-16GB", platform="jetpack-6.2", power_mode="MAXN")


@pytest.mark.parametrize(
    ("built", "node", "level", "word"),
    [
        (ON_L4, NODE_L4, "Exact", "NVIDIA-L4"),
        (engine(product="NVIDIA-L40"), NODE_L4, "Warned", "for NVIDIA-L40 alone"),
        (engine(), NODE_L4, "SameCapability", "every sm_89"),
        (engine("sm_86"), NODE_L4, "No", "for sm_86"),
        (AMPERE_PLUS, NODE_L4, "AmperePlus", "forward compatibility"),
        (engine("sm_90", level="AmperePlus"), NODE_L4, "AmperePlus", "built on sm_90"),
        (AMPERE_PLUS, NODE_LATER, "AmperePlus", "forward compatibility"),
        (AMPERE_PLUS, NODE_T4, "No", "starts at compute capability 8.0"),
        (AMPERE_PLUS, NODE_ORIN, "No", "Jetson"),
        (engine("sm_87", level="AmperePlus"), NODE_A100, "No", "Jetson"),
        (engine("sm_87", "Jetson-Orin-NX-16GB"), NODE_ORIN, "Exact", ""),
        (engine("sm_87", "Jetson-Orin-NX-8GB"), NODE_ORIN, "No", "alone"),
        (engine("sm_87"), NODE_ORIN, "No", "exact module"),
        (engine(flavor="TensorRTRTX"), NODE_L4, "SameCapability", ""),
        (engine(flavor="TensorRTRTX", level="AmperePlus"), NODE_H100, "No", "for sm_89"),
        (engine(flavor="TensorRTRTX", archs=("sm_80", "sm_89")), NODE_A100, "SameCapability", ""),
        (engine(flavor="TensorRTRTX", archs=("sm_86",)), NODE_L4, "No", "for sm_86"),
        (engine("sm_80", "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"), NODE_SLICE, "Exact", ""),
        (engine("sm_80", "NVIDIA-A100-SXM4-40GB"), NODE_SLICE, "No", "deadlocking is likely"),
        (
            engine("sm_80", "NVIDIA-A100-SXM4-40GB", flavor="TensorRTRTX"),
            NODE_SLICE,
            "Warned",
            "its code is compatible",
        ),
        (engine("sm_80", "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"), NODE_A100, "Warned", "alone"),
        (engine("sm_80"), NODE_SLICE, "SameCapability", "fewer"),
        (EngineFacts(flavor="TensorRT"), NODE_L4, "Warned", "does not say which GPU"),
        (EngineFacts(flavor="TensorRTRTX", archs=("sm_89",)), NODE_L4, "SameCapability", ""),
    ],
)
def test_an_engine_is_given_only_to_gpus_it_can_be_vouched_for(built, node, level, word):
    loading = loads(built, node)

    assert loading.level == level
    assert word in loading.message
    assert loading.is_vouched_for is (loading.reason is None)
    assert bool(loading.remedy) is not loading.is_vouched_for


@pytest.mark.parametrize(
    ("built", "node"),
    [
        (engine("sm_80", "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"), NODE_SLICE),
        (AMPERE_PLUS, NODE_A100),
        (engine("sm_90", level="AmperePlus"), NODE_L4),
    ],
)
def test_an_engine_where_it_belongs_has_no_caveat(built, node):
    assert loads(built, node).caveats == ()


@pytest.mark.parametrize(
    ("platform", "node", "level"),
    [
        ("linux-x86_64", "linux-x86_64", "SameCapability"),
        ("linux-x86_64", "linux-aarch64", "No"),
        ("linux-x86_64", None, "SameCapability"),
        (None, "linux-aarch64", "SameCapability"),
        ("windows-x86_64", "linux-x86_64", "No"),
        ("windows-x86_64", None, "No"),
        ("windows-x86_64", "windows-x86_64", "SameCapability"),
    ],
)
def test_an_engine_never_crosses_platforms(platform, node, level):
    loading = loads(engine(platform=platform), replace(NODE_L4, platform=node))

    assert loading.level == level
    if level == "No":
        assert loading.reason is Reason.WrongPlatform
        assert loading.remedy


@pytest.mark.parametrize(
    ("here", "level", "words"),
    [
        ({"platform": "jetpack-6.2", "power_mode": "MAXN"}, "Exact", ""),
        ({"platform": "jetpack-6.2"}, "Exact", ""),
        ({"platform": "jetpack-6.1"}, "No", "jetpack-6.1"),
        ({"platform": "linux-aarch64"}, "No", "ignitionhub.io/jetpack=6.2"),
        ({"platform": "jetpack-6.2", "power_mode": "15W"}, "Warned", "power mode MAXN"),
    ],
)
def test_a_jetson_wants_its_module_its_jetpack_and_its_power_mode(here, level, words):
    loading = loads(ON_ORIN, replace(NODE_ORIN, **here))

    assert loading.level == level
    assert words in f"{loading.message}: {loading.remedy}"


@pytest.mark.parametrize(
    ("built", "here", "level", "word"),
    [
        (replace(ON_L4, multiprocessors=58), {"multiprocessors": 58}, "Exact", ""),
        (replace(ON_L4, multiprocessors=58), {"multiprocessors": 29}, "Warned", "58 multiprocessors"),
        (replace(ON_L4, multiprocessors=29), {"multiprocessors": 58}, "Exact", ""),
        (replace(ON_L4, memory_bytes=24 << 30), {"memory_bytes": 12 << 30}, "Exact", "it may not fit"),
        (engine(multiprocessors=142), {"multiprocessors": 58}, "SameCapability", "every sm_89"),
    ],
)
def test_less_of_the_same_gpu_is_said(built, here, level, word):
    loading = loads(built, replace(NODE_L4, **here))

    assert loading.level == level
    assert word in loading.message


def test_what_is_said_besides_does_not_change_the_level():
    loading = loads(engine(memory_bytes=24 << 30), replace(NODE_L4, memory_bytes=8 << 30))

    assert loading.is_vouched_for
    assert loading.caveats == (
        "the builder had 24576 MiB of GPU memory and this GPU has 8192: it may not fit",
    )


def test_another_runtime_refuses_before_the_gpu_is_looked_at():
    loading = loads(replace(ON_L4, version="10.13.2.6"), NODE_T4, Runtime("TensorRT", "10.13.3.9"))

    assert (loading.level, loading.reason) == ("No", Reason.WrongTensorRT)


def test_a_version_compatible_engine_says_what_the_process_must_do():
    compatible = replace(ON_L4, version="10.13.2.6", version_compatible=True)
    lean = replace(compatible, excludes_lean_runtime=True)

    assert "engine_host_code_allowed" in loads(compatible, NODE_L4).duties[0]
    assert "libnvinfer_lean.so.10" in loads(lean, NODE_L4).duties[0]
    assert loads(ON_L4, NODE_L4).duties == ()


@pytest.mark.parametrize(
    ("built", "node", "remedy"),
    [
        (engine("sm_86"), NODE_H100, "build for a target {gpuArch: sm_90}"),
        (
            engine(flavor="TensorRTRTX"),
            NODE_H100,
            "build for a target {gpuArch: sm_90} with tensorrt.flavor: TensorRT",
        ),
        (
            engine("sm_75"),
            NodeGpu("sm_70", "NVIDIA-TITAN-V", mig=None),
            "build for a target {gpuArch: sm_70, product: NVIDIA-TITAN-V, compatibility: Product}",
        ),
    ],
)
def test_the_remedy_names_the_target_that_can_be_built(built, node, remedy):
    assert loads(built, node).remedy == remedy
