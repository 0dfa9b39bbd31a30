"""
Whether a pod runs the engines that it would get today. Pure.

What it runs it says itself, in the last message of its init container; what it would get is chosen as the
gateway chooses, for the GPU that the pod names.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from typing import Any

from ignition_hub.compatibility.engine_choice import (
    CandidateTarget,
    EngineNotReady,
    NoEngineForGPU,
    ready_for,
)
from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.compatibility.readiness import seconds_of
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.names import ANNOTATION_REBUILD, INIT_CONTAINER
from ignition_hub.engine.naming import engines_named
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.engine.running_engines import DIGITS, RunningEngines

Json = Mapping[str, Any]
Engines = Callable[[str], Json | None]
"""Returns a TensorRTEngine of the pod's namespace by name; None when there is none."""

LATE = 180.0
"""
Seconds that a gateway may learn of an engine after the controller wrote it: a watch that died counts as dead
after 150, and a list takes up to 30. A pod that asked in this time may have the model for that alone. Less
than lies between two rollouts of a workload, so that the pods of the second have asked in time.
"""


class Standing(Enum):
    """How a pod stands to the engines of today."""

    CURRENT = auto()
    STALE = auto()
    """All its engines are ready for its GPU, and it runs another than one of them, or asked too early."""
    UNSERVED = auto()
    """An engine of its is not ready for its GPU, or never will be: another pod could not start there."""
    SILENT = auto()
    """It has not fetched its engines yet, or has ended."""


def standing_of(pod: Json, engines: Engines) -> Standing:
    """Return how a pod stands to the engines that it names."""
    names = _names(pod)
    said = what_runs(pod)
    if said is None or len(said.engines) != len(names):
        return Standing.SILENT
    # A slice is a product of its own, by its name.
    gpu = NodeGpu(said.arch, said.product, mig=None, platform=said.platform)
    pairs = [(digest, offered(engines(name), gpu)) for digest, name in zip(said.engines, names, strict=True)]
    # A pod with the ONNX model would get that again.
    if any(digest and not ready for digest, ready in pairs):
        return Standing.UNSERVED
    asked = asked_at(pod)
    is_current = all(_has(digest, ready) if digest else not _came(ready, asked) for digest, ready in pairs)
    return Standing.CURRENT if is_current else Standing.STALE


def what_runs(pod: Json) -> RunningEngines | None:
    """Return what a pod says that it runs; None while it has fetched nothing, and once it has ended."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") in {"Succeeded", "Failed"}:
        return None
    ended = _fetch_of(pod)
    return _read(ended.get("message") or "") if ended.get("exitCode") == 0 else None


def asked_at(pod: Json) -> float | None:
    """
    Return since when a pod has asked for its engines, in seconds since the epoch; None where nothing tells.

    Its fetch may take minutes after the answer, so its end would be too late. The API server dates each pod,
    also where the kubelet does not date the fetch.
    """
    started = _fetch_of(pod).get("startedAt") or pod["metadata"].get("creationTimestamp")
    return seconds_of(started) if started else None


def offered(engine: Json | None, gpu: NodeGpu) -> tuple[CandidateTarget, ...]:
    """
    Return the engines of a TensorRTEngine that a pod on ``gpu`` may be given; empty when none is ready.

    Each is as good as the best: the gateway gives the next where one is damaged, and restarting the pod
    would change nothing.
    """
    if engine is None or not is_settled(engine):
        return ()
    try:
        return tuple(each for each in ready_for(engine, gpu) if each.sha256)
    except (EngineNotReady, NoEngineForGPU):
        return ()


def is_settled(engine: Json) -> bool:
    """Tell whether the status is about the spec, and no rebuild that was requested is still to come."""
    metadata, status = engine["metadata"], engine.get("status") or {}
    asked = (metadata.get("annotations") or {}).get(ANNOTATION_REBUILD)
    is_current = status.get("observedGeneration", -1) >= metadata.get("generation", 0)
    return is_current and asked in (None, status.get("lastHandledRebuild"))


def _has(digest: str, ready: Iterable[CandidateTarget]) -> bool:
    return digest in {(each.sha256 or "")[:DIGITS] for each in ready}


def _came(ready: Iterable[CandidateTarget], asked: float | None) -> bool:
    """
    Tell whether an engine became ready after a pod that has the model had asked.

    One that was ready before was refused for a reason that the status does not tell, such as the platform in
    its manifest, and the next pod would get the model again. The controller writes the time with the state,
    so a status without it restarts nothing.
    """
    times = [each.ready_at for each in ready if each.ready_at is not None]
    return asked is not None and any(asked < time + LATE for time in times)


def _fetch_of(pod: Json) -> Json:
    """Return how the fetch ended that a pod runs by; empty while none has."""
    for container in (pod.get("status") or {}).get("initContainerStatuses") or ():
        if container.get("name") == INIT_CONTAINER:
            return (container.get("state") or {}).get("terminated") or {}
    return {}


def _names(pod: Json) -> list[str]:
    text = (pod["metadata"].get("annotations") or {}).get(ANNOTATION_ENGINES.name) or ""
    return [resource for _, resource in engines_named(text)]


def _read(message: str) -> RunningEngines | None:
    try:
        return RunningEngines.from_json(json.loads(message))
    except (ContractError, ValueError, RecursionError):
        return None
