"""Where an engine loads, in words."""

import pytest

from ignition_hub.compatibility.description import where_it_loads
from ignition_hub.compatibility.gpus import GPUS
from ignition_hub.compatibility.loading import EngineFacts


def engine(arch="sm_89", level="SameComputeCapability", product=None, flavor="TensorRT", **more):
    return EngineFacts(flavor=flavor, arch=arch, compatibility=level, product=product, **more)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (engine(level="Product", product="NVIDIA-L4"), "on NVIDIA-L4 alone, with"),
        (engine(platform="linux-x86_64"), "on every sm_89 GPU, linux-x86_64, with"),
        (
            engine(level="AmperePlus"),
            "on every GPU of compute capability 8.0 or newer except Jetson (sm_80, sm_86,",
        ),
        (
            engine("sm_87", "Product", "Jetson-Orin-NX-16GB", power_mode="MAXN"),
            "on Jetson-Orin-NX-16GB alone in power mode MAXN",
        ),
        (
            EngineFacts(flavor="TensorRTRTX", version="1.7.1.116", archs=("sm_75", "sm_89")),
            "on every sm_75 and sm_89 GPU, with exactly TensorRT-RTX 1.7.1.116",
        ),
        (
            EngineFacts(flavor="TensorRT", version="10.13.2.6"),
            "on unknown GPUs (the plan does not record them), with exactly TensorRT 10.13.2.6",
        ),
        (engine("sm_87"), "on no known GPU"),
    ],
)
def test_a_reach_is_one_sentence(facts, words):
    assert words in str(where_it_loads(facts))


def test_ampere_plus_reaches_every_gpu_from_8_0_on_but_jetson():
    servers = {gpu.arch for gpu in GPUS if gpu.compute_capability >= (8, 0) and not gpu.jetson}

    assert set(where_it_loads(engine("sm_90", "AmperePlus")).archs) == servers


def test_what_the_process_must_do_is_part_of_it():
    reach = where_it_loads(engine(version="10.13.2.6", version_compatible=True))

    assert reach.to_json()["duties"] == list(reach.duties)
    assert "engine_host_code_allowed" in str(reach)
