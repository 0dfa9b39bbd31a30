"""
Labels of managed clusters that name a GPU: a second choice, where feature discovery does not run. Pure.

``inventory`` believes them where neither the platform team nor feature discovery says anything, and
``node_terms`` and ``waiting_terms`` admit by them. A value is here only if the cloud's own pages give it to
one architecture, and it has a product only if they give it to one, spelt as feature discovery does. What is
missing is not guessed: the refusal names the label to set.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from ignition_hub.compatibility.gpus import arch_of_product, whole_number

GKE = "cloud.google.com/gke-accelerator"
"""Node label of GKE: the accelerator of the node pool."""
GKE_PARTITION = "cloud.google.com/gke-gpu-partition-size"
"""Node label of GKE: the MIG profile into which every GPU of the node pool is cut."""
KARPENTER = "karpenter.k8s.aws/instance-gpu-name"
"""Node label of Karpenter on AWS: the GPU's name in EC2's description of the instance type, in lower case."""
KARPENTER_COUNT = "karpenter.k8s.aws/instance-gpu-count"
"""Node label of Karpenter on AWS: the cards of the instance type."""
KARPENTER_MEMORY = "karpenter.k8s.aws/instance-gpu-memory"
"""Node label of Karpenter on AWS: MiB of one GPU; a part of a card has less than the card."""
INSTANCE_TYPE = "node.kubernetes.io/instance-type"
"""Node label of every cloud provider: on AKS the size of the virtual machine, on OKE the shape."""

WHOLE_L4 = 22_000
"""MiB: EC2 gives a whole L4 22888, and instances of the family g6f a half of it or less."""


@dataclass(frozen=True, slots=True)
class CloudGpu:
    """What a value of a label says; ``product`` is None where the architecture alone is certain."""

    arch: str
    product: str | None


def _one(product: str, *values: str) -> dict[str, CloudGpu]:
    return {value: CloudGpu(arch_of_product(product) or "", product) for value in values}


def _several(arch: str, *values: str) -> dict[str, CloudGpu]:
    return {value: CloudGpu(arch, None) for value in values}


CLOUD_GPUS: Mapping[str, Mapping[str, CloudGpu]] = {
    # Google's pages "About GPUs in GKE" and "GPU machine types".
    GKE: {
        **_one("Tesla-T4", "nvidia-tesla-t4"),
        **_one("Tesla-V100-SXM2-16GB", "nvidia-tesla-v100"),
        **_one("NVIDIA-L4", "nvidia-l4"),
        **_one("NVIDIA-A100-SXM4-40GB", "nvidia-tesla-a100"),
        **_one("NVIDIA-A100-SXM4-80GB", "nvidia-a100-80gb"),
        **_one("NVIDIA-H100-80GB-HBM3", "nvidia-h100-80gb", "nvidia-h100-mega-80gb"),
        **_one("NVIDIA-H200", "nvidia-h200-141gb"),
        **_one("NVIDIA-B200", "nvidia-b200"),
    },
    # Karpenter's page "Instance Types" and Amazon's of the accelerated computing instances: a V100 has 16 or
    # 32 GB (p3, p3dn), an A100 40 or 80 (p4d, p4de).
    KARPENTER: {
        **_one("Tesla-T4", "t4"),
        **_one("NVIDIA-T4G", "t4g"),
        **_one("NVIDIA-A10G", "a10g"),
        **_one("NVIDIA-L4", "l4"),
        **_one("NVIDIA-L40S", "l40s"),
        **_one("NVIDIA-H100-80GB-HBM3", "h100"),
        **_one("NVIDIA-H200", "h200"),
        **_one("NVIDIA-B200", "b200"),
        **_several("sm_70", "v100"),
        **_several("sm_80", "a100"),
    },
    # Microsoft's pages of the NC and ND series, and Oracle's "Compute Shapes". No label says there whether a
    # GPU that can be cut is cut.
    INSTANCE_TYPE: {
        **_one("Tesla-T4", *(f"Standard_NC{cores}as_T4_v3" for cores in (4, 8, 16, 64))),
        **_several("sm_80", *(f"Standard_NC{cores}ads_A100_v4" for cores in (24, 48, 96))),
        **_several("sm_80", "Standard_ND96asr_v4", "Standard_ND96amsr_A100_v4"),
        **_several("sm_90", "Standard_NC40ads_H100_v5", "Standard_NC80adis_H100_v5"),
        **_several("sm_90", "Standard_ND96isr_H100_v5", "Standard_ND96isr_H200_v5"),
        **_one("NVIDIA-A10", "VM.GPU.A10.1", "VM.GPU.A10.2", "BM.GPU.A10.4"),
        **_one("NVIDIA-L40S", "BM.GPU.L40S.4"),
        **_several("sm_80", "BM.GPU4.8", "BM.GPU.A100-v2.8"),
        **_several("sm_90", "BM.GPU.H100.8", "BM.GPU.H200.8"),
    },
}
"""Label, value, and the GPU; of several labels the first that a node has decides."""


@dataclass(frozen=True, slots=True)
class CloudBelief:
    """The GPU that a cloud's label names, the label, and why the product is not certain, if it is not."""

    gpu: CloudGpu
    label: str
    doubt: str = ""


def cloud_belief(labels: Mapping[str, str], cards: int) -> CloudBelief | None:
    """
    Return what a cloud's label says of a node with ``cards`` of ``nvidia.com/gpu``; None for nothing certain.

    Whatever says that a GPU is cut, shared or a part of a card leaves its architecture alone.
    """
    label = next((label for label in CLOUD_GPUS if label in labels), None)
    gpu = CLOUD_GPUS[label].get(labels[label]) if label else None
    if label is None or gpu is None:
        return None
    doubt = _doubt(labels, cards, label, gpu)
    return CloudBelief(CloudGpu(gpu.arch, None) if doubt else gpu, label, doubt)


def _doubt(labels: Mapping[str, str], cards: int, label: str, gpu: CloudGpu) -> str:
    named = f"{label}={labels[label]}"
    if gpu.product is None:
        return f"{named} does not tell of which product the GPU is, or whether it is cut"
    if label == GKE and GKE_PARTITION in labels:
        return f"{named} is cut: {GKE_PARTITION}={labels[GKE_PARTITION]}"
    if label == KARPENTER and cards > (whole_number(labels.get(KARPENTER_COUNT)) or 0):
        return f"{named} is cut or shared: there are {cards} nvidia.com/gpu, more than {KARPENTER_COUNT} says"
    if gpu.product == "NVIDIA-L4" and (whole_number(labels.get(KARPENTER_MEMORY)) or WHOLE_L4) < WHOLE_L4:
        return f"{named} is a part of a card: {KARPENTER_MEMORY}={labels[KARPENTER_MEMORY]}"
    return ""


def values_for(label: str, archs: Container[str], products: Iterable[str]) -> list[str]:
    """Return the values of a cloud's label that mean one of these architectures or products."""
    named = set(products)
    return [value for value, gpu in CLOUD_GPUS[label].items() if gpu.arch in archs or gpu.product in named]
