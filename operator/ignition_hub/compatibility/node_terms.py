"""
Node selector terms: the nodes where a pod has a GPU that one of its engines serves.

Pure; ``placement`` puts them into a pod's affinity. They are ``inventory`` in the scheduler's words: what it
believes by a label is admitted by the same label. Terms cannot count cards or compare labels, so a node may
be admitted of which nothing is known; the gateway then says so. None is left out that it would serve.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.compatibility.cloud_labels import CLOUD_GPUS, values_for
from ignition_hub.compatibility.gpus import (
    GFD_MAJOR,
    GFD_MINOR,
    GFD_PRODUCT,
    GFD_REPLICAS,
    GFD_SLICES,
    GPUS,
    Gpu,
    arch_labels,
    product_labels,
)
from ignition_hub.compatibility.pod_request import PodRequest
from ignition_hub.compatibility.spelling import LABEL_CHARACTERS, split
from ignition_hub.compatibility.support_matrix import AMPERE, capability_of
from ignition_hub.engine.names import LABEL_GPU_ARCH, LABEL_GPU_PRODUCT

Expression = dict[str, Any]
Term = dict[str, Any]

NOTHING = PodRequest()
NO_PRODUCT = "none"
"""The value of no product label: stands where every product that is meant is too long for one."""
LATER = "later GPUs"
"""Stands for the architectures from compute capability 8.0 on that the table lacks: AmperePlus has them."""
BEFORE_THE_TABLE = ("sm_30", "sm_32", "sm_35", "sm_37", "sm_50", "sm_52")
"""Architectures of older GPUs than the table has; a node may be labelled with one."""
GPU_LABELS = (LABEL_GPU_ARCH, LABEL_GPU_PRODUCT, GFD_MAJOR, GFD_PRODUCT)
"""A node without any of them is known by its ResourceSlices, if at all."""


@dataclass(frozen=True, slots=True, order=True)
class GpuSelector:
    """Nodes of one architecture; of one product only when ``product`` is not empty."""

    arch: str
    product: str = ""

    def has(self, arch: str) -> bool:
        """Tell whether an architecture is that of these nodes."""
        return arch == self.arch or (self.arch == LATER and is_later(arch))


def is_later(arch: str) -> bool:
    """Tell whether an architecture is one that ``LATER`` stands for."""
    known = any(gpu.arch == arch for gpu in GPUS)
    return not known and (capability_of(arch) or (0, 0)) >= AMPERE


def can_have(selector: GpuSelector, asked: PodRequest) -> bool:
    """Tell whether a pod that asks for ``asked`` can get the GPU of ``selector``, on some node."""
    if not selector.product or asked.cards or asked.claims_alone or len(asked.profiles) != 1:
        return True  # with the strategy single, a slice is nvidia.com/gpu too
    return split(selector.product)[1] in asked.profiles


def terms_for(
    selectors: Iterable[GpuSelector], asked: PodRequest = NOTHING, *, clouds: bool = True
) -> list[Term]:
    """
    Return node selector terms (any of them suffices) that admit ``selectors`` for such a pod.

    ``clouds`` are those of nodes that only a managed cluster labels.
    """
    selectors = sorted(selectors)
    archs = [selector.arch for selector in selectors if not selector.product]
    products = [selector.product for selector in selectors if selector.product]
    terms: Iterable[list[Expression]]
    if asked.claims_alone:
        terms = _claimed({selector.arch for selector in selectors})
    elif len(asked.profiles) == 1 and not asked.cards:
        terms = _sliced(archs, products, next(iter(asked.profiles)))
    else:
        terms = [
            *_of_all(archs, products, asked),
            *_slices_alone(products, asked),
            *(_of_clouds(archs, products) if clouds else ()),
        ]
    return [{"matchExpressions": term} for term in terms]


def _of_all(archs: list[str], products: list[str], asked: PodRequest) -> Iterator[list[Expression]]:
    """Admit by the labels that speak of whole cards, or of all GPUs of a node."""
    yield from ([*without(LABEL_GPU_ARCH), *told] for told in of_capabilities(archs))
    if archs:
        yield of_archs(archs)
        if known := known_products(archs):
            yield [*without(LABEL_GPU_ARCH), of_products(LABEL_GPU_PRODUCT, known)]
            unlabelled = without(LABEL_GPU_ARCH, LABEL_GPU_PRODUCT, GFD_MAJOR)
            yield [*unlabelled, of_products(GFD_PRODUCT, known)]
    if products:
        whole = [not_cut_up()] if asked.cards else []
        yield [*without(LABEL_GPU_PRODUCT), of_products(GFD_PRODUCT, products), *whole]
        yield [of_products(LABEL_GPU_PRODUCT, products), *whole]


def _of_clouds(archs: list[str], products: list[str]) -> Iterator[list[Expression]]:
    """Admit by the labels of managed clusters, where no other label tells the GPU."""
    earlier: list[str] = []
    for label in CLOUD_GPUS:
        if values := values_for(label, archs, products):
            yield [*without(*GPU_LABELS, *earlier), is_in(label, values)]
        earlier.append(label)


def _slices_alone(products: list[str], asked: PodRequest) -> Iterator[list[Expression]]:
    """Admit nodes of the strategy ``mixed`` for a pod that does not say what it asks for."""
    if asked.cards:
        return
    for product in products:
        if profile := split(product)[1]:
            yield [of_products(slice_product(profile), [product])]


def _sliced(archs: list[str], products: list[str], profile: str) -> Iterator[list[Expression]]:
    """Admit nodes that have ``nvidia.com/mig-<profile>``, by the labels of that resource."""
    label, known = slice_product(profile), slices_of(known_products(archs), profile)
    if archs:
        yield of_archs(archs)
        others = slices_of(known_products(gpu.arch for gpu in GPUS if gpu.arch not in archs), profile)
        for told in of_capabilities(archs):
            # The capability is that of the whole cards, if there are any: those that are cut may be others.
            yield [*without(LABEL_GPU_ARCH), *told, not_of_products(label, others)]
        if known:
            yield [*without(LABEL_GPU_ARCH), of_products(label, known)]
            yield [*without(LABEL_GPU_ARCH, label), of_products(LABEL_GPU_PRODUCT, cards_of(known))]
    if products:
        yield [of_products(label, products)]
        yield [*without(label), of_products(LABEL_GPU_PRODUCT, cards_of(products))]
    if too_long := [product for product in products if len(product) > LABEL_CHARACTERS]:
        yield [*without(label, LABEL_GPU_PRODUCT), of_products(GFD_PRODUCT, cards_of(too_long))]


def _claimed(archs: Iterable[str]) -> Iterator[list[Expression]]:
    """Admit by architecture, and nodes without labels: which device it is, the claim says."""
    yield from _of_all(sorted(archs), [], NOTHING)
    yield without(*GPU_LABELS)


def slice_product(profile: str) -> str:
    """Return the label that names the product of a profile's slices."""
    return f"{GFD_SLICES}{profile}.product"


def slices_of(cards: Iterable[str], profile: str) -> list[str]:
    """Return the products that slices of these cards are."""
    return [f"{card}-MIG-{profile}" for card in cards]


def cards_of(products: Iterable[str]) -> list[str]:
    """Return the cards that these slices are of."""
    return [split(product)[0] for product in products]


def by_major(archs: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Return the minor compute capabilities of each major one."""
    majors: dict[str, list[str]] = {}
    for gpu in _gpus(archs):
        major, minor = gpu.compute_capability
        majors.setdefault(str(major), []).append(str(minor))
    return sorted(majors.items())


def of_capabilities(archs: Iterable[str]) -> list[list[Expression]]:
    """Return what requires the compute capabilities of these architectures; any of it suffices."""
    wanted = set(archs)
    if LATER not in wanted:
        return [capability(major, minors) for major, minors in by_major(wanted)]
    older = [capability(major, minors) for major, minors in by_major(wanted) if int(major) < AMPERE[0]]
    less = [major for major, _ in by_major(_unwanted(wanted))]
    return [
        *older,
        *([is_in(GFD_MAJOR, [major]), *later_minors(wanted, major)] for major in less),
        [*later_majors(but=less), *later_minors(wanted)],
    ]


def later_majors(*, but: Iterable[str] = (), older: Container[str] = ()) -> list[Expression]:
    """Require a major compute capability from 8 on, or one of ``older``, but none of ``but``."""
    others = [major for major in map(str, range(AMPERE[0])) if major not in older]
    return [exists(GFD_MAJOR), is_not_in(GFD_MAJOR, [*others, *but])]


def later_minors(archs: Iterable[str], major: str = "") -> list[Expression]:
    """Require a minor compute capability that, behind ``major``, is of no other GPU of the table."""
    others = [minor for one, minors in by_major(_unwanted(archs)) if one == major for minor in minors]
    return [exists(GFD_MINOR), *([is_not_in(GFD_MINOR, others)] if others else [])]


def _unwanted(archs: Iterable[str]) -> list[str]:
    """Return the architectures from compute capability 8.0 on that the table has and ``archs`` lacks."""
    wanted = set(archs)
    return [gpu.arch for gpu in GPUS if gpu.compute_capability >= AMPERE and gpu.arch not in wanted]


def known_products(archs: Iterable[str]) -> list[str]:
    """Return the well-known products of these architectures."""
    return [product for gpu in _gpus(archs) for product in gpu.products]


def major_of(arch: str) -> str:
    """Return the major compute capability of an architecture of the table; ``LATER`` for itself."""
    if arch == LATER:
        return LATER
    return next((str(gpu.compute_capability[0]) for gpu in GPUS if gpu.arch == arch), "")


def archs_of(major: str, term: Term) -> list[str]:
    """Return the architectures of a major compute capability whose minor ones a term leaves."""
    minors = {str(minor) for minor in range(10) if _leaves(term, str(minor))}
    known = {str(gpu.compute_capability[1]): gpu.arch for gpu in GPUS if major_of(gpu.arch) == major}
    later = [LATER] if int(major) >= AMPERE[0] and minors - known.keys() else []
    return [*(arch for minor, arch in known.items() if minor in minors), *later]


def _leaves(term: Term, minor: str) -> bool:
    said = [one for one in term["matchExpressions"] if one["key"] == GFD_MINOR]
    return all(
        minor in one["values"] if one["operator"] == "In" else minor not in one["values"]
        for one in said
        if one["operator"] in ("In", "NotIn")
    )


def _gpus(archs: Iterable[str]) -> list[Gpu]:
    wanted = set(archs)
    return [gpu for gpu in GPUS if gpu.arch in wanted]


def of_archs(archs: Iterable[str]) -> list[Expression]:
    """Require the platform team's label of one of these architectures; of later ones, that of no other."""
    wanted = set(archs)
    if LATER not in wanted:
        return [is_in(LABEL_GPU_ARCH, _labels_of(archs))]
    others = [gpu.arch for gpu in GPUS if gpu.arch not in wanted]
    return [exists(LABEL_GPU_ARCH), is_not_in(LABEL_GPU_ARCH, _labels_of([*BEFORE_THE_TABLE, *others]))]


def _labels_of(archs: Iterable[str]) -> list[str]:
    return [label for arch in archs for label in arch_labels(arch)]


def of_products(key: str, products: Iterable[str]) -> Expression:
    """Require that a label names one of these products; a longer name than a label can hold is on no node."""
    labels = (label for product in products for label in product_labels(product))
    # The API server refuses a pod for one longer value, and a list without values.
    return is_in(key, [label for label in labels if len(label) <= LABEL_CHARACTERS] or [NO_PRODUCT])


def not_of_products(key: str, products: Iterable[str]) -> Expression:
    """Require that a label, if there is one, names none of these products."""
    return {**of_products(key, products), "operator": "NotIn"}


def not_cut_up() -> Expression:
    """Require that a node has a whole card left, where feature discovery counts them."""
    return is_not_in(GFD_REPLICAS, ["0"])


def capability(major: str, minors: list[str]) -> list[Expression]:
    """Require a compute capability."""
    return [is_in(GFD_MAJOR, [major]), is_in(GFD_MINOR, minors)]


def both(one: Term, other: Term) -> Term:
    """Return the term that holds where both do."""
    if not one.get("matchExpressions") and not one.get("matchFields"):
        return one  # an empty term matches no node; adding to it would make it match some
    expressions = [*one.get("matchExpressions", ()), *other.get("matchExpressions", ())]
    return {**one, "matchExpressions": expressions}


def is_in(key: str, values: list[str]) -> Expression:
    """Require one of some values."""
    return {"key": key, "operator": "In", "values": values}


def is_not_in(key: str, values: list[str]) -> Expression:
    """Require none of some values; a node without the label has none."""
    return {"key": key, "operator": "NotIn", "values": values}


def exists(key: str) -> Expression:
    """Require that there is a label."""
    return {"key": key, "operator": "Exists"}


def without(*keys: str) -> list[Expression]:
    """Require that there are no such labels."""
    return [{"key": key, "operator": "DoesNotExist"} for key in keys]


def is_about(term: Mapping[str, Any], wanted: Expression) -> bool:
    """Tell whether a term requires just that."""
    return wanted in term.get("matchExpressions", ())
