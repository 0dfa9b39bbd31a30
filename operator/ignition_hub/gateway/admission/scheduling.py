"""
Where an injected pod may be scheduled, or that it is held by a gate until its engines are ready. Pure.

A pod that falls back to the ONNX model runs on any node, at once.
"""

from collections.abc import Sequence

from ignition_hub.compatibility.placement import (
    affinity_for,
    affinity_to_wait_with,
    has_place,
    is_narrowed,
    is_split,
    required_terms,
    terms_to_add,
)
from ignition_hub.compatibility.pod_request import PodRequest, request_of
from ignition_hub.compatibility.readiness import EngineView
from ignition_hub.compatibility.stuck import where_why_is
from ignition_hub.compatibility.waiting_terms import COARSE
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.names import LABEL_WAITING, SCHEDULING_GATE
from ignition_hub.engine.pod_annotations import InjectionRequest, OnMiss
from ignition_hub.gateway.admission.bounds import require_few_combined, require_few_terms
from ignition_hub.gateway.admission.json_patch import Json, Patch, add, appended, remove

TO_WAIT_WITH = len(COARSE)
"""Terms that each of a pod's is split into at least while it waits."""


def scheduling(pod: Json, engines: Sequence[EngineView], request: InjectionRequest) -> Patch:
    """Keep the pod off nodes that no ready target serves, or from being scheduled at all for now."""
    if pod["spec"].get("nodeName"):
        # No scheduler is asked: the API server would refuse a gate, the kubelet another affinity.
        return []
    if request.on_miss is OnMiss.FALLBACK:
        return not_held(pod)
    if has_place(pod, engines) and not is_held(pod):
        return narrowed_to(pod, engines, request_of(pod))
    failed = [engine for engine in engines if not engine.ready and engine.failure]
    if failed and request.on_miss is OnMiss.FAIL:
        raise RequestError(
            Reason.NoEngineForGPU,
            f"TensorRTEngine {failed[0].name} has no ready target and will not get one",
            f"{where_why_is(failed[0])}; correct it, or set the annotation on-miss to Wait",
        )
    return held(pod)


def narrowed_to(pod: Json, engines: Sequence[EngineView], asked: PodRequest) -> Patch:
    """Narrow the pod's affinity to the nodes that its engines serve, with the GPU that it asks for."""
    affinity = pod["spec"].get("affinity")
    theirs = required_terms(affinity)
    require_few_combined(len(theirs))
    ours = terms_to_add(engines, affinity, asked)
    narrowed = sum(is_narrowed(term, ours) for term in theirs)
    require_few_terms(len(theirs) - narrowed, len(ours), narrowed)
    return with_affinity(pod, affinity_for(engines, affinity, asked))


def is_held(pod: Json) -> bool:
    """Whether the pod has the hub's scheduling gate already; the controller lifts it."""
    return SCHEDULING_GATE in [gate.get("name") for gate in pod["spec"].get("schedulingGates") or ()]


def not_held(pod: Json) -> Patch:
    """Take the hub's gate off a pod that was printed while it waited, and is created again to fall back."""
    gates = pod["spec"].get("schedulingGates") or ()
    others = [gate for gate in gates if gate.get("name") != SCHEDULING_GATE]
    if len(others) == len(gates):
        return []
    waits = LABEL_WAITING in (pod["metadata"].get("labels") or {})
    return [
        add(("spec", "schedulingGates"), others),
        *([remove(("metadata", "labels", LABEL_WAITING))] if waits else []),
    ]


def held(pod: Json) -> Patch:
    """Hold the pod by the scheduling gate, with an affinity that can be narrowed while it waits."""
    affinity = pod["spec"].get("affinity")
    theirs = required_terms(affinity)
    require_few_combined(len(theirs))
    split = sum(is_split(term) for term in theirs)
    require_few_terms(len(theirs) - split, TO_WAIT_WITH, split)
    waiting = affinity_to_wait_with(affinity)
    gate = [] if is_held(pod) else [{"name": SCHEDULING_GATE}]
    return [
        *appended(pod, ("spec", "schedulingGates"), gate),
        *labelled(pod, LABEL_WAITING, "true"),
        *(with_affinity(pod, waiting) if waiting else []),
    ]


def with_affinity(pod: Json, affinity: Json) -> Patch:
    """Set the pod's affinity where it has another."""
    return [] if pod["spec"].get("affinity") == affinity else [add(("spec", "affinity"), affinity)]


def labelled(pod: Json, label: str, value: str) -> Patch:
    """Add a label; a pod that was selected by label has labels."""
    labels = pod["metadata"].get("labels")
    return [add(("metadata", "labels", label), value)] if labels and labels.get(label) != value else []
