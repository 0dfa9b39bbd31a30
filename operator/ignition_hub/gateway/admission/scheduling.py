"""
Where an injected pod may be scheduled, or that it is held by a gate until its engines are ready. Pure.
"""

from collections.abc import Sequence

from ignition_hub.compatibility.placement import (
    affinity_for,
    affinity_to_wait_with,
    can_be_placed,
    required_terms,
    shared_reach,
    terms_for,
)
from ignition_hub.compatibility.readiness import EngineView
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.names import LABEL_WAITING, SCHEDULING_GATE
from ignition_hub.engine.pod_annotations import InjectionRequest, OnMiss
from ignition_hub.gateway.admission.bounds import require_few_terms
from ignition_hub.gateway.admission.json_patch import Json, Patch, add, appended

TO_WAIT_WITH = 2
"""Terms that each of a pod's is split into while it waits."""


def scheduling(pod: Json, engines: Sequence[EngineView], request: InjectionRequest) -> Patch:
    """Keep the pod off nodes that no ready target serves, or from being scheduled at all for now."""
    affinity = pod["spec"].get("affinity")
    theirs = len(required_terms(affinity))
    if can_be_placed(engines):
        require_few_terms(theirs, len(terms_for(shared_reach(engines))))
        return [add(("spec", "affinity"), affinity_for(engines, affinity))]
    failed = [engine for engine in engines if not engine.ready and engine.failure]
    if failed and request.on_miss is OnMiss.FAIL:
        raise RequestError(
            Reason.NoEngineForGPU,
            f"TensorRTEngine {failed[0].name} has no ready target and will not get one",
            f"{where_why_is(failed[0])}; correct it, or set the annotation on-miss to Wait",
        )
    require_few_terms(theirs, TO_WAIT_WITH)
    waiting = affinity_to_wait_with(affinity)
    return [
        *appended(pod, ("spec", "schedulingGates"), [{"name": SCHEDULING_GATE}]),
        *labelled(pod, LABEL_WAITING, "true"),
        *([add(("spec", "affinity"), waiting)] if waiting else []),
    ]


def labelled(pod: Json, label: str, value: str) -> Patch:
    """Add a label; a pod that was selected by label has labels."""
    return [add(("metadata", "labels", label), value)] if pod["metadata"].get("labels") else []


def where_why_is(engine: EngineView) -> str:
    """Say how to read why an engine failed: it may name models, for those alone who may read the resource."""
    return f"kubectl describe tensorrtengine {engine.name} says why"
