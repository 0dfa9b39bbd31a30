"""
Whether a pod runs the engines that it would get today. Pure.

What it runs it says itself, in the last message of its init container; what it would get is chosen as the
gateway chooses, for the GPU that the pod names.
"""

import json
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any

from ignition_hub.compatibility.engine_choice import EngineNotReady, NoEngineForGPU, ready_for
from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.names import ANNOTATION_REBUILD, INIT_CONTAINER
from ignition_hub.engine.naming import engines_named
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.engine.running_engines import DIGITS, RunningEngines

Json = Mapping[str, Any]
Engines = Callable[[str], Json | None]
"""Returns a TensorRTEngine of the pod's namespace by name; None when there is none."""


class Standing(Enum):
    """How a pod stands to the engines of today."""

    CURRENT = auto()
    STALE = auto()
    """All its engines are ready for its GPU, and it runs another than one of them, or the ONNX model."""
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
    gpu = NodeGpu(said.arch, said.product, mig=None)  # a slice is a product of its own, by its name
    offered = [digests_for(engines(name), gpu) for name in names]
    pairs = list(zip(said.engines, offered, strict=True))
    # A pod with the ONNX model would get that again.
    if any(digest and not digests for digest, digests in pairs):
        return Standing.UNSERVED
    is_current = all(digest in digests if digests else not digest for digest, digests in pairs)
    return Standing.CURRENT if is_current else Standing.STALE


def what_runs(pod: Json) -> RunningEngines | None:
    """Return what a pod says that it runs; None while it has fetched nothing, and once it has ended."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") in {"Succeeded", "Failed"}:
        return None
    for container in status.get("initContainerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated") or {}
        if container.get("name") == INIT_CONTAINER and ended.get("exitCode") == 0:
            return _read(ended.get("message") or "")
    return None


def digests_for(engine: Json | None, gpu: NodeGpu) -> frozenset[str]:
    """
    Return the engines of a TensorRTEngine that a pod on ``gpu`` may be given; empty when none is ready.

    Each is as good as the best: the gateway gives the next where one is damaged, and restarting the pod
    would change nothing.
    """
    if engine is None or not is_settled(engine):
        return frozenset()
    try:
        return frozenset(each.sha256[:DIGITS] for each in ready_for(engine, gpu) if each.sha256)
    except (EngineNotReady, NoEngineForGPU):
        return frozenset()


def is_settled(engine: Json) -> bool:
    """Tell whether the status is about the spec, and no rebuild that was requested is still to come."""
    metadata, status = engine["metadata"], engine.get("status") or {}
    asked = (metadata.get("annotations") or {}).get(ANNOTATION_REBUILD)
    is_current = status.get("observedGeneration", -1) >= metadata.get("generation", 0)
    return is_current and asked in (None, status.get("lastHandledRebuild"))


def _names(pod: Json) -> list[str]:
    text = (pod["metadata"].get("annotations") or {}).get(ANNOTATION_ENGINES.name) or ""
    return [resource for _, resource in engines_named(text)]


def _read(message: str) -> RunningEngines | None:
    try:
        return RunningEngines.from_json(json.loads(message))
    except (ContractError, ValueError, RecursionError):
        return None
