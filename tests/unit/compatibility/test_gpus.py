"""Which GPU a node has, by the labels that real clusters put on it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignition_hub.compatibility.gpus import (
    GPUS,
    NodeGpu,
    UnknownArch,
    arch_of_capability,
    arch_of_product,
    gpu_of,
    is_on_arm64_alone,
    node_gpu,
)
from ignition_hub.engine.errors import Reason

A100 = {
    "nvidia.com/gpu.compute.major": "8",
    "nvidia.com/gpu.compute.minor": "0",
    "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB",
}


def labelled(product, **more):
    return {**A100, "nvidia.com/gpu.product": product, **{f"nvidia.com/{k}": v for k, v in more.items()}}


def test_every_architecture_is_named_by_its_compute_capability():
    for gpu in GPUS:
        major, minor = gpu.compute_capability
        assert gpu.arch == f"sm_{major}{minor}"
        assert gpu_of(gpu.arch) is gpu


def test_arm64_machines_alone_have_jetson_modules_and_gpus_with_an_arm_cpu():
    told = [(gpu, product) for gpu in GPUS for product in gpu.products]
    alone = {
        product
        for gpu, product in told
        if is_on_arm64_alone(NodeGpu(gpu.arch, product, None)) and not gpu.jetson
    }

    assert alone == {"NVIDIA-GH200-480GB", "NVIDIA-GB200", "NVIDIA-GB300", "NVIDIA-GB10"}
    assert all(is_on_arm64_alone(NodeGpu(gpu.arch, None, None)) is gpu.jetson for gpu in GPUS)
    assert is_on_arm64_alone(NodeGpu("sm_90", "NVIDIA-GH200-144G-HBM3e", None))
    assert not is_on_arm64_alone(NodeGpu("sm_90", "NVIDIA-GB2000", None))


def test_no_product_has_two_architectures():
    products = [product for gpu in GPUS for product in gpu.products]

    assert len(products) == len(set(products))
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,61}[A-Za-z0-9]", product) for product in products)


@pytest.mark.parametrize(
    ("product", "arch"),
    [
        ("Tesla-T4", "sm_75"),
        ("NVIDIA-A100-SXM4-40GB", "sm_80"),
        ("NVIDIA-A10", "sm_86"),
        ("NVIDIA-L4", "sm_89"),
        ("NVIDIA-H100-80GB-HBM3", "sm_90"),
        ("NVIDIA-H200", "sm_90"),
        ("NVIDIA-B200", "sm_100"),
        ("NVIDIA-GeForce-RTX-3090", "sm_86"),
        ("Jetson-Orin-NX-16GB", "sm_87"),
        ("NVIDIA-GB10", "sm_121"),
        ("NVIDIA A100-SXM4-40GB", "sm_80"),  # as a ResourceSlice spells it
        ("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "sm_80"),
        ("NVIDIA-L4-SHARED", "sm_89"),
        ("Riva-TNT2", None),
    ],
)
def test_a_product_has_an_architecture(product, arch):
    assert arch_of_product(product) == arch


@pytest.mark.parametrize(
    ("major", "minor", "arch"),
    [("8", "9", "sm_89"), ("10", "0", "sm_100"), ("12", "1", "sm_121"), ("", "0", None), ("8", "x", None)],
)
def test_labels_give_an_architecture(major, minor, arch):
    assert arch_of_capability(major, minor) == arch


@pytest.mark.parametrize("spelling", ["8.9", "sm89", "SM_89", "89", "compute_89"])
def test_another_spelling_is_refused_and_the_right_one_named(spelling):
    with pytest.raises(UnknownArch, match="did you mean sm_89") as refused:
        gpu_of(spelling)

    assert refused.value.reason is Reason.UnknownArch


def test_an_unknown_architecture_is_refused_with_those_that_exist():
    with pytest.raises(UnknownArch, match=r"'ada'.*sm_75.*sm_89"):
        gpu_of("ada")


@pytest.mark.parametrize(
    ("labels", "gpu"),
    [
        (A100, NodeGpu("sm_80", "NVIDIA-A100-SXM4-40GB", None)),
        (labelled("NVIDIA-A100-SXM4-40GB-SHARED"), NodeGpu("sm_80", "NVIDIA-A100-SXM4-40GB", None)),
        (
            labelled("NVIDIA-A100-SXM4-40GB", **{"gpu.sharing-strategy": "mps"}),
            NodeGpu("sm_80", "NVIDIA-A100-SXM4-40GB", None),
        ),
        (
            labelled("NVIDIA-A100-SXM4-40GB", **{"gpu.sharing-strategy": "none"}),
            NodeGpu("sm_80", "NVIDIA-A100-SXM4-40GB", None),
        ),
        (
            labelled("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"),
            NodeGpu("sm_80", "NVIDIA-A100-SXM4-40GB", "1g.5gb"),
        ),
        (
            labelled("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb-SHARED"),
            NodeGpu("sm_80", "NVIDIA-A100-SXM4-40GB", "1g.5gb"),
        ),
        (
            {"nvidia.com/gpu.compute.major": "8", "nvidia.com/gpu.compute.minor": "9"},
            NodeGpu("sm_89", None, None),
        ),
        ({"nvidia.com/gpu.product": "NVIDIA-L4"}, NodeGpu("sm_89", "NVIDIA-L4", None)),
        ({"ignitionhub.io/gpu-arch": "sm_86"}, NodeGpu("sm_86", None, None)),
        (
            {"ignitionhub.io/gpu-product": "Jetson-Orin-NX-16GB"},
            NodeGpu("sm_87", "Jetson-Orin-NX-16GB", None),
        ),
        (
            {**A100, "ignitionhub.io/gpu-arch": "8.6", "ignitionhub.io/gpu-product": "NVIDIA-A10"},
            NodeGpu("sm_86", "NVIDIA-A10", None),
        ),
        (
            {"nvidia.com/gpu.compute.major": "13", "nvidia.com/gpu.compute.minor": "0"},
            NodeGpu("sm_130", None, None),
        ),
        (
            {**A100, "kubernetes.io/arch": "amd64"},
            NodeGpu("sm_80", "NVIDIA-A100-SXM4-40GB", None, "linux-x86_64"),
        ),
        (
            {"ignitionhub.io/gpu-product": "Jetson-Orin-NX-8GB", "ignitionhub.io/jetpack": "6.2"},
            NodeGpu("sm_87", "Jetson-Orin-NX-8GB", None, "jetpack-6.2"),
        ),
        ({}, None),
        ({"kubernetes.io/arch": "amd64"}, None),
        ({"nvidia.com/gpu.product": "Riva-TNT2"}, None),
        (labelled("NVIDIA-A100-SXM4-40GB-MIG-INVALID"), None),
        (labelled("NVIDIA-A100-SXM4-40GB-MIG-INVALID-SHARED"), None),
    ],
)
def test_a_node_has_the_gpu_its_labels_tell(labels, gpu):
    assert node_gpu(labels) == gpu


@pytest.mark.parametrize(
    ("label", "arch"),
    [
        *((label, "sm_130") for label in ("sm_130", "sm130", "13.0", "130")),
        *((label, label) for label in ("13", "1.3", "8")),
        *((label, label) for label in ("SM_130", "1.30", "compute_130", "sm_", "9", "Rubin-130")),
    ],
)
def test_the_label_of_a_later_gpu_than_the_table_has_is_spelt_as_that_of_any_other(label, arch):
    assert node_gpu({"ignitionhub.io/gpu-arch": label}) == NodeGpu(arch, None, None)


def test_a_slice_of_a_gpu_is_a_product_of_its_own():
    gpu = node_gpu(labelled("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"))

    assert gpu is not None
    assert gpu.exact_product == "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"


@given(
    st.dictionaries(
        st.sampled_from([*A100, "ignitionhub.io/gpu-arch", "ignitionhub.io/gpu-product"]), st.text()
    )
)
def test_no_label_makes_reading_a_node_fail(labels):
    gpu = node_gpu(labels)

    assert gpu is None or gpu.arch
