"""The GPU table against the driver of a real GPU: what GPU Feature Discovery would label, we understand."""

import subprocess

import pytest

from ignition_hub.compatibility.gpus import GPUS, arch_of_product, node_gpu
from ignition_hub.compatibility.loading import EngineFacts, loads

pytestmark = pytest.mark.gpu


@pytest.fixture
def labels() -> dict[str, str]:
    """The labels GPU Feature Discovery gives a node with this machine's first GPU."""
    query = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader"]
    answer = subprocess.run(query, check=True, capture_output=True, text=True, timeout=30).stdout
    name, capability = (part.strip() for part in answer.splitlines()[0].split(","))
    major, minor = capability.split(".")
    return {
        "nvidia.com/gpu.product": name.replace(" ", "-"),
        "nvidia.com/gpu.compute.major": major,
        "nvidia.com/gpu.compute.minor": minor,
    }


def test_the_architecture_read_from_labels_is_the_drivers(labels: dict[str, str]) -> None:
    gpu = node_gpu(labels)

    assert gpu is not None
    assert gpu.arch == f"sm_{labels['nvidia.com/gpu.compute.major']}{labels['nvidia.com/gpu.compute.minor']}"
    assert arch_of_product(labels["nvidia.com/gpu.product"]) in (gpu.arch, None)


def engine_for(arch: str) -> EngineFacts:
    return EngineFacts(flavor="TensorRT", arch=arch, compatibility="SameComputeCapability")


def test_an_engine_for_another_architecture_is_refused_on_this_gpu(labels: dict[str, str]) -> None:
    gpu = node_gpu(labels)
    assert gpu is not None
    others = [other.arch for other in GPUS if other.arch != gpu.arch]
    fits = {arch: loads(engine_for(arch), gpu).level for arch in others}

    assert set(fits.values()) == {"No"}
    assert loads(engine_for(gpu.arch), gpu).level == "SameCapability"
