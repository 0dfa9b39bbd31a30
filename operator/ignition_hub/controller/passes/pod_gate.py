"""
The pass about a pod: its scheduling gate is lifted when all its engines are ready, and not about to serve
more GPUs.

When that is, and what the pod becomes then, is the contract's word (``compatibility/placement.py``).
"""

import logging
from collections.abc import Callable, Sequence

from ignition_hub.compatibility.placement import release_of, seconds_held
from ignition_hub.compatibility.readiness import EngineView, view_of
from ignition_hub.compatibility.stuck import reasons_to_wait
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.events import post, waiting_event
from ignition_hub.controller.adapters.object_cache import is_going
from ignition_hub.controller.adapters.pod_cache import WaitingPods, engines_named_by
from ignition_hub.controller.policy.job_status import epoch
from ignition_hub.controller.process.keys import Key, pod_key
from ignition_hub.controller.process.work_queue import Again
from ignition_hub.kube import Object

logger = logging.getLogger(__name__)

YOUNG = 60.0
"""Seconds after the creation of a pod in which an engine that it names may be on its way to us."""


class PodNotes:
    """
    What events said of pods that wait, since this controller began to lead.

    Of a pod that is older, an earlier one has said it: only what becomes of it from now on is news.
    """

    def __init__(self, *, instance: str, since: float) -> None:
        self.instance = instance
        self._since = since
        self._told: dict[Key, tuple[str, str]] = {}

    def is_news(self, pod: Object, note: str, pods: WaitingPods) -> bool:
        """Tell whether ``note`` was not said of a pod yet; it counts as said from here on."""
        key, said = pod_key(pod), (pod["metadata"].get("uid", ""), note)
        before, self._told[key] = self._told.get(key), said
        if len(self._told) > 2 * len(pods) + 64:
            self._told = {
                one: told for one, told in self._told.items() if pods.get(one.namespace, one.name) is not None
            }
        if before is None:
            return bool(note) and (epoch(pod["metadata"].get("creationTimestamp")) or 0.0) >= self._since
        return bool(note) and before != said


async def lift_gate(
    cluster: Cluster, key: Key, now: float, waited: Callable[[float], None], notes: PodNotes
) -> Again:
    """
    Lift the scheduling gate of a pod if it may go; say on the pod what it waits for that does not pass.

    ``now`` is in seconds since the epoch; ``waited`` is told how many seconds a released pod has waited.
    """
    pod = cluster.waiting_pods.get(key.namespace, key.name)
    if pod is None or is_going(pod):
        return Again()
    views = {name: _view(cluster, key.namespace, name) for name in engines_named_by(pod)}
    known = [view for view in views.values() if view is not None]
    patch = release_of(pod, known, now) if known and len(known) == len(views) else None
    age = max(0.0, now - (epoch(pod["metadata"].get("creationTimestamp")) or now))
    missing = [name for name, view in views.items() if view is None]
    if missing and age < YOUNG:
        return Again(seconds=YOUNG - age)
    if patch is None:
        await _tell(cluster, pod, reasons_of(pod, known, missing), notes)
        return Again(seconds=None if missing else seconds_held(pod, known, now))
    logger.info("lifting the scheduling gate", extra={"pod": f"{key.namespace}/{key.name}"})
    await cluster.release_pod(pod, patch)
    waited(age)
    return Again()


def reasons_of(pod: Object, known: Sequence[EngineView], missing: Sequence[str]) -> list[str]:
    """Return why a pod waits for more than a build: its engines are ``known``, or are ``missing``."""
    if missing:
        return [f"the namespace has no TensorRTEngine {name}: apply it" for name in missing]
    may_come = [one for one in known if not one.is_settled and not one.failure]
    return reasons_to_wait(pod, known) if known and not may_come else []


async def _tell(cluster: Cluster, pod: Object, reasons: Sequence[str], notes: PodNotes) -> None:
    note = "; ".join(reasons)
    if notes.is_news(pod, note, cluster.waiting_pods):
        await post(cluster.kube, waiting_event(pod, note, instance=notes.instance))


def gated_by(cluster: Cluster, namespace: str, engine: str) -> list[Key]:
    """Return the pods that wait for an engine: who may go when something of it changed."""
    return [pod_key(pod) for pod in cluster.waiting_pods.waiting_for(namespace, engine)]


def _view(cluster: Cluster, namespace: str, name: str) -> EngineView | None:
    body = cluster.engines.get(namespace, name)
    return view_of(body) if body is not None else None
