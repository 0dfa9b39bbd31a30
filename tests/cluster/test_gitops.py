"""
Workloads that a GitOps tool applied and the hub restarted: the tool finds no drift, and undoes no restart.

Each tool is played by what it does to the API server: server-side apply with force (Flux, Argo CD with
ServerSideApply), client-side apply (Argo CD, kubectl), a three-way merge (Helm, here the real one). The diff
engines of Argo CD and Flux themselves are asked by ``python -m gitops``.
"""

import asyncio
import copy
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ignition_hub.controller.adapters.workloads import Workloads
from ignition_hub.controller.policy.workloads import Workload
from ignition_hub.engine.names import ANNOTATION_ROLLED, LABEL_INJECT
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES, ANNOTATION_ROLLOUT
from ignition_hub.kube import DEPLOYMENTS, Kube
from localcluster import ControlPlane
from localcluster.paths import bin_folder

pytestmark = pytest.mark.cluster

Json = dict[str, Any]
AT = "2026-01-01T00:00:00Z"
DEPLOYMENT: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "server"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "server"}},
        "template": {
            "metadata": {
                "labels": {"app": "server", LABEL_INJECT: "true"},
                "annotations": {ANNOTATION_ENGINES.name: "resnet", ANNOTATION_ROLLOUT.name: "Automatic"},
            },
            "spec": {"containers": [{"name": "server", "image": "server:1"}]},
        },
    },
}
CHART = {"apiVersion": "v2", "name": "server", "version": "1.0.0"}
SERVER_SIDE = ("--server-side", "--force-conflicts", "--field-manager=kustomize-controller")
TOOLS = {"server-side apply with force": SERVER_SIDE, "client-side apply": ()}


async def restart(namespace: str) -> None:
    """Restart the pods of the server as the controller does."""
    kube = await Kube.connect()
    try:
        body = await kube.get(DEPLOYMENTS, "server", namespace)
        assert body is not None
        await Workloads(kube).restart(Workload(body, ()), AT)
    finally:
        await kube.close()


class Cluster:
    """The Deployment of one namespace, applied by one tool."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.plane, self.namespace = plane, namespace

    def read(self) -> Json:
        text = self.plane.kubectl("get", "deployment", "server", "-n", self.namespace, "-o", "json")
        body: Json = json.loads(text)
        return body

    def apply(self, body: Json, *how: str) -> None:
        self.plane.kubectl("apply", *how, "-n", self.namespace, "-f", "-", stdin=json.dumps(body))

    def diff(self, body: Json, *how: str) -> str:
        return self.plane.kubectl("diff", *how, "-n", self.namespace, "-f", "-", stdin=json.dumps(body))

    def restart(self) -> Json:
        """Have the hub restart the pods; return what is there then."""
        asyncio.run(restart(self.namespace))
        body = self.read()
        assert rolled_at(body) == AT
        return body


@pytest.fixture
def cluster(control_plane: ControlPlane, namespace: str) -> Cluster:
    return Cluster(control_plane, namespace)


def rolled_at(body: Json) -> str | None:
    annotations: dict[str, str] = body["spec"]["template"]["metadata"]["annotations"]
    return annotations.get(ANNOTATION_ROLLED)


@pytest.mark.parametrize("how", TOOLS.values(), ids=TOOLS)
def test_what_was_applied_is_found_unchanged_after_a_restart_and_applied_again_without_a_write(
    cluster: Cluster, how: tuple[str, ...]
) -> None:
    cluster.apply(DEPLOYMENT, *how)
    restarted = cluster.restart()

    assert cluster.diff(DEPLOYMENT, *how) == ""
    cluster.apply(DEPLOYMENT, *how)
    assert cluster.read()["metadata"]["resourceVersion"] == restarted["metadata"]["resourceVersion"]


@pytest.mark.parametrize("how", TOOLS.values(), ids=TOOLS)
def test_a_later_change_of_the_template_keeps_the_annotation_and_restarts_the_pods_once(
    cluster: Cluster, how: tuple[str, ...]
) -> None:
    changed = copy.deepcopy(DEPLOYMENT)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "server:2"
    cluster.apply(DEPLOYMENT, *how)
    restarted = cluster.restart()

    cluster.apply(changed, *how)

    after = cluster.read()
    assert rolled_at(after) == AT
    assert after["metadata"]["generation"] == restarted["metadata"]["generation"] + 1


def test_an_upgrade_by_helm_keeps_the_annotation(cluster: Cluster, tmp_path: Path) -> None:
    template = copy.deepcopy(DEPLOYMENT)
    template["spec"]["replicas"] = "REPLICAS"
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text(json.dumps(CHART))
    text = json.dumps(template).replace('"REPLICAS"', "{{ .Values.replicas }}")
    (tmp_path / "templates" / "server.yaml").write_text(text)

    def helm(verb: str, replicas: int) -> None:
        command = [str(bin_folder() / "helm"), verb, "server", str(tmp_path), "-n", cluster.namespace]
        subprocess.run(
            [*command, "--set", f"replicas={replicas}"],
            env=os.environ | {"KUBECONFIG": str(cluster.plane.kubeconfig)},
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip

    helm("install", 2)
    restarted = cluster.restart()
    helm("upgrade", 2)
    assert cluster.read()["metadata"]["generation"] == restarted["metadata"]["generation"]

    helm("upgrade", 3)
    after = cluster.read()
    assert (after["spec"]["replicas"], rolled_at(after)) == (3, AT)


def test_a_tool_that_replaces_what_is_there_takes_the_annotation_away(cluster: Cluster) -> None:
    cluster.apply(DEPLOYMENT)
    cluster.restart()
    arguments = ("replace", "-n", cluster.namespace, "-f", "-")

    cluster.plane.kubectl(*arguments, stdin=json.dumps(DEPLOYMENT))

    assert rolled_at(cluster.read()) is None
