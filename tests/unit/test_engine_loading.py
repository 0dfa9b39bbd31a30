"""The truth table: which engine loads on which node's GPU."""

from dataclasses import replace

import pytest

from ignition_hub.engine.compatibility import loads
from ignition_hub.engine.gpu import NodeGpu

NODE_L4 = NodeGpu("sm_89", "NVIDIA-L4", shared=False, mig=None)
NODE_ORIN = NodeGpu("sm_87", "Jetson-Orin-NX-16GB", shared=False, mig=None)
NODE_H100 = NodeGpu("sm_90", "NVIDIA-H100-80GB-HBM3", shared=False, mig=None)
NODE_T4 = NodeGpu("sm_75", "Tesla-T4", shared=False, mig=None)
NODE_SLICE = NodeGpu("sm_80", "NVIDIA-A100-SXM4-40GB", shared=False, mig="1g.5gb")
NODE_LATER = NodeGpu("sm_130", None, shared=False, mig=None)


@pytest.mark.parametrize(
    ("engine", "node", "level", "word"),
    [
        (("sm_89", "NVIDIA-L4", "Product", "TensorRT"), NODE_L4, "Exact", "NVIDIA-L4"),
        (("sm_89", "NVIDIA-L40", "Product", "TensorRT"), NODE_L4, "No", "for NVIDIA-L40 alone"),
        (("sm_89", None, "SameComputeCapability", "TensorRT"), NODE_L4, "SameCapability", "every sm_89"),
        (("sm_86", None, "SameComputeCapability", "TensorRT"), NODE_L4, "No", "for sm_86"),
        (("sm_80", None, "AmperePlus", "TensorRT"), NODE_L4, "AmperePlus", "forward compatibility"),
        (("sm_90", None, "AmperePlus", "TensorRT"), NODE_L4, "AmperePlus", "built on sm_90"),
        (("sm_80", None, "AmperePlus", "TensorRT"), NODE_LATER, "AmperePlus", "forward compatibility"),
        (("sm_80", None, "AmperePlus", "TensorRT"), NODE_T4, "No", "starts at compute capability 8.0"),
        (("sm_80", None, "AmperePlus", "TensorRT"), NODE_ORIN, "No", "Jetson"),
        (("sm_87", "Jetson-Orin-NX-16GB", "Product", "TensorRT"), NODE_ORIN, "Exact", ""),
        (("sm_87", "Jetson-Orin-NX-8GB", "Product", "TensorRT"), NODE_ORIN, "No", "alone"),
        (("sm_87", None, "SameComputeCapability", "TensorRT"), NODE_ORIN, "No", "exact module"),
        (("sm_89", None, "SameComputeCapability", "TensorRTRTX"), NODE_L4, "SameCapability", ""),
        (("sm_89", None, "AmperePlus", "TensorRTRTX"), NODE_H100, "No", "for sm_89"),
        (("sm_80", "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "Product", "TensorRT"), NODE_SLICE, "Exact", ""),
        (("sm_80", "NVIDIA-A100-SXM4-40GB", "Product", "TensorRT"), NODE_SLICE, "No", "MIG-1g.5gb"),
        (("sm_80", None, "SameComputeCapability", "TensorRT"), NODE_SLICE, "SameCapability", "fewer"),
    ],
)
def test_an_engine_is_given_only_to_gpus_it_can_be_vouched_for(engine, node, level, word):
    loading = loads(*engine, node)

    assert loading.level == level
    assert word in loading.message


@pytest.mark.parametrize(
    ("platform", "node", "level"),
    [
        ("linux-x86_64", "linux-x86_64", "SameCapability"),
        ("linux-x86_64", "linux-aarch64", "No"),
        ("linux-x86_64", None, "SameCapability"),
        (None, "linux-aarch64", "SameCapability"),
    ],
)
def test_an_engine_never_crosses_processor_architectures(platform, node, level):
    gpu = replace(NODE_L4, platform=node)

    assert loads("sm_89", None, "SameComputeCapability", "TensorRT", gpu, platform=platform).level == level
