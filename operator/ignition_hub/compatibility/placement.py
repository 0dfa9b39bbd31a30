"""
Which nodes a pod may go to, so that one of its engines' ready targets serves the GPU there.

Pure. The webhook asks it when a pod is created and its engines are ready; the controller asks it when it
lifts the scheduling gate of a pod that had to wait. Both narrow what the pod itself asked for and never
widen it. The last word stays with the gateway, which sees the node the pod really got.

The terms are ``node_terms``: labels that ``inventory`` believes, for what the pod requests. ``waiting_terms``
are those of a pod that waits.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ignition_hub.compatibility.gpus import GPUS, NodeGpu, is_on_arm64_alone, labelled_gpu
from ignition_hub.compatibility.loading import VOUCHED, EngineFacts, loads
from ignition_hub.compatibility.machines import (
    AMD64,
    ARM64,
    MACHINES,
    machines_left,
    off_other_machines,
    on_machine,
    runs_on,
)
from ignition_hub.compatibility.node_terms import (
    LATER,
    NOTHING,
    Expression,
    GpuSelector,
    Term,
    both,
    can_have,
    terms_for,
)
from ignition_hub.compatibility.pinned_gpus import pinned_gpus
from ignition_hub.compatibility.pod_request import PodRequest, request_of
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.compatibility.waiting_terms import MOST_PARTS, SPLITS, conjunction, parts_for, unsplit
from ignition_hub.engine.identity import AMPERE_PLUS
from ignition_hub.engine.names import LABEL_GPU_ARCH, LABEL_GPU_PRODUCT, LABEL_WAITING, SCHEDULING_GATE

Json = dict[str, Any]

_LATER_THAN_ANY = "sm_999"
"""An architecture that no table will have."""


def reach_of(engine: EngineView) -> frozenset[GpuSelector]:
    """Return the nodes some ready target of ``engine`` serves."""
    return frozenset(selector for target in engine.ready for selector in _selectors(target))


def shared_reach(
    engines: Sequence[EngineView], asked: PodRequest = NOTHING, machines: Iterable[str] = MACHINES
) -> frozenset[GpuSelector]:
    """
    Return the nodes where every engine has a ready target for a pod that asks for ``asked``.

    Empty when there is none, or no engine. A machine is served by engines that are all of its platform.
    """
    if not engines:
        return frozenset()
    reaches = ([reach_of(on_machine(engine, machine)) for engine in engines] for machine in machines)
    common = frozenset[GpuSelector]().union(*(functools.reduce(_intersection, each) for each in reaches))
    return frozenset(
        selector
        for selector in common
        if can_have(selector, asked) and (not selector.product or GpuSelector(selector.arch) not in common)
    )


def affinity_for(
    engines: Sequence[EngineView], affinity: Mapping[str, Any] | None = None, asked: PodRequest = NOTHING
) -> Json:
    """
    Return ``affinity`` narrowed to nodes where every engine has a ready target.

    For pods that are being created, where terms may still be added: every term of the pod is combined with
    every term of ours, unless it was before.
    """
    ours = terms_to_add(engines, affinity, asked)
    theirs = required_terms(affinity)
    combined = [one for term in theirs for one in _combined(term, ours)]
    return with_terms(affinity, combined if theirs else ours)


def terms_to_add(
    engines: Sequence[EngineView], affinity: Mapping[str, Any] | None = None, asked: PodRequest = NOTHING
) -> list[Term]:
    """
    Return the terms of the nodes that ``engines`` serve, to be combined with those of ``affinity``.

    Without those of managed clusters where a pod has too many of its own for them.
    """
    theirs = required_terms(affinity)
    ours = _terms(engines, asked)
    narrowed = sum(is_narrowed(term, ours) for term in theirs)
    has_room = (len(theirs) - narrowed) * len(ours) + narrowed <= MOST_PARTS
    return ours if has_room else _terms(engines, asked, clouds=False)


def is_narrowed(term: Term, ours: Sequence[Term]) -> bool:
    """Whether ``term`` admits only nodes that one of ``ours`` does, because it requires the same."""
    theirs = term.get("matchExpressions") or ()
    return any(all(one in theirs for one in other["matchExpressions"]) for other in ours)


def affinity_to_wait_with(affinity: Mapping[str, Any] | None) -> Json | None:
    """Return the affinity a gated pod needs so that it can be narrowed later; None when it needs none."""
    if not (theirs := required_terms(affinity)):
        return None
    split = sum(is_split(term) for term in theirs)
    parts = parts_for(len(theirs) - split, split)
    terms = [part for term in theirs for part in ([term] if is_split(term) else _combined(term, parts))]
    return with_terms(affinity, terms)


def is_split(term: Term) -> bool:
    """Whether ``term`` says already by which kind of label nodes are chosen."""
    return is_narrowed(term, [part for parts in SPLITS for part in parts])


def narrowed(
    affinity: Mapping[str, Any] | None,
    engines: Sequence[EngineView],
    asked: PodRequest = NOTHING,
    selector: Mapping[str, Any] | None = None,
) -> Json:
    """
    Return a gated pod's ``affinity`` narrowed by added expressions alone, or set where it had no terms.

    ``selector`` is the pod's node selector: it may leave one machine alone, as each of its terms may.
    """
    if not (theirs := required_terms(affinity)):
        return affinity_for(engines, affinity, asked)
    # A term can leave out a machine, and not be for some GPUs of one and for others of the other.
    machine = _only_machine(engines, asked)
    left = [tuple(machines_left(selector or {}, [one])) for one in theirs]
    # Where nothing is served on the machines that a term leaves, it is closed by the machine.
    reach = {some: shared_reach(engines, asked, some) or shared_reach(engines, asked) for some in set(left)}
    terms = [
        both(one, {"matchExpressions": [*conjunction(one, reach[some], asked), *machine]})
        for one, some in zip(theirs, left, strict=True)
    ]
    return with_terms(affinity, terms)


def can_be_placed(engines: Sequence[EngineView], asked: PodRequest = NOTHING) -> bool:
    """Whether every engine has a ready target, and there is a GPU for such a pod that all of them serve."""
    return all(engine.ready for engine in engines) and bool(shared_reach(engines, asked))


def chosen_gpus(pod: Mapping[str, Any]) -> frozenset[NodeGpu] | None:
    """Return the GPUs that a pod's own node selector and node affinity leave; None where these do not say."""
    spec = pod["spec"]
    terms = [unsplit(term) for term in required_terms(spec.get("affinity"))]
    return pinned_gpus(spec.get("nodeSelector") or {}, terms)


def chosen_machines(pod: Mapping[str, Any]) -> list[str]:
    """Return the machines that a pod's own node selector and node affinity leave, by the GPUs too."""
    spec, gpus = pod["spec"], chosen_gpus(pod)
    left = machines_left(spec.get("nodeSelector") or {}, required_terms(spec.get("affinity")))
    return [one for one in left if gpus is None or any(_is_found_on(one, gpu) for gpu in gpus)] or left


def has_place(pod: Mapping[str, Any], engines: Sequence[EngineView]) -> bool:
    """Whether all engines serve a GPU that the pod requests and that its own selectors leave."""
    asked = request_of(pod)
    if not can_be_placed(engines, asked):
        return False
    chosen = None if asked.claims_alone else chosen_gpus(pod)
    reaches = [(one, shared_reach(engines, asked, [one])) for one in chosen_machines(pod)]
    if chosen is None:
        return any(reach for _, reach in reaches)
    return any(
        _is_found_on(machine, gpu) and _is_in_reach(gpu, reach, asked)
        for machine, reach in reaches
        for gpu in chosen
    )


def reachable_targets(pod: Mapping[str, Any], engine: EngineView) -> list[ReadyTarget]:
    """
    Return the ready targets of ``engine`` that may be the best one for a GPU that the pod may get.

    Where the pod's own selectors name its GPUs, a target that is never the best of them is left out.
    """
    reachable = [target for target in engine.ready if has_place(pod, [replace(engine, ready=(target,))])]
    gpus = chosen_gpus(pod)
    if gpus is None or len(reachable) < 2:
        return reachable
    alike = [[one for one in reachable if runs_on(one.platform, machine)] for machine in chosen_machines(pod)]
    best = {ranked[0] for gpu in gpus for some in alike if (ranked := _rank_on(gpu, some))}
    return [target for target in reachable if target in best]


def _rank_on(gpu: NodeGpu, targets: Sequence[ReadyTarget]) -> list[ReadyTarget]:
    """Return those of ``targets`` that load on ``gpu``, the best first."""
    found = [(loads(_facts(target), gpu), target) for target in targets]
    vouched = [(VOUCHED.index(each.level), target) for each, target in found if each.is_vouched_for]
    return [target for _, target in sorted(vouched, key=lambda pair: pair[0])]


def _is_found_on(machine: str, gpu: NodeGpu) -> bool:
    return machine == ARM64 or not is_on_arm64_alone(gpu)


def _is_in_reach(gpu: NodeGpu, reach: Iterable[GpuSelector], asked: PodRequest) -> bool:
    # Which slice of a card a pod gets, its request says and not the labels that it selects nodes by.
    product = gpu.exact_product if asked.cards and not asked.profiles else None
    return any(one.has(gpu.arch) and (not one.product or product in (None, one.product)) for one in reach)


def seconds_to_release(
    engines: Sequence[EngineView], now: float, asked: PodRequest = NOTHING
) -> float | None:
    """
    Return how long a gated pod waits on: 0 is no longer, None is until one of its ``engines`` changes.

    ``now`` is in seconds since the epoch. Nothing widens a pod's affinity once its gate is lifted, so the
    pod waits until its engines have settled, or have had their time to.
    """
    if not can_be_placed(engines, asked):
        return None
    return max(0.0, *(engine.settles_by - now for engine in engines))


def seconds_held(pod: Mapping[str, Any], engines: Sequence[EngineView], now: float) -> float | None:
    """Return how long a gated pod waits on, as ``seconds_to_release``; None too where no node would do."""
    return seconds_to_release(engines, now, request_of(pod)) if has_place(pod, engines) else None


def release_of(pod: Mapping[str, Any], engines: Sequence[EngineView], now: float) -> Json | None:
    """
    Return the merge patch that lets a gated pod be scheduled, None while ``seconds_held`` is not 0.

    It removes our gate (others stay), our waiting label, and narrows the node affinity, all in one write.
    """
    spec, asked = pod["spec"], request_of(pod)
    if seconds_held(pod, engines, now) != 0:
        return None
    gates = [gate for gate in spec.get("schedulingGates") or () if gate.get("name") != SCHEDULING_GATE]
    affinity = narrowed(spec.get("affinity"), engines, asked, spec.get("nodeSelector"))
    return {
        "metadata": {"labels": {LABEL_WAITING: None}},
        "spec": {"schedulingGates": gates or None, "affinity": affinity},
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
    return _selectors_of(replace(target, since=0.0, size=0, name="", sha256="", image=""))


@functools.lru_cache(maxsize=4096)
def _selectors_of(target: ReadyTarget) -> frozenset[GpuSelector]:
    # Remembered: a pod may name sixteen engines of 64 targets, and the truth table is asked of every GPU.
    selectors = [GpuSelector(gpu.arch) for gpu in GPUS if _serves(target, {LABEL_GPU_ARCH: gpu.arch})]
    if target.compatibility == AMPERE_PLUS and _serves(target, {LABEL_GPU_ARCH: _LATER_THAN_ANY}):
        selectors.append(GpuSelector(LATER))
    if target.product and _serves(target, {LABEL_GPU_ARCH: target.arch, LABEL_GPU_PRODUCT: target.product}):
        selectors.append(GpuSelector(target.arch, target.product))
    return frozenset(selectors)


def _serves(target: ReadyTarget, labels: Mapping[str, str]) -> bool:
    gpu = labelled_gpu(labels)
    if gpu is None:
        return False
    return loads(_facts(target), gpu).is_vouched_for


def _facts(target: ReadyTarget) -> EngineFacts:
    return EngineFacts(
        flavor=target.flavor,
        arch=target.arch,
        product=target.product,
        compatibility=target.compatibility,
        platform=target.platform,
    )


def _terms(engines: Sequence[EngineView], asked: PodRequest, *, clouds: bool = True) -> list[Term]:
    """Return the terms of the nodes that ``engines`` serve: first of those that are served on any machine."""
    amd64, arm64 = (shared_reach(engines, asked, [machine]) for machine in MACHINES)
    terms = _terms_of(amd64 & arm64, asked, clouds=clouds)
    for machine, selectors in ((AMD64, amd64 - arm64), (ARM64, arm64 - amd64)):
        there = {"matchExpressions": [off_other_machines(machine)]}
        terms += [both(term, there) for term in _terms_of(selectors, asked, clouds=clouds)]
    return terms


def _terms_of(selectors: frozenset[GpuSelector], asked: PodRequest, *, clouds: bool) -> list[Term]:
    return terms_for(selectors, asked, clouds=clouds) if selectors else []


def _only_machine(engines: Sequence[EngineView], asked: PodRequest) -> list[Expression]:
    """Leave out the machine on which no GPU is served."""
    served = [machine for machine in MACHINES if shared_reach(engines, asked, [machine])]
    return [off_other_machines(served[0])] if len(served) == 1 else []


def _intersection(one: frozenset[GpuSelector], other: frozenset[GpuSelector]) -> frozenset[GpuSelector]:
    return frozenset(
        selector
        for mine, theirs in ((one, other), (other, one))
        for selector in mine
        if selector in theirs or GpuSelector(selector.arch) in theirs
    )


def _combined(term: Term, others: Sequence[Term]) -> list[Term]:
    return [term] if is_narrowed(term, others) else [both(term, other) for other in others]
