"""
The pass about a pod: its scheduling gate is lifted when all its engines are ready, and not about to serve
more GPUs.

When that is, and what the pod becomes then, is the contract's word (``compatibility/placement.py``).
"""

import logging
from collections.abc import Callable

from ignition_hub.compatibility.placement import release_of, seconds_to_release
from ignition_hub.compatibility.pod_request import request_of
from ignition_hub.compatibility.readiness import EngineView, view_of
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.object_cache import is_going
from ignition_hub.controller.adapters.pod_cache import engines_named_by
from ignition_hub.controller.policy.job_status import epoch
from ignition_hub.controller.process.keys import Key, pod_key
from ignition_hub.controller.process.work_queue import Again

logger = logging.getLogger(__name__)


async def lift_gate(cluster: Cluster, key: Key, now: float, waited: Callable[[float], None]) -> Again:
    """
    Lift the scheduling gate of a pod if it may go.

    ``now`` is in seconds since the epoch; ``waited`` is told how many seconds a released pod has waited.
    """
    pod = cluster.waiting_pods.get(key.namespace, key.name)
    if pod is None or is_going(pod):
        return Again()
    views = [_view(cluster, key.namespace, name) for name in engines_named_by(pod)]
    known = [view for view in views if view is not None]
    if len(known) < len(views) or not known:
        return Again()
    patch = release_of(pod, known, now)
    if patch is None:
        return Again(seconds=seconds_to_release(known, now, request_of(pod)))
    logger.info("lifting the scheduling gate", extra={"pod": f"{key.namespace}/{key.name}"})
    await cluster.release_pod(pod, patch)
    waited(max(0.0, now - (epoch(pod["metadata"].get("creationTimestamp")) or now)))
    return Again()


def gated_by(cluster: Cluster, namespace: str, engine: str) -> list[Key]:
    """Return the pods that wait for an engine: who may go when something of it changed."""
    return [pod_key(pod) for pod in cluster.waiting_pods.waiting_for(namespace, engine)]


def _view(cluster: Cluster, namespace: str, name: str) -> EngineView | None:
    body = cluster.engines.get(namespace, name)
    return view_of(body) if body is not None else None
