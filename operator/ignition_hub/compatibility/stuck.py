"""
Why a pod will not be scheduled until somebody changes something: for its author, in words.

Pure. The webhook warns by it when the pod is created, the controller says it in an event of a pod that waits.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ignition_hub.compatibility.placement import (
    can_be_placed,
    chosen_gpus,
    chosen_machines,
    has_place,
    shared_reach,
)
from ignition_hub.compatibility.pod_request import request_of
from ignition_hub.compatibility.readiness import EngineView


def reasons_to_wait(pod: Mapping[str, Any], engines: Sequence[EngineView]) -> list[str]:
    """Return why a pod waits for more than a build; empty where its engines may still become ready."""
    if failed := [engine for engine in engines if not engine.ready and engine.failure]:
        return [f"TensorRTEngine {engine.name} has failed: {where_why_is(engine)}" for engine in failed]
    if not all(engine.ready for engine in engines):
        return []
    return list(_without_a_place(pod, engines))


def _without_a_place(pod: Mapping[str, Any], engines: Sequence[EngineView]) -> Iterator[str]:
    names = ", ".join(engine.name for engine in engines)
    asked = request_of(pod)
    if not can_be_placed(engines):
        yield f"no GPU can run all of: {names}"
    elif not can_be_placed(engines, asked):
        yield f"no GPU that the pod requests can run all of: {names}"
    elif not has_place(pod, engines):
        yield (
            f"its node selector and node affinity leave {chosen_by(pod)}, and {names} is ready for "
            f"{served_by(engines)}: add a target for that GPU, or select nodes of a GPU that has one"
        )


def chosen_by(pod: Mapping[str, Any]) -> str:
    """Say which GPUs the pod's own selectors leave."""
    gpus, machines = chosen_gpus(pod), chosen_machines(pod)
    found = {f"{gpu.exact_product} ({gpu.arch})" if gpu.exact_product else gpu.arch for gpu in gpus or ()}
    where = f" on {machines[0]}" if len(machines) == 1 else ""
    return (", ".join(sorted(found)) or ("GPUs" if gpus is None else "no GPU")) + where


def served_by(engines: Sequence[EngineView]) -> str:
    """Say which GPUs all of the engines serve."""
    return ", ".join(sorted({one.product or one.arch for one in shared_reach(engines)}))


def where_why_is(engine: EngineView) -> str:
    """Say how to read why an engine failed: it may name models, for those alone who may read the resource."""
    return f"kubectl describe tensorrtengine {engine.name} says why"
