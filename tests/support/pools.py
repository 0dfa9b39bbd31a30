"""
Pools of every kind, and what a target may ask of them: the world of the tests of the truth table.
"""

from collections.abc import Mapping
from typing import Any

from ignition_hub.compatibility.support_matrix import RTX_ARCHS
from ignition_hub.compatibility.verdict import Ask, PoolFacts
from ignition_hub.engine.identity import Target

RTX = PoolFacts("rtx", "TensorRTRTX", ("1.7.1.116",), RTX_ARCHS, ahead_of_time=True)
L4 = PoolFacts("l4", "TensorRT", ("8.6.1.6", "10.13.2.6", "10.9.0.34"), ("sm_89",), "NVIDIA-L4")
ADA = PoolFacts("ada", "TensorRT", ("10.13.2.6",), ("sm_89",))
T4 = PoolFacts("t4", "TensorRT", ("10.13.2.6", "8.6.1.6"), ("sm_75",), "Tesla-T4")
A100 = PoolFacts("a100", "TensorRT", ("8.6.1.6", "10.13.2.6"), ("sm_80",), "NVIDIA-A100-SXM4-40GB")
V100 = PoolFacts(
    "v100", "TensorRT", ("8.6.1.6", "10.4.0.26", "10.13.2.6"), ("sm_70",), "Tesla-V100-SXM2-16GB"
)
H100 = PoolFacts("h100", "TensorRT", ("10.13.2.6", "11.1.0.106"), ("sm_90",), "NVIDIA-H100-80GB-HBM3")
ORIN = PoolFacts(
    "orin", "TensorRT", ("10.3.0.26",), ("sm_87",), "Jetson-Orin-NX-16GB", platform="jetpack-6.2"
)


def ask(
    arch: str,
    precision: str = "fp16",
    *,
    flavor: str | None = None,
    version: str | None = None,
    options: Mapping[str, Any] | None = None,
    product: str | None = None,
    compatibility: str | None = None,
    verification: Mapping[str, Any] | None = None,
) -> Ask:
    level = compatibility or ("Product" if product else "SameComputeCapability")
    target = Target("one", arch, product, level)
    return Ask(precision, flavor, version, options or {}, target, verification or {})
