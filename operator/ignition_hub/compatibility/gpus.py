"""
The GPUs: architectures, the products that have them, and what a node's labels say about its GPU.

``node_gpu`` and ``inventory`` read a node, ``placement`` names the labels of the nodes it wants, all by
``arch_labels`` and ``product_labels``; ``verdict`` asks ``gpu_of`` for the rest. Products are spelt as GPU
Feature Discovery (GFD) writes them into ``nvidia.com/gpu.product``; Jetson modules, which GFD does not tell
apart, as the platform team labels them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ignition_hub.compatibility.spelling import MIG_INVALID, SHARED, split
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.names import LABEL_GPU_ARCH, LABEL_GPU_PRODUCT, LABEL_JETPACK

GFD_MAJOR = "nvidia.com/gpu.compute.major"
"""Node label of GPU Feature Discovery: major compute capability, such as ``8``."""
GFD_MINOR = "nvidia.com/gpu.compute.minor"
"""Node label of GPU Feature Discovery: minor compute capability, such as ``9``."""
GFD_PRODUCT = "nvidia.com/gpu.product"
"""Node label of GPU Feature Discovery: the product, with its ``-MIG-`` and ``-SHARED`` suffixes."""
GFD_MEMORY = "nvidia.com/gpu.memory"
"""Node label of GPU Feature Discovery: MiB of one card, or of one slice with the strategy ``single``."""
GFD_MULTIPROCESSORS = "nvidia.com/gpu.multiprocessors"
"""Node label of GPU Feature Discovery: those of one slice; a node of whole cards has none."""
GFD_REPLICAS = "nvidia.com/gpu.replicas"
"""Node label of GPU Feature Discovery: pods for each card; ``0`` exactly when no whole card is left."""
GFD_SLICES_OF_ALL = "nvidia.com/gpu.slices.gi"
"""Node label of GPU Feature Discovery: there with the strategy ``single`` alone, where all are slices."""
GFD_STRATEGY = "nvidia.com/mig.strategy"
"""Node label of GPU Feature Discovery: ``single`` or ``mixed``; none is written for the strategy ``none``."""
GFD_SLICES = "nvidia.com/mig-"
"""
Node label of GPU Feature Discovery: begins so for one kind of MIG slice with the strategy ``mixed``, such as
``nvidia.com/mig-1g.10gb.product``; ``.memory``, ``.multiprocessors`` and ``.count`` are read too.
"""
KUBERNETES_ARCH = "kubernetes.io/arch"
"""Node label of the kubelet: ``amd64`` or ``arm64``, the platform of the engines that load there."""

MOST_MEBIBYTES = 1 << 24
"""More than any GPU has: GFD writes the memory of cards that virtual machines use in bytes."""

_ARCH_SPELLING = r"(?i:sm|compute)?[_-]?([0-9]{1,2})\.?([0-9])"


class UnknownArch(RequestError):
    """The architecture is not in ``GPUS``; the message names those that are."""


class Gpu(NamedTuple):
    """One GPU architecture; ``products`` are well-known ones, never all."""

    arch: str
    compute_capability: tuple[int, int]
    family: str
    products: tuple[str, ...]
    jetson: bool

    @property
    def example(self) -> str:
        """One product to name in a message."""
        return self.products[0]


def _gpu(arch: int, family: str, *products: str, jetson: bool = False) -> Gpu:
    return Gpu(f"sm_{arch}", divmod(arch, 10), family, products, jetson)


GPUS: tuple[Gpu, ...] = (
    _gpu(53, "Maxwell", "Jetson-Nano", "Jetson-TX1", jetson=True),
    _gpu(60, "Pascal", "Tesla-P100-PCIE-16GB", "Tesla-P100-PCIE-12GB", "Tesla-P100-SXM2-16GB"),
    _gpu(61, "Pascal", "Tesla-P4", "Tesla-P40", "NVIDIA-GeForce-GTX-1080-Ti", "NVIDIA-TITAN-Xp"),
    _gpu(62, "Pascal", "Jetson-TX2", "Jetson-TX2-NX", jetson=True),
    _gpu(
        70, "Volta",
        "Tesla-V100-SXM2-16GB", "Tesla-V100-SXM2-32GB", "Tesla-V100-PCIE-16GB", "Tesla-V100-PCIE-32GB",
        "NVIDIA-TITAN-V",
    ),
    _gpu(72, "Volta", "Jetson-AGX-Xavier-32GB", "Jetson-AGX-Xavier-64GB", "Jetson-Xavier-NX-8GB",
         "Jetson-Xavier-NX-16GB", jetson=True),
    _gpu(
        75, "Turing",
        "Tesla-T4", "NVIDIA-T4G", "Quadro-RTX-6000", "Quadro-RTX-8000", "NVIDIA-TITAN-RTX",
        "NVIDIA-GeForce-RTX-2080-Ti", "NVIDIA-GeForce-GTX-1660-Ti",
    ),
    _gpu(
        80, "Ampere",
        "NVIDIA-A100-SXM4-40GB", "NVIDIA-A100-SXM4-80GB", "NVIDIA-A100-PCIE-40GB", "NVIDIA-A100-80GB-PCIe",
        "NVIDIA-A30",
    ),
    _gpu(
        86, "Ampere",
        "NVIDIA-A10", "NVIDIA-A10G", "NVIDIA-A16", "NVIDIA-A2", "NVIDIA-A40", "NVIDIA-RTX-A4000",
        "NVIDIA-RTX-A5000", "NVIDIA-RTX-A6000", "NVIDIA-GeForce-RTX-3060", "NVIDIA-GeForce-RTX-3070",
        "NVIDIA-GeForce-RTX-3080", "NVIDIA-GeForce-RTX-3090",
    ),
    _gpu(
        87, "Ampere",
        "Jetson-AGX-Orin-64GB", "Jetson-AGX-Orin-32GB", "Jetson-Orin-NX-16GB", "Jetson-Orin-NX-8GB",
        "Jetson-Orin-Nano-8GB", "Jetson-Orin-Nano-4GB", jetson=True,
    ),
    _gpu(
        89, "Ada",
        "NVIDIA-L4", "NVIDIA-L40S", "NVIDIA-L40", "NVIDIA-L20", "NVIDIA-L2", "NVIDIA-RTX-4000-Ada-Generation",
        "NVIDIA-RTX-6000-Ada-Generation", "NVIDIA-GeForce-RTX-4070", "NVIDIA-GeForce-RTX-4080",
        "NVIDIA-GeForce-RTX-4090",
    ),
    _gpu(
        90, "Hopper",
        "NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-PCIe", "NVIDIA-H100-NVL", "NVIDIA-H200", "NVIDIA-H200-NVL",
        "NVIDIA-H20", "NVIDIA-GH200-480GB",
    ),
    _gpu(100, "Blackwell", "NVIDIA-B200", "NVIDIA-GB200"),
    _gpu(103, "Blackwell", "NVIDIA-B300-SXM6-AC", "NVIDIA-GB300"),
    _gpu(110, "Blackwell", "Jetson-T5000", "Jetson-T4000", "Jetson-AGX-Thor", jetson=True),
    _gpu(
        120, "Blackwell",
        "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "NVIDIA-RTX-PRO-6000-Blackwell-Workstation-Edition",
        "NVIDIA-GeForce-RTX-5070", "NVIDIA-GeForce-RTX-5080", "NVIDIA-GeForce-RTX-5090",
    ),
    _gpu(121, "Blackwell", "NVIDIA-GB10"),
)  # fmt: skip

OLDEST_MAJOR = 3
"""The oldest major compute capability that an architecture is read from: 13 is no 1.3, and may mean 13.0."""
WITH_ARM_CPU = ("NVIDIA-GH200", "NVIDIA-GB200", "NVIDIA-GB300", "NVIDIA-GB10")
"""How the products begin of GPUs that come with an Arm CPU; ``GPUS`` has one product of each."""


def arch_labels(arch: str) -> tuple[str, ...]:
    """Return the values of the label ``gpu-arch`` that mean ``sm_89``: also ``sm89``, ``8.9`` and ``89``."""
    digits = arch.removeprefix("sm_")
    return (arch, f"sm{digits}", f"{digits[:-1]}.{digits[-1]}", digits)


def product_labels(product: str) -> tuple[str, ...]:
    """Return the values of a label that mean a product: shared or not, a well-known one in lower case too."""
    return (product, product + SHARED, *((product.lower(),) if product in _ARCH_BY_PRODUCT else ()))


_BY_ARCH: Mapping[str, Gpu] = {gpu.arch: gpu for gpu in GPUS}
_ARCH_BY_LABEL: Mapping[str, str] = {label: arch for arch in _BY_ARCH for label in arch_labels(arch)}
_ARCH_BY_PRODUCT: Mapping[str, str] = {product: gpu.arch for gpu in GPUS for product in gpu.products}
_PRODUCT_BY_LABEL = {label: product for product in _ARCH_BY_PRODUCT for label in product_labels(product)}


@dataclass(frozen=True, slots=True)
class NodeGpu:
    """
    The GPU of a node as its labels tell it.

    ``product`` carries no ``-MIG-`` or ``-SHARED`` suffix; ``mig`` is the profile of a node whose GPUs are
    all cut alike (``1g.5gb``); ``platform`` is None when the labels do not tell. Labels tell multiprocessors
    of slices alone, and never a power mode; the process on the GPU may add them.
    """

    arch: str
    product: str | None
    mig: str | None
    platform: str | None = None
    memory_bytes: int | None = None
    multiprocessors: int | None = None
    power_mode: str | None = None

    @property
    def exact_product(self) -> str | None:
        """The product as a target names it: a slice of a GPU is a product of its own."""
        return f"{self.product}-MIG-{self.mig}" if self.product and self.mig else self.product

    def to_json(self) -> dict[str, str | None]:
        """Return how answers to pods name it."""
        return {"arch": self.arch, "product": self.exact_product, "platform": self.platform}


def gpu_of(arch: str) -> Gpu:
    """Return the GPU of ``sm_89``; raises UnknownArch, naming the near one for ``8.9`` or ``sm89``."""
    gpu = _BY_ARCH.get(arch)
    if gpu is None:
        near = _spelt_as_arch(arch)
        remedy = (
            f"did you mean {near}?" if near in _BY_ARCH else f"the architectures are {', '.join(_BY_ARCH)}"
        )
        raise UnknownArch(Reason.UnknownArch, f"{arch!r} is not a known GPU architecture", remedy)
    return gpu


def is_jetson(arch: str) -> bool:
    """Tell whether an architecture is that of Jetson modules; False for one that is not known here."""
    gpu = _BY_ARCH.get(arch)
    return gpu is not None and gpu.jetson


def is_on_arm64_alone(gpu: NodeGpu) -> bool:
    """Tell whether every machine with such a GPU is arm64: a Jetson module, or an Arm CPU beside it."""
    product = gpu.product or ""
    return is_jetson(gpu.arch) or any(f"{product}-".startswith(f"{one}-") for one in WITH_ARM_CPU)


def arch_of_capability(major: str, minor: str) -> str | None:
    """Return ``sm_89`` for ``"8", "9"``; None when one is not a number."""
    return f"sm_{int(major)}{int(minor)}" if major.isdecimal() and minor.isdecimal() else None


def arch_of_product(product: str) -> str | None:
    """Return the architecture of a well-known product, spelt as a label or with blanks; None for others."""
    wanted = split(product)[0].lower()
    return next((arch for known, arch in _ARCH_BY_PRODUCT.items() if known.lower() == wanted), None)


def card_of(label: str) -> str:
    """Return the card that a product label names: without a profile, a well-known one as the table has it."""
    return _PRODUCT_BY_LABEL.get(label, split(label)[0])


def discovered_card(labels: Mapping[str, str]) -> str:
    """Return the card that feature discovery names, shared or not; empty where it names none."""
    return split(labels.get(GFD_PRODUCT, ""))[0]


def labelled_gpu(labels: Mapping[str, str]) -> NodeGpu | None:
    """
    Return the GPU that a node's labels describe; None when they describe none or its MIG state is invalid.

    The platform team's own labels win over GFD's, because GFD cannot tell Jetson modules apart and names
    only one model of a mixed node. An architecture that this table lacks is read as any other; a label that
    names none is passed on as it is. With the MIG strategy ``mixed`` it is the whole card, which a pod may
    not have: ask ``inventory``.
    """
    told = labels.get(LABEL_GPU_PRODUCT) or labels.get(GFD_PRODUCT) or ""
    if any(MIG_INVALID in labels.get(name, "") for name in (LABEL_GPU_PRODUCT, GFD_PRODUCT)):
        return None  # before the suffix is stripped, which would make it look like a whole GPU
    profile = split(told)[1]
    product = card_of(told)
    arch = _node_arch(labels, product)
    if arch is None:
        return None
    tells_a_module = LABEL_GPU_PRODUCT in labels or not is_jetson(arch) or arch_of_product(product)
    is_a_card = profile is None and GFD_SLICES_OF_ALL in labels  # what says so speaks of what was cut
    return NodeGpu(
        arch=arch,
        product=(product or None) if tells_a_module and not is_a_card else None,
        mig=profile,
        platform=node_platform(labels),
        memory_bytes=mebibytes(labels.get(GFD_MEMORY)),
        multiprocessors=whole_number(labels.get(GFD_MULTIPROCESSORS)),
    )


def node_gpu(labels: Mapping[str, str]) -> NodeGpu | None:
    """
    Return what every pod of a node has, whatever it asks for; None when there is no such thing.

    Where some GPUs are cut and others are not (MIG strategy ``mixed``), it is an architecture alone.
    """
    card = labelled_gpu(labels)
    if card is None or labels.get(GFD_STRATEGY) != "mixed" or card.mig:
        return card
    cut = {split(labels[key])[0] for key in labels if key.startswith(GFD_SLICES) and key.endswith(".product")}
    is_cut = labels.get(GFD_REPLICAS) == "0" or any(key.startswith(GFD_SLICES) for key in labels)
    if not is_cut:
        return card
    if any(slice_arch(one, labels) != card.arch for one in cut):
        return None
    return NodeGpu(arch=card.arch, product=None, mig=None, platform=card.platform)


def slice_arch(card: str, labels: Mapping[str, str]) -> str | None:
    """Return the architecture of a card that is cut, on a node with these labels; None if none tells it."""
    capability = arch_of_capability(labels.get(GFD_MAJOR, ""), labels.get(GFD_MINOR, ""))
    return capability if card == discovered_card(labels) else arch_of_product(card)


def node_platform(labels: Mapping[str, str]) -> str | None:
    """Return ``linux-x86_64``, ``linux-aarch64`` or ``jetpack-6.2``; None when the labels do not tell."""
    if release := labels.get(LABEL_JETPACK):
        return f"jetpack-{release}"
    return {"amd64": "linux-x86_64", "arm64": "linux-aarch64"}.get(labels.get(KUBERNETES_ARCH, ""))


def mebibytes(label: str | None) -> int | None:
    """Return bytes for a label in MiB; None for one that is not told, or not in MiB (GFD's of vfio cards)."""
    number = whole_number(label)
    return number << 20 if number and number < MOST_MEBIBYTES else None


def whole_number(label: str | None) -> int | None:
    """Return the number that a label holds; None for one that holds none."""
    return int(label) if label and label.isdecimal() and len(label) < 16 else None


def _node_arch(labels: Mapping[str, str], product: str) -> str | None:
    if override := labels.get(LABEL_GPU_ARCH):
        return _ARCH_BY_LABEL.get(override) or _later_arch(override)
    of_product = _ARCH_BY_PRODUCT.get(product)
    if of_product and LABEL_GPU_PRODUCT in labels:
        return of_product
    return arch_of_capability(labels.get(GFD_MAJOR, ""), labels.get(GFD_MINOR, "")) or of_product


def _later_arch(label: str) -> str:
    digits = "".join(filter(str.isdecimal, label))
    arch, major = f"sm_{digits}", int(digits[:-1] or 0)
    return arch if major >= OLDEST_MAJOR and label in arch_labels(arch) else label


def _spelt_as_arch(text: str) -> str | None:
    match = re.fullmatch(_ARCH_SPELLING, text.strip())
    return f"sm_{match[1]}{match[2]}" if match else None
