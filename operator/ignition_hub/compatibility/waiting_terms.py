"""
The node selector terms of a pod that waits: split when it is created, narrowed when its gate is lifted.

Pure; ``placement`` asks it. Kubernetes lets expressions be added to the terms of a gated pod, but no term,
and all expressions of a term are required: "8.9 or 12.0" cannot be added to one. So each term of the pod
becomes several, which together admit the same nodes, one for every kind of label that a node may have.
"""

from collections.abc import Container, Iterable

from ignition_hub.compatibility.cloud_labels import CLOUD_GPUS, values_for
from ignition_hub.compatibility.gpus import GFD_MAJOR, GFD_MINOR, GFD_PRODUCT, GPUS
from ignition_hub.compatibility.node_terms import (
    GPU_LABELS,
    LATER,
    NOTHING,
    Expression,
    GpuSelector,
    Term,
    by_major,
    capability,
    cards_of,
    exists,
    is_about,
    is_in,
    known_products,
    later_majors,
    later_minors,
    major_of,
    majors_of,
    not_of_products,
    of_archs,
    of_products,
    slice_product,
    slices_of,
    without,
)
from ignition_hub.compatibility.pod_request import PodRequest
from ignition_hub.compatibility.spelling import LABEL_CHARACTERS
from ignition_hub.engine.names import LABEL_GPU_ARCH, LABEL_GPU_PRODUCT

MOST_PARTS = 256
"""The most terms that a pod has; one with many terms of its own is split less finely."""

OF_A_MAJOR = ("7", "8", "9", "10", "11", "12")
"""Major compute capabilities that have a part of their own: those that current releases of TensorRT have."""

_BY_ARCH = exists(LABEL_GPU_ARCH)
_BY_PRODUCT = exists(LABEL_GPU_PRODUCT)
_OF_OTHER_MAJOR = {"key": GFD_MAJOR, "operator": "NotIn", "values": list(OF_A_MAJOR)}
_UNSET = without(LABEL_GPU_ARCH, LABEL_GPU_PRODUCT)
_UNKNOWN = without(*GPU_LABELS[:3])

CLOUDS = tuple(CLOUD_GPUS)
"""Labels of managed clusters: the first that a node has decides."""

_COARSE: tuple[list[Expression], ...] = ([_BY_ARCH], without(LABEL_GPU_ARCH))
_FINE: tuple[list[Expression], ...] = (
    [_BY_ARCH, _BY_PRODUCT],
    [_BY_ARCH, *without(LABEL_GPU_PRODUCT)],
    [*without(LABEL_GPU_ARCH), _BY_PRODUCT],
    *([*_UNSET, is_in(GFD_MAJOR, [major])] for major in OF_A_MAJOR),
    _UNKNOWN,
    [*_UNSET, exists(GFD_MAJOR), _OF_OTHER_MAJOR],
)
_OF_CLOUDS: tuple[list[Expression], ...] = (
    [*_UNKNOWN, exists(GFD_PRODUCT)],
    *([*without(*GPU_LABELS, *CLOUDS[:place]), exists(label)] for place, label in enumerate(CLOUDS)),
    without(*GPU_LABELS, *CLOUDS),
)
COARSE: tuple[Term, ...] = tuple({"matchExpressions": part} for part in _COARSE)
FINE: tuple[Term, ...] = tuple({"matchExpressions": part} for part in _FINE)
FINEST: tuple[Term, ...] = tuple(
    {"matchExpressions": part} for part in (*(one for one in _FINE if one is not _UNKNOWN), *_OF_CLOUDS)
)
"""The parts of a term: every node belongs to exactly one."""
SPLITS = (FINEST, FINE, COARSE)


def parts_for(terms: int, split: int = 0) -> tuple[Term, ...]:
    """Return what each of so many terms is split into, beside ``split`` that were before."""
    return next((parts for parts in SPLITS if terms * len(parts) + split <= MOST_PARTS), COARSE)


def conjunction(
    term: Term, selectors: Iterable[GpuSelector], asked: PodRequest = NOTHING
) -> list[Expression]:
    """Return what is added to one part of a waiting pod's term, so that only ``selectors`` are left."""
    wanted = _Wanted(selectors, asked)
    if is_about(term, _BY_ARCH) or is_about(term, _BY_PRODUCT):
        return _as_labelled(term, wanted)
    if is_about(term, _OF_OTHER_MAJOR):
        return _of_majors({LATER, *(major_of(gpu.arch) for gpu in GPUS)} - set(OF_A_MAJOR), wanted)
    for major in OF_A_MAJOR:
        if is_about(term, is_in(GFD_MAJOR, [major])):
            return _of_majors(majors_of(major), wanted)
    if is_about(term, without(GFD_MAJOR)[0]):
        return without(GFD_PRODUCT) if asked.claims_alone else [_of_a_cloud(term, wanted)]
    return _coarse(wanted)


def _as_labelled(term: Term, wanted: "_Wanted") -> list[Expression]:
    """Narrow nodes that the platform team labelled; where it named no product, discovery's label stands."""
    if is_about(term, _BY_ARCH) and wanted.archs and not wanted.products:
        return of_archs(wanted.archs)
    if not is_about(term, without(LABEL_GPU_PRODUCT)[0]):
        return [wanted.labelled]
    return of_archs(wanted.archs) if wanted.archs else [wanted.discovered]


def _of_a_cloud(term: Term, wanted: "_Wanted") -> Expression:
    """Narrow nodes of managed clusters by their own label; others there have none that tells the GPU."""
    label = next((label for label in CLOUDS if is_about(term, exists(label))), None)
    values = values_for(label, wanted.archs, wanted.products) if label and not wanted.profile else []
    return is_in(label, values) if label and values else wanted.discovered


class _Wanted:
    """The selectors as architectures and products, and the labels that name these for such a pod."""

    def __init__(self, selectors: Iterable[GpuSelector], asked: PodRequest) -> None:
        self.asked, self.selectors = asked, sorted(selectors)
        self.archs = [one.arch for one in self.selectors if not one.product or asked.claims_alone]
        self.products = [one.product for one in self.selectors if one.product and not asked.claims_alone]
        self.profile = next(iter(asked.profiles)) if len(asked.profiles) == 1 and not asked.cards else ""
        self.label = slice_product(self.profile) if self.profile else GFD_PRODUCT

    def among(self, majors: Container[str]) -> "_Wanted":
        """Return those of some major compute capabilities."""
        return _Wanted([one for one in self.selectors if major_of(one.arch) in majors], self.asked)

    @property
    def labelled(self) -> Expression:
        """Require a product by the platform team's label, which is that of a card."""
        cards = cards_of(self.products) if self.profile else self.products
        return of_products(LABEL_GPU_PRODUCT, [*cards, *known_products(self.archs)])

    @property
    def discovered(self) -> Expression:
        """Require a product by the label of feature discovery."""
        known = known_products(self.archs)
        if not self.profile:
            return of_products(GFD_PRODUCT, [*self.products, *known])
        if any(len(product) > LABEL_CHARACTERS for product in self.products):
            return of_products(GFD_PRODUCT, cards_of(self.products))  # there is no label of the slice
        return of_products(self.label, [*self.products, *slices_of(known, self.profile)])


def _of_majors(majors: Container[str], wanted: _Wanted) -> list[Expression]:
    """Narrow the nodes of some major capabilities to minor ones, or where products are meant to these."""
    here = wanted.among(majors)
    if not here.selectors:
        # No node is both; a card that is cut may be another than the whole one that the labels speak of.
        return [wanted.discovered] if wanted.profile else without(GFD_MAJOR)
    if here.products and LATER not in here.archs:
        return [here.discovered]
    others = known_products(gpu.arch for gpu in GPUS if gpu.arch not in wanted.archs)
    unlike = [not_of_products(here.label, slices_of(others, here.profile))] if here.profile else []
    return [*_of_capabilities(majors, here.archs), *unlike]


def _of_capabilities(majors: Container[str], archs: list[str]) -> list[Expression]:
    capabilities = by_major(archs)
    if LATER not in archs:
        minors = sorted({minor for _, some in capabilities for minor in some})
        return [is_in(GFD_MAJOR, [major for major, _ in capabilities]), is_in(GFD_MINOR, minors)]
    alone = next((major for major in OF_A_MAJOR if major in majors), "")
    older = [major for major, _ in capabilities]
    return [*later_majors(older=older), *later_minors(archs, alone)]


def _coarse(wanted: _Wanted) -> list[Expression]:
    majors = by_major(wanted.archs)
    if wanted.products or wanted.profile or len(majors) > 1:
        return [wanted.discovered]
    [(major, minors)] = majors
    return capability(major, minors)
