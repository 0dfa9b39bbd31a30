"""
Which GPU a pod got: the one reader of node labels, capacity, requests and claims. Pure.

The gateway asks it when a pod wants its engine. What is not told is never guessed: a ``Belief`` without a
GPU, or without a product, says why and what would tell. ``placement`` writes the affinity that goes with it.
Facts of GPU Feature Discovery (GFD), the device plugin v0.20.0 and the DRA driver v0.4.1; every situation
that was seen is in ``tests/support/gpusituations.json``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ignition_hub.compatibility.cloud_labels import (
    CLOUD_GPUS,
    GKE_PARTITION,
    KARPENTER_COUNT,
    KARPENTER_MEMORY,
    cloud_belief,
)
from ignition_hub.compatibility.gpus import (
    GFD_MAJOR,
    GFD_MEMORY,
    GFD_PRODUCT,
    GFD_REPLICAS,
    GFD_SLICES,
    GFD_SLICES_OF_ALL,
    KUBERNETES_ARCH,
    MOST_MEBIBYTES,
    NodeGpu,
    card_of,
    discovered_card,
    is_jetson,
    labelled_gpu,
    mebibytes,
    node_platform,
    slice_arch,
    whole_number,
)
from ignition_hub.compatibility.pod_request import PodRequest
from ignition_hub.compatibility.spelling import LABEL_CHARACTERS, MIG_INVALID, split
from ignition_hub.engine.names import LABEL_GPU_ARCH, LABEL_GPU_PRODUCT, LABEL_JETPACK

GFD_COUNT = "nvidia.com/gpu.count"
"""Node label of GPU Feature Discovery: cards of the product that it names, those that are cut too."""
CARDS = ("nvidia.com/gpu", "nvidia.com/gpu.shared")
"""Resources of whole cards; ``.shared`` where sharing renames them."""
SLICES_OF_A_CARD = 7
"""The most MIG slices that one card is cut into."""

_OF_CLOUDS = (*CLOUD_GPUS, GKE_PARTITION, KARPENTER_COUNT, KARPENTER_MEMORY)
_OF_NVIDIA = "nvidia.com/"
_READ = (KUBERNETES_ARCH, LABEL_GPU_ARCH, LABEL_GPU_PRODUCT, LABEL_JETPACK, *_OF_CLOUDS)
"""Labels that are read besides NVIDIA's; a node has a hundred others."""

ASK_ALONE = (
    "let the containers that get engines request one kind of GPU: annotation ignitionhub.io/containers"
)
SET_THE_ARCH = (
    "label the node with ignitionhub.io/gpu-arch where all its GPUs have one architecture, give the pod its "
    "GPU by a ResourceClaim, or keep one product to a node"
)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What is kept of a node: the labels that are read here, and how many of each GPU resource it has."""

    labels: Mapping[str, str]
    capacity: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """
    The GPU a pod is believed to have, and the ``source`` of the belief, in words.

    ``gpu`` is None when nothing is known, and has no product when the architecture alone is; ``doubt`` and
    ``remedy`` then say why, and what would tell.
    """

    gpu: NodeGpu | None
    source: str = ""
    doubt: str = ""
    remedy: str = ""


def node_facts(body: Mapping[str, Any]) -> NodeFacts:
    """Return what is kept of a Node as the API server returns it."""
    labels = body["metadata"].get("labels") or {}
    capacity = (body.get("status") or {}).get("capacity") or {}
    read = {key: labels[key] for key in _READ if key in labels}
    return NodeFacts(
        {**read, **{key: value for key, value in labels.items() if key.startswith(_OF_NVIDIA)}},
        {key: int(value) for key, value in capacity.items()
         if key.startswith(_OF_NVIDIA) and str(value).isdecimal()},
    )  # fmt: skip


def believed(
    node: NodeFacts, asked: PodRequest, devices: Mapping[str, NodeGpu | None] | None = None
) -> Belief:
    """
    Return the GPU of a pod that asks for ``asked`` on ``node``.

    ``devices`` are those of its claims by name, with None for one that no ResourceSlice tells of.
    """
    parts = [_of_device(name, gpu, node) for name, gpu in (devices or {}).items()]
    parts += [_of_slice(node.labels, profile) for profile in sorted(asked.profiles)]
    if asked.cards:
        parts.append(_of_cards(node))
    return _agreed(parts) if parts else _without_a_request(_of_any(node), node)


def _of_device(name: str, gpu: NodeGpu | None, node: NodeFacts) -> Belief:
    if gpu is None:
        return _unknown(
            f"no ResourceSlice tells of the pod's device {name}", "check the DRA driver of the node"
        )
    platform = node_platform(node.labels)
    return Belief(gpu=replace(gpu, platform=platform), source=f"the pod's claimed device {name}")


def _of_slice(labels: Mapping[str, str], profile: str) -> Belief:
    """Return a slice of the strategy ``mixed``, whose resource the pod asks for."""
    label = f"{GFD_SLICES}{profile}.product"
    card, source = _card_of_slice(labels, profile)
    arch = _told_arch(labels) or (slice_arch(card, labels) if card else None)
    if arch is None:
        return _unknown(
            f"the pod has a slice {profile}, and no label {label} tells of which GPU",
            "let GPU Feature Discovery run on the node, or label it with ignitionhub.io/gpu-arch, and with "
            "ignitionhub.io/gpu-product, the card's",
        )
    gpu = NodeGpu(
        arch=arch,
        product=card,
        mig=profile if card else None,
        platform=node_platform(labels),
        memory_bytes=mebibytes(labels.get(f"{GFD_SLICES}{profile}.memory")),
        multiprocessors=whole_number(labels.get(f"{GFD_SLICES}{profile}.multiprocessors")),
    )
    asked = f"the pod's request of {GFD_SLICES}{profile}"
    if card:
        return Belief(gpu=gpu, source=f"{asked} and {source}")
    return Belief(
        gpu=gpu,
        source=f"{asked} and the node's architecture",
        doubt=f"it has no label {label}, so of which product the slice is cannot be known",
        remedy="label the node with ignitionhub.io/gpu-product, the product of the card",
    )


def _card_of_slice(labels: Mapping[str, str], profile: str) -> tuple[str | None, str]:
    label = f"{GFD_SLICES}{profile}.product"
    if told := labels.get(label):
        return split(told)[0], f"the node's label {label}"
    if override := labels.get(LABEL_GPU_PRODUCT):
        return card_of(override), f"the node's label {LABEL_GPU_PRODUCT}"
    card = discovered_card(labels)
    # Node Feature Discovery leaves out a label whose value is too long, and then the card's own tells it.
    is_too_long = len(f"{card}-MIG-{profile}") > LABEL_CHARACTERS and f"{GFD_SLICES}{profile}.count" in labels
    return (card, f"the node's label {GFD_PRODUCT}") if is_too_long else (None, "")


def _of_cards(node: NodeFacts) -> Belief:
    """Return what the resource ``nvidia.com/gpu`` is: the first rule that has something to say decides."""
    return next(belief for rule in _CARD_RULES if (belief := rule(node)) is not None)


def _an_invalid_layout(node: NodeFacts) -> Belief | None:
    if MIG_INVALID not in node.labels.get(GFD_PRODUCT, ""):
        return None
    return _unknown(
        "GPU Feature Discovery calls its MIG layout invalid: with the strategy single all GPUs of a node "
        "must be cut alike",
        "cut every GPU of the node into the same profile, or none of them, or set the MIG strategy to mixed",
    )


def _passed_through(node: NodeFacts) -> Belief | None:
    memory = whole_number(node.labels.get(GFD_MEMORY)) or 0
    if GFD_MAJOR in node.labels or memory < MOST_MEBIBYTES:
        return None
    return _unknown(
        f"its GPUs ({node.labels.get(GFD_PRODUCT)}) are given to virtual machines (vfio-pci)",
        "run the pod in a virtual machine's cluster, or on a node whose GPUs have NVIDIA's driver",
    )


def _several_products(node: NodeFacts) -> Belief | None:
    labels = node.labels
    if LABEL_GPU_PRODUCT in labels or not _has_more_cards_than_told(node):
        return None
    doubt = (
        f"it has GPUs of several products, and its label {GFD_PRODUCT} tells of one of them: "
        f"{labels.get(GFD_COUNT)} of {_cards_of(node)}"
    )
    arch = _told_arch(labels)
    gpu = NodeGpu(arch, None, None, node_platform(labels)) if arch else None
    return Belief(gpu=gpu, source=f"the node's label {LABEL_GPU_ARCH}" if gpu else "", doubt=doubt,
                  remedy=SET_THE_ARCH)  # fmt: skip


def _cut_cards_alone(node: NodeFacts) -> Belief | None:
    if node.labels.get(GFD_REPLICAS) != "0" or (gpu := labelled_gpu(node.labels)) is None:
        return None
    return Belief(
        gpu=NodeGpu(gpu.arch, None, None, gpu.platform),
        source="the node's architecture",
        doubt="every GPU is in MIG mode: which slice nvidia.com/gpu is cannot be known",
        remedy="set the MIG strategy of the device plugin to single or mixed, and request the slice",
    )


def _as_labelled(node: NodeFacts) -> Belief | None:
    gpu = labelled_gpu(node.labels)
    if gpu is None:
        return None
    own = next((key for key in (LABEL_GPU_PRODUCT, LABEL_GPU_ARCH) if key in node.labels), None)
    source = f"the node's label {own or (GFD_PRODUCT if gpu.product else GFD_MAJOR)}"
    if gpu.product:
        return Belief(gpu=gpu, source=source)
    doubt, remedy = _why_no_product(node.labels, gpu.arch)
    return Belief(gpu=gpu, source=source, doubt=doubt, remedy=remedy)


def _why_no_product(labels: Mapping[str, str], arch: str) -> tuple[str, str]:
    if GFD_SLICES_OF_ALL in labels:
        doubt = f"its GPUs are MIG slices, and no label {GFD_PRODUCT} tells which"
        return doubt, "use a target with compatibility: SameComputeCapability for such slices"
    set_it = f"label the node with {LABEL_GPU_PRODUCT}"
    if is_jetson(arch) and GFD_PRODUCT in labels:
        doubt = f"{GFD_PRODUCT}={labels[GFD_PRODUCT]} is the same on every Jetson module of {arch}"
        return doubt, set_it
    return "no label tells the product", set_it


def _as_the_cloud_labels(node: NodeFacts) -> Belief | None:
    if GFD_PRODUCT in node.labels or (told := cloud_belief(node.labels, _cards_of(node))) is None:
        return None
    return Belief(
        gpu=NodeGpu(told.gpu.arch, told.gpu.product, None, node_platform(node.labels)),
        source=f"the node's label {told.label}",
        doubt=told.doubt,
        remedy=f"run GPU Feature Discovery there, or label the node with {LABEL_GPU_PRODUCT}"
        if told.doubt
        else "",
    )


def _not_told(node: NodeFacts) -> Belief | None:
    del node
    return _unknown(
        "no label tells its GPU",
        "run GPU Feature Discovery there, or label the node with ignitionhub.io/gpu-arch",
    )


_CARD_RULES: tuple[Callable[[NodeFacts], Belief | None], ...] = (
    _an_invalid_layout,
    _passed_through,
    _several_products,
    _cut_cards_alone,
    _as_labelled,
    _as_the_cloud_labels,
    _not_told,
)


def _of_any(node: NodeFacts) -> Belief:
    """Return what is true of every GPU of the node, for a pod that asks for none by name."""
    if not (profiles := profiles_of(node.labels)):
        return _of_cards(node)
    parts = [_of_slice(node.labels, profile) for profile in profiles]
    if node.labels.get(GFD_REPLICAS) != "0":
        parts.append(_of_cards(node))
    return _agreed(parts)


def _without_a_request(belief: Belief, node: NodeFacts) -> Belief:
    """Take the product away where some GPUs are cut: a pod that asks for none was given none of them."""
    if belief.gpu is None or not belief.gpu.product or not profiles_of(node.labels):
        return belief
    gpu = belief.gpu
    return Belief(
        gpu=NodeGpu(gpu.arch, None, None, gpu.platform),
        source=belief.source,
        doubt="the pod requests no GPU, and the node has MIG slices",
        remedy="request nvidia.com/gpu or the slice in the container that gets the engine",
    )


def _agreed(parts: Sequence[Belief]) -> Belief:
    """Return what all parts have in common; the first that is not known decides."""
    unknown = next((part for part in parts if part.gpu is None), None)
    if unknown is not None:
        return unknown
    gpus = {part.gpu for part in parts if part.gpu is not None}
    if len({(gpu.arch, gpu.exact_product) for gpu in gpus}) == 1:
        return parts[0]
    found = " and ".join(sorted({gpu.exact_product or gpu.arch for gpu in gpus}))
    doubt = f"which GPU the engine is loaded on cannot be known: there is {found}"
    archs = {gpu.arch for gpu in gpus}
    if len(archs) > 1:
        return _unknown(doubt, ASK_ALONE)
    first = next(iter(gpus))
    return Belief(
        gpu=NodeGpu(first.arch, None, None, first.platform),
        source="the architecture that they share",
        doubt=doubt,
        remedy=ASK_ALONE,
    )


def profiles_of(labels: Mapping[str, str]) -> list[str]:
    """Return the MIG profiles that a node of the strategy ``mixed`` has, as its resources spell them."""
    ends = ".count"
    found = (key[len(GFD_SLICES) : -len(ends)] for key in labels if key.startswith(GFD_SLICES)
             and key.endswith(ends))  # fmt: skip
    return sorted(found)


def _has_more_cards_than_told(node: NodeFacts) -> bool:
    """Tell whether a card of another product must be there: GFD counts the product that it names."""
    count = whole_number(node.labels.get(GFD_COUNT))
    replicas = whole_number(node.labels.get(GFD_REPLICAS))
    if not count or not replicas:
        return False
    return _cards_of(node) > (count - _cut_at_least(node.labels)) * replicas


def _cut_at_least(labels: Mapping[str, str]) -> int:
    """Return how many cards the slices of the product that is told take: counted, and in no resource."""
    slices = sum(
        (whole_number(labels.get(f"{GFD_SLICES}{one}.count")) or 0)
        * (whole_number(labels.get(f"{GFD_SLICES}{one}.slices.gi")) or 1)
        for one in profiles_of(labels)
        if split(labels.get(f"{GFD_SLICES}{one}.product", ""))[0] in ("", discovered_card(labels))
    )
    return -(-slices // SLICES_OF_A_CARD)


def _cards_of(node: NodeFacts) -> int:
    return sum(node.capacity.get(name, 0) for name in CARDS)


def _told_arch(labels: Mapping[str, str]) -> str | None:
    own = {key: labels[key] for key in (LABEL_GPU_ARCH,) if key in labels}
    gpu = labelled_gpu(own)
    return gpu.arch if gpu else None


def _unknown(doubt: str, remedy: str) -> Belief:
    return Belief(gpu=None, doubt=doubt, remedy=remedy)
