"""
Which nodes a pod may go to, so that one of its engines' ready targets serves the GPU there.

Pure. The webhook asks it when a pod is created and its engines are ready; the controller asks it when it
lifts the scheduling gate of a pod that had to wait. Both narrow what the pod itself asked for and never
widen it. The last word stays with the gateway, which sees the node the pod really got.

Two families of node labels are read, as in ``gpus.node_gpu``: the platform team's own labels, and GPU Feature
Discovery's where the team set none.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ignition_hub.compatibility.gpus import (
    GFD_MAJOR,
    GFD_MINOR,
    GFD_PRODUCT,
    GPUS,
    Gpu,
    arch_labels,
    node_gpu,
    product_labels,
)
from ignition_hub.compatibility.loading import EngineFacts, loads
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.engine.names import LABEL_GPU_ARCH, LABEL_GPU_PRODUCT, LABEL_WAITING, SCHEDULING_GATE

Json = dict[str, Any]
Expression = dict[str, Any]
Term = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class GpuSelector:
    """Nodes of one architecture; of one product only when ``product`` is not empty."""

    arch: str
    product: str = ""


def reach_of(engine: EngineView) -> frozenset[GpuSelector]:
    """Return the nodes some ready target of ``engine`` serves."""
    return frozenset(selector for target in engine.ready for selector in _selectors(target))


def shared_reach(engines: Iterable[EngineView]) -> frozenset[GpuSelector]:
    """Return the nodes where every engine has a ready target; empty when there is none, or no engine."""
    reaches = [reach_of(engine) for engine in engines]
    if not reaches:
        return frozenset()
    common = functools.reduce(_intersection, reaches)
    return frozenset(
        selector for selector in common if not selector.product or GpuSelector(selector.arch) not in common
    )


def terms_for(selectors: Iterable[GpuSelector]) -> list[Term]:
    """Return node selector terms (any of them suffices) that admit exactly ``selectors``."""
    selectors = sorted(selectors)
    archs = [selector.arch for selector in selectors if not selector.product]
    products = [selector.product for selector in selectors if selector.product]
    terms = [[*_without(LABEL_GPU_ARCH), *_capability(major, minors)] for major, minors in _by_major(archs)]
    if archs:
        terms.append([_of_archs(archs)])
        if known := _known_products(archs):
            terms.append([*_without(LABEL_GPU_ARCH), _of_products(LABEL_GPU_PRODUCT, known)])
            unlabelled = _without(LABEL_GPU_ARCH, LABEL_GPU_PRODUCT, GFD_MAJOR)
            terms.append([*unlabelled, _of_products(GFD_PRODUCT, known)])
    if products:
        terms.append([*_without(LABEL_GPU_PRODUCT), _of_products(GFD_PRODUCT, products)])
        terms.append([_of_products(LABEL_GPU_PRODUCT, products)])
    return [{"matchExpressions": term} for term in terms]


def affinity_for(engines: Sequence[EngineView], affinity: Mapping[str, Any] | None = None) -> Json:
    """
    Return ``affinity`` narrowed to nodes where every engine has a ready target.

    For pods that are being created, where terms may still be added: every term of the pod is combined with
    every term of ours, unless it was before.
    """
    ours = terms_for(shared_reach(engines))
    theirs = required_terms(affinity)
    combined = [both for term in theirs for both in _combined(term, ours)]
    return with_terms(affinity, combined if theirs else ours)


def is_narrowed(term: Term, ours: Sequence[Term]) -> bool:
    """Whether ``term`` admits only nodes that one of ``ours`` does, because it requires the same."""
    theirs = term.get("matchExpressions") or ()
    return any(all(one in theirs for one in other["matchExpressions"]) for other in ours)


def affinity_to_wait_with(affinity: Mapping[str, Any] | None) -> Json | None:
    """
    Return the affinity a gated pod needs so that it can be narrowed later; None when it needs none.

    Kubernetes lets expressions be added to the terms of a gated pod, but no term. So each term is split
    by the family of labels a node has, which together admits the same nodes as before.
    """
    if not (theirs := required_terms(affinity)):
        return None
    return with_terms(affinity, [both for term in theirs for both in _combined(term, HALVES)])


def is_split(term: Term) -> bool:
    """Whether ``term`` says already by which family of labels nodes are chosen."""
    return is_narrowed(term, HALVES)


def narrowed(affinity: Mapping[str, Any] | None, engines: Sequence[EngineView]) -> Json:
    """Return a gated pod's ``affinity`` narrowed by added expressions alone, or set where it had no terms."""
    if not (theirs := required_terms(affinity)):
        return affinity_for(engines, affinity)
    selectors = shared_reach(engines)
    terms = [_both(term, {"matchExpressions": _one_conjunction(term, selectors)}) for term in theirs]
    return with_terms(affinity, terms)


def can_be_placed(engines: Sequence[EngineView]) -> bool:
    """Whether every engine has a ready target, and there is a GPU that all of them serve."""
    return all(engine.ready for engine in engines) and bool(shared_reach(engines))


def seconds_to_release(engines: Sequence[EngineView], now: float) -> float | None:
    """
    Return how long a gated pod waits on: 0 is no longer, None is until one of its ``engines`` changes.

    ``now`` is in seconds since the epoch. Nothing widens a pod's affinity once its gate is lifted, so the
    pod waits until its engines have settled, or have had their time to.
    """
    if not can_be_placed(engines):
        return None
    return max(0.0, *(engine.settles_by - now for engine in engines))


def release_of(pod: Mapping[str, Any], engines: Sequence[EngineView], now: float) -> Json | None:
    """
    Return the merge patch that lets a gated pod be scheduled, None while ``seconds_to_release`` is not 0.

    It removes our gate (others stay), our waiting label, and narrows the node affinity, all in one write.
    """
    if seconds_to_release(engines, now) != 0:
        return None
    spec = pod["spec"]
    gates = [gate for gate in spec.get("schedulingGates") or () if gate.get("name") != SCHEDULING_GATE]
    return {
        "metadata": {"labels": {LABEL_WAITING: None}},
        "spec": {"schedulingGates": gates or None, "affinity": narrowed(spec.get("affinity"), engines)},
    }


def required_terms(affinity: Mapping[str, Any] | None) -> list[Term]:
    """Return the node selector terms a pod requires; empty when it requires none."""
    node = (affinity or {}).get("nodeAffinity") or {}
    required = node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    return list(required.get("nodeSelectorTerms") or ())


def with_terms(affinity: Mapping[str, Any] | None, terms: list[Term]) -> Json:
    """Return ``affinity`` with its required node selector terms replaced, everything else kept."""
    node = (affinity or {}).get("nodeAffinity") or {}
    required = {"nodeSelectorTerms": terms}
    return {
        **(affinity or {}),
        "nodeAffinity": {**node, "requiredDuringSchedulingIgnoredDuringExecution": required},
    }


def _selectors(target: ReadyTarget) -> frozenset[GpuSelector]:
    return _selectors_of(replace(target, since=0.0, size=0))


@functools.lru_cache(maxsize=4096)
def _selectors_of(target: ReadyTarget) -> frozenset[GpuSelector]:
    # Remembered: a pod may name sixteen engines of 64 targets, and the truth table is asked of every GPU.
    selectors = [GpuSelector(gpu.arch) for gpu in GPUS if _serves(target, {LABEL_GPU_ARCH: gpu.arch})]
    if target.product and _serves(target, {LABEL_GPU_ARCH: target.arch, LABEL_GPU_PRODUCT: target.product}):
        selectors.append(GpuSelector(target.arch, target.product))
    return frozenset(selectors)


def _serves(target: ReadyTarget, labels: Mapping[str, str]) -> bool:
    gpu = node_gpu(labels)
    if gpu is None:
        return False
    engine = EngineFacts(
        flavor=target.flavor,
        arch=target.arch,
        product=target.product,
        compatibility=target.compatibility,
    )
    return loads(engine, gpu).is_vouched_for


def _intersection(one: frozenset[GpuSelector], other: frozenset[GpuSelector]) -> frozenset[GpuSelector]:
    return frozenset(
        selector
        for mine, theirs in ((one, other), (other, one))
        for selector in mine
        if selector in theirs or GpuSelector(selector.arch) in theirs
    )


def _one_conjunction(term: Term, selectors: Iterable[GpuSelector]) -> list[Expression]:
    # Expressions of one term are all required, so "8.9 or 12.0" cannot be said by major and minor: that
    # would admit 8.0 too. Where it cannot, the known products of these architectures are named instead.
    selectors = sorted(selectors)
    archs = [selector.arch for selector in selectors if not selector.product]
    products = [selector.product for selector in selectors if selector.product]
    if _exists(LABEL_GPU_ARCH) in term.get("matchExpressions", ()):
        labelled = [_of_products(LABEL_GPU_PRODUCT, [*products, *_known_products(archs)])]
        return labelled if products else [_of_archs(archs)]
    majors = list(_by_major(archs))
    known = [*products, *_known_products(archs)]
    if not known or (len(majors) == 1 and not products):
        return _capability(*majors[0])
    return [_of_products(GFD_PRODUCT, known)]


def _by_major(archs: Iterable[str]) -> list[tuple[str, list[str]]]:
    majors: dict[str, list[str]] = {}
    for gpu in _gpus(archs):
        major, minor = gpu.compute_capability
        majors.setdefault(str(major), []).append(str(minor))
    return sorted(majors.items())


def _gpus(archs: Iterable[str]) -> list[Gpu]:
    wanted = set(archs)
    return [gpu for gpu in GPUS if gpu.arch in wanted]


def _known_products(archs: Iterable[str]) -> list[str]:
    return [product for gpu in _gpus(archs) for product in gpu.products]


def _of_archs(archs: Iterable[str]) -> Expression:
    return _in(LABEL_GPU_ARCH, [label for arch in archs for label in arch_labels(arch)])


def _of_products(key: str, products: Iterable[str]) -> Expression:
    return _in(key, [label for product in products for label in product_labels(product)])


def _capability(major: str, minors: list[str]) -> list[Expression]:
    return [_in(GFD_MAJOR, [major]), _in(GFD_MINOR, minors)]


def _both(one: Term, other: Term) -> Term:
    if not one.get("matchExpressions") and not one.get("matchFields"):
        return one  # an empty term matches no node; adding to it would make it match some
    expressions = [*one.get("matchExpressions", ()), *other.get("matchExpressions", ())]
    return {**one, "matchExpressions": expressions}


def _combined(term: Term, others: Sequence[Term]) -> list[Term]:
    return [term] if is_narrowed(term, others) else [_both(term, other) for other in others]


def _in(key: str, values: list[str]) -> Expression:
    return {"key": key, "operator": "In", "values": values}


def _exists(key: str) -> Expression:
    return {"key": key, "operator": "Exists"}


def _without(*keys: str) -> list[Expression]:
    return [{"key": key, "operator": "DoesNotExist"} for key in keys]


HALVES: tuple[Term, ...] = (
    {"matchExpressions": [_exists(LABEL_GPU_ARCH)]},
    {"matchExpressions": _without(LABEL_GPU_ARCH)},
)
"""The two families of labels that tell of a node's GPU: the platform team's, and GPU Feature Discovery's."""
