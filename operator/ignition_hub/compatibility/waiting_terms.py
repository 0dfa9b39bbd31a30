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
    archs_of,
    by_major,
    capability,
    cards_of,
    exists,
    is_about,
    is_in,
    is_not_in,
    known_products,
    later_majors,
    later_minors,
    major_of,
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

_OF_MAJORS = [[*_UNSET, is_in(GFD_MAJOR, [major])] for major in OF_A_MAJOR]
_COARSE: tuple[list[Expression], ...] = ([_BY_ARCH], without(LABEL_GPU_ARCH))
_FINE: tuple[list[Expression], ...] = (
    [_BY_ARCH, _BY_PRODUCT],
    [_BY_ARCH, *without(LABEL_GPU_PRODUCT)],
    [*without(LABEL_GPU_ARCH), _BY_PRODUCT],
    *_OF_MAJORS,
    _UNKNOWN,
    [*_UNSET, exists(GFD_MAJOR), _OF_OTHER_MAJOR],
)
_OF_CLOUDS: tuple[list[Expression], ...] = (
    [*_UNKNOWN, exists(GFD_PRODUCT)],
    *([*without(*GPU_LABELS, *CLOUDS[:place]), exists(label)] for place, label in enumerate(CLOUDS)),
    without(*GPU_LABELS, *CLOUDS),
)
_OF_MINORS: list[list[Expression]] = [
    [*_UNSET, is_in(GFD_MAJOR, [major]), told]
    for major, minors in by_major(gpu.arch for gpu in GPUS)
    if major in OF_A_MAJOR
    for told in (*(is_in(GFD_MINOR, [minor]) for minor in minors), is_not_in(GFD_MINOR, minors))
]
COARSE: tuple[Term, ...] = tuple({"matchExpressions": part} for part in _COARSE)
FINE: tuple[Term, ...] = tuple({"matchExpressions": part} for part in _FINE)
FINER: tuple[Term, ...] = tuple(
    {"matchExpressions": part} for part in (*(one for one in _FINE if one is not _UNKNOWN), *_OF_CLOUDS)
)
FINEST: tuple[Term, ...] = (
    *(one for one in FINER if one["matchExpressions"] not in _OF_MAJORS),
    *({"matchExpressions": part} for part in _OF_MINORS),
)
"""The parts of a term: every node belongs to exactly one."""
SPLITS = (FINEST, FINER, FINE, COARSE)


def parts_for(terms: int, split: int = 0) -> tuple[Term, ...]:
    """Return what each of so many terms is split into, beside ``split`` that were before."""
    return next((parts for parts in SPLITS if terms * len(parts) + split <= MOST_PARTS), COARSE)


def unsplit(term: Term) -> Term:
    """Return a term without the capability that its part requires: the pod itself did not choose one."""
    theirs = list(term.get("matchExpressions") or ())
    if _UNSET[0] not in theirs:
        return term
    ours = next((part for part in (*_OF_MINORS, *_OF_MAJORS) if all(one in theirs for one in part)), [])
    for one in ours:
        theirs.remove(one)
    return {**term, "matchExpressions": theirs}


def conjunction(
    term: Term, selectors: Iterable[GpuSelector], asked: PodRequest = NOTHING
) -> list[Expression]:
    """Return what is added to one part of a waiting pod's term, so that only ``selectors`` are left."""
    wanted = _Wanted(selectors, asked)
    if is_about(term, _BY_ARCH) or is_about(term, _BY_PRODUCT):
        return _as_labelled(term, wanted)
    if is_about(term, _OF_OTHER_MAJOR):
        others = [gpu.arch for gpu in GPUS if major_of(gpu.arch) not in OF_A_MAJOR]
        return _of_capabilities(wanted, LATER, *others)
    for major in OF_A_MAJOR:
        if is_about(term, is_in(GFD_MAJOR, [major])):
            return _of_capabilities(wanted, *archs_of(major, term), major=major)
    if is_about(term, without(GFD_MAJOR)[0]):
        return without(GFD_PRODUCT) if asked.claims_alone else [_of_a_cloud(term, wanted)]
    return _coarse(wanted)


def _as_labelled(term: Term, wanted: "_Wanted") -> list[Expression]:
    """Narrow nodes that the platform team labelled; where it named no product, discovery's label stands."""
    names_none = is_about(term, without(LABEL_GPU_PRODUCT)[0])
    if not is_about(term, _BY_ARCH) or not wanted.archs:
        return [wanted.discovered if names_none else wanted.labelled]
    told = [] if names_none else [LABEL_GPU_PRODUCT]
    if not is_about(term, _BY_PRODUCT):
        told.append(wanted.label)
    unlike = [wanted.unlike(label) for label in told] if wanted.products else []
    return [*of_archs(wanted.every_arch), *unlike]


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

    def among(self, archs: Container[str]) -> "_Wanted":
        """Return those of some architectures."""
        return _Wanted([one for one in self.selectors if one.arch in archs], self.asked)

    @property
    def every_arch(self) -> list[str]:
        """The architectures, those too of which products are meant."""
        return sorted({one.arch for one in self.selectors})

    def unlike(self, label: str) -> Expression:
        """Require that a label names no other known product of the architectures whose products are meant."""
        others = known_products(arch for arch in self.every_arch if arch not in self.archs)
        meant = self.products
        if self.profile and label == self.label:
            others = slices_of(others, self.profile)
        elif self.profile:
            meant = cards_of(meant)
        return not_of_products(label, [one for one in others if one not in meant])

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


def _of_capabilities(wanted: _Wanted, *archs: str, major: str = "") -> list[Expression]:
    """Narrow nodes of these architectures to those that are wanted, or to products where some are meant."""
    here = wanted.among(archs)
    if not here.selectors:
        # No node is both; a card that is cut may be another than the whole one that the labels speak of.
        return [wanted.discovered] if wanted.profile else without(GFD_MAJOR)
    if here.products and LATER not in here.archs:
        return [here.discovered]
    others = known_products(gpu.arch for gpu in GPUS if gpu.arch not in wanted.archs)
    unlike = [not_of_products(here.label, slices_of(others, here.profile))] if here.profile else []
    return [*_capability_of(here.archs, major), *unlike]


def _capability_of(archs: list[str], major: str) -> list[Expression]:
    capabilities = by_major(archs)
    majors = [one for one, _ in capabilities]
    if LATER in archs:
        return [*later_majors(older=majors), *later_minors(archs, major)]
    minors = sorted({minor for _, some in capabilities for minor in some})
    return [is_in(GFD_MAJOR, majors), is_in(GFD_MINOR, minors)]


def _coarse(wanted: _Wanted) -> list[Expression]:
    majors = by_major(wanted.archs)
    if wanted.products or wanted.profile or len(majors) > 1:
        return [wanted.discovered]
    [(major, minors)] = majors
    return capability(major, minors)
