"""
A workload as a rollout sees it: a Deployment, StatefulSet, DaemonSet or Argo Rollout. Pure.

Each kind tells in words of its own which of its pods are of the present template, and whether all of them
are. What ``kubectl rollout status`` and Argo's controller read is read here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ignition_hub.compatibility.served_pods import Standing
from ignition_hub.engine.names import ANNOTATION_ROLLED
from ignition_hub.engine.pod_annotations import ANNOTATION_ROLLOUT, Rollout

Json = Mapping[str, Any]

DEPLOYMENT_REVISION = "deployment.kubernetes.io/revision"
ROLLOUT_REVISION = "rollout.argoproj.io/revision"
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


@dataclass(frozen=True, slots=True)
class ServedPod:
    """
    A pod of a workload.

    ``is_of_template`` tells that it was created from the present template, so that nothing will replace it.
    """

    standing: Standing
    is_of_template: bool


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload as the API server returned it, and its pods that were injected."""

    body: Json
    pods: tuple[ServedPod, ...]

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def asks(self) -> bool:
        """Whether its template asks for rollouts now; False where its template lies elsewhere."""
        said = _template_annotations(self.body).get(ANNOTATION_ROLLOUT.name)
        return said == Rollout.AUTOMATIC

    @property
    def is_going(self) -> bool:
        """Whether it is being deleted."""
        return bool(self.body["metadata"].get("deletionTimestamp"))

    @property
    def is_paused(self) -> bool:
        """Whether its author paused it, or Argo does at a step of a canary."""
        return bool(self.body["spec"].get("paused") or _status(self.body).get("pauseConditions"))

    @property
    def is_observed(self) -> bool:
        """Whether its controller has seen its latest change: before, nothing else of its status counts."""
        observed = _status(self.body).get("observedGeneration")
        return str(observed) == str(self.body["metadata"].get("generation"))  # Argo writes a string

    @property
    def is_complete(self) -> bool:
        """Whether its last rollout has come to its end; always where pods are replaced by hand."""
        strategy = (self.body["spec"].get("updateStrategy") or {}).get("type")
        return strategy == "OnDelete" or _IS_COMPLETE[self.kind](self.body)

    @property
    def rolled_at(self) -> float | None:
        """When its pods were last restarted for engines, in seconds since the epoch; None for never."""
        said = _template_annotations(self.body).get(ANNOTATION_ROLLED)
        try:
            return datetime.fromisoformat(said).timestamp() if said else None
        except ValueError:
            return None


def is_of_template(pod: Json, owner: Json, workload: Json) -> bool:
    """Tell whether ``pod``, which ``owner`` created, is of the present template of ``workload``."""
    labels = pod["metadata"].get("labels") or {}
    match workload["kind"]:
        case "Deployment":
            return _annotation(owner, DEPLOYMENT_REVISION) == _annotation(workload, DEPLOYMENT_REVISION)
        case "Rollout":
            return _annotation(owner, ROLLOUT_REVISION) == _annotation(workload, ROLLOUT_REVISION)
        case "StatefulSet":
            return _text(labels, "controller-revision-hash") == _text(_status(workload), "updateRevision")
        case _:
            return _text(labels, "pod-template-generation") == _annotation(workload, TEMPLATE_GENERATION)


def _deployment_is_complete(body: Json) -> bool:
    wanted, status = body["spec"].get("replicas", 1), _status(body)
    updated = status.get("updatedReplicas") or 0
    if updated < wanted or (status.get("replicas") or 0) > updated:
        return False
    progress = [one for one in status.get("conditions") or () if one["type"] == "Progressing"]
    if progress:
        return bool(progress[0].get("reason") == "NewReplicaSetAvailable")
    return bool((status.get("availableReplicas") or 0) >= updated)


def _stateful_set_is_complete(body: Json) -> bool:
    status, rolling = _status(body), (body["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    if partition := rolling.get("partition"):
        return bool((status.get("updatedReplicas") or 0) >= body["spec"].get("replicas", 1) - partition)
    return bool(status.get("currentRevision") == status.get("updateRevision"))


def _daemon_set_is_complete(body: Json) -> bool:
    status = _status(body)
    wanted = status.get("desiredNumberScheduled") or 0
    return all((status.get(name) or 0) >= wanted for name in ("updatedNumberScheduled", "numberAvailable"))


def _rollout_is_complete(body: Json) -> bool:
    status = _status(body)
    return bool(status.get("stableRS") == status.get("currentPodHash"))


_IS_COMPLETE: Mapping[str, Callable[[Json], bool]] = {
    "Deployment": _deployment_is_complete,
    "StatefulSet": _stateful_set_is_complete,
    "DaemonSet": _daemon_set_is_complete,
    "Rollout": _rollout_is_complete,
}

KINDS = frozenset(_IS_COMPLETE)
"""The kinds that are restarted."""


def _status(body: Json) -> Json:
    status: Json = body.get("status") or {}
    return status


def _annotation(body: Json, name: str) -> str:
    return _text(body["metadata"].get("annotations") or {}, name)


def _text(document: Json, name: str) -> str:
    return str(document.get(name))


def _template_annotations(body: Json) -> Json:
    metadata = (body["spec"].get("template") or {}).get("metadata") or {}
    annotations: Json = metadata.get("annotations") or {}
    return annotations
