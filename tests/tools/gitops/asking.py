"""
What the diff engines find of workloads: as applied, after a restart by the hub, after a change by hand.

The change by hand is there to be found: an engine that finds nothing at all would prove nothing.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gitops.engines import argo_cd_sees_drift, flux_applies, flux_sees_drift, program
from ignition_hub.engine.names import ANNOTATION_ROLLED, LABEL_INJECT, ROLLOUT_MANAGER
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES, ANNOTATION_ROLLOUT
from localcluster import ControlPlane

Json = dict[str, Any]

SELECTED: Json = {
    "selector": {"matchLabels": {"app": "server"}},
    "template": {
        "metadata": {
            "labels": {"app": "server", LABEL_INJECT: "true"},
            "annotations": {ANNOTATION_ENGINES.name: "resnet", ANNOTATION_ROLLOUT.name: "Automatic"},
        },
        "spec": {"containers": [{"name": "server", "image": "server:1"}]},
    },
}
SPECS: dict[str, Json] = {
    "Deployment": {"replicas": 2, **SELECTED},
    "StatefulSet": {"replicas": 2, "serviceName": "server", **SELECTED},
    "DaemonSet": SELECTED,
}
RESTART = {"template": {"metadata": {"annotations": {ANNOTATION_ROLLED: "2026-01-01T00:00:00Z"}}}}
BY_HAND = {"template": {"spec": {"containers": [{"name": "server", "image": "server:2"}]}}}


@dataclass(frozen=True)
class Answer:
    """What one tool finds of one workload, and what it should find."""

    tool: str
    kind: str
    moment: str
    drifts: bool
    expected: bool = False

    @property
    def is_expected(self) -> bool:
        """Whether the tool finds what it should."""
        return self.drifts == self.expected

    @property
    def complaint(self) -> str:
        """What to add to a line about it."""
        return "" if self.is_expected else ": expected the opposite"


class Stage:
    """Workloads of one namespace, which one tool applies."""

    def __init__(self, plane: ControlPlane, tool: str) -> None:
        self.plane, self.tool = plane, tool
        plane.kubectl("create", "namespace", self.namespace)

    @property
    def namespace(self) -> str:
        """The namespace of the tool."""
        return self.tool.lower().replace(" ", "-")

    def desired(self, kind: str) -> Json:
        """Return a workload as it is in Git."""
        metadata = {"name": "server", "namespace": self.namespace}
        spec = copy.deepcopy(SPECS[kind])
        return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}

    def apply(self, kind: str) -> None:
        """Apply a workload as the tool does."""
        if self.tool == "Flux":
            flux_applies(self.desired(kind), self.plane.kubeconfig)
        else:
            self.plane.kubectl("apply", "-f", "-", stdin=json.dumps(self.desired(kind)))

    def restart(self, kind: str) -> None:
        """Restart its pods as the hub does."""
        body = {**self.desired(kind), "spec": RESTART}
        how = ("--server-side", "--force-conflicts", f"--field-manager={ROLLOUT_MANAGER}")
        self.plane.kubectl("apply", *how, "-f", "-", stdin=json.dumps(body))

    def change_by_hand(self, kind: str) -> None:
        """Give its containers another image."""
        change = json.dumps({"spec": BY_HAND})
        self.plane.kubectl("patch", kind, "server", "-n", self.namespace, "-p", change)

    def drifts(self, kind: str) -> bool:
        """Ask the tool."""
        if self.tool == "Flux":
            return flux_sees_drift(self.desired(kind), self.plane.kubeconfig)
        live = self.plane.kubectl("get", kind, "server", "-n", self.namespace, "-o", "json")
        return argo_cd_sees_drift(self.desired(kind), json.loads(live))


def answers() -> Iterator[Answer]:
    """Yield what both tools find, at each moment of each workload."""
    for name in ("argocd", "flux"):
        program(name)  # before there is an API server that would wait for it
    with ControlPlane.start() as plane:
        for tool in ("Argo CD", "Flux"):
            stage = Stage(plane, tool)
            for kind in SPECS:
                yield from _answers(stage, kind)


def _answers(stage: Stage, kind: str) -> Iterator[Answer]:
    stage.apply(kind)
    yield Answer(stage.tool, kind, "as it was applied", stage.drifts(kind))
    stage.restart(kind)
    yield Answer(stage.tool, kind, "after a restart by the hub", stage.drifts(kind))
    stage.apply(kind)
    yield Answer(stage.tool, kind, "applied once more", stage.drifts(kind))
    stage.change_by_hand(kind)
    yield Answer(stage.tool, kind, "after a change by hand", stage.drifts(kind), expected=True)
