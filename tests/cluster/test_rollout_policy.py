"""What the controller may do to workloads with rollouts enabled: one annotation, where it is asked for."""

import json

import pytest

from chart_harness import Json, find, merged, render
from ignition_hub.engine.names import ANNOTATION_ROLLED
from ignition_hub.engine.pod_annotations import ANNOTATION_ROLLOUT
from installation.kubectl import eventually
from installed_chart import HUB, read
from localcluster import ControlPlane
from localcluster.errors import LocalClusterError

pytestmark = pytest.mark.cluster

CONTROLLER = f"system:serviceaccount:{HUB}:ignition-hub-controller"
GRANTED = (
    ("ClusterRole", "ignition-hub-controller"),
    ("ClusterRoleBinding", "ignition-hub-controller"),
    ("ValidatingAdmissionPolicy", "ignition-hub-rollouts"),
    ("ValidatingAdmissionPolicyBinding", "ignition-hub-rollouts"),
)
ROLLED: Json = {
    "spec": {"template": {"metadata": {"annotations": {ANNOTATION_ROLLED: "2026-01-01T00:00:00Z"}}}}
}
NOT_ASKED = "only workloads whose pod template has"
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1b8ea4a2-0000-4000-8000-000000000000"}


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    """An API server with the controller's rights and the policy, and workloads of which one does not ask."""
    documents = render({"rollouts": {"enabled": True}})
    for granted in GRANTED:
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(find(documents, *granted)))
    for kind, name, rollout in (
        ("Deployment", "asks", "Automatic"),
        ("DaemonSet", "asks", "Automatic"),
        ("Deployment", "silent", "Manual"),
    ):
        control_plane.kubectl("create", "-f", "-", stdin=json.dumps(workload(kind, name, rollout)))
    eventually(
        lambda: NOT_ASKED in (refusal(control_plane, "silent", ROLLED) or ""),
        within=30,
        what="the admission policy of rollouts",
    )
    return control_plane


def workload(kind: str, name: str, rollout: str) -> Json:
    metadata = {"labels": {"app": name}, "annotations": {ANNOTATION_ROLLOUT.name: rollout, "note": "mine"}}
    template = {"metadata": metadata, "spec": {"containers": [{"name": "a", "image": "example.com/a"}]}}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    named = {"name": name, "namespace": "default", "annotations": {"note": "mine"}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": named, "spec": spec}


def refusal(plane: ControlPlane, name: str, change: Json, kind: str = "deployment") -> str | None:
    """Patch a workload as the controller; return why that is refused, None where it is done."""
    asked = ["patch", kind, name, "-n", "default", "--type=merge", "--as", CONTROLLER, "-p"]
    try:
        plane.kubectl(*asked, json.dumps(change))
    except LocalClusterError as error:
        return str(error)
    return None


def in_template(**metadata: Json) -> Json:
    return {"spec": {"template": {"metadata": metadata}}}


@pytest.mark.parametrize("kind", ["deployment", "daemonset"])
def test_the_controller_restarts_the_pods_of_a_workload_that_asks_for_it(plane: ControlPlane, kind: str):
    assert refusal(plane, "asks", ROLLED, kind) is None

    template = read(plane, kind, "asks", "default")["spec"]["template"]
    assert template["metadata"]["annotations"][ANNOTATION_ROLLED] == "2026-01-01T00:00:00Z"


def test_the_controller_changes_no_workload_that_does_not_ask_for_rollouts(plane: ControlPlane):
    asking = in_template(annotations={ANNOTATION_ROLLOUT.name: "Automatic"})

    for change in (ROLLED, merged(ROLLED, asking)):
        assert NOT_ASKED in (refusal(plane, "silent", change) or "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spec": {"replicas": 3}}, "of a workload's spec"),
        ({"spec": {"paused": True}}, "of a workload's spec"),
        ({"spec": {"template": {"spec": {"hostNetwork": True}}}}, "nothing of a pod template"),
        ({"spec": {"template": {"spec": {"nodeName": "mine"}}}}, "nothing of a pod template"),
        (in_template(labels={"a": "b"}), "nothing of a pod template"),
        (in_template(annotations={"a": "b"}), "sets the annotation"),
        (in_template(annotations={"note": "another"}), "sets the annotation"),
        (in_template(annotations={"note": None}), "sets the annotation"),
        ({"metadata": {"labels": {"a": "b"}}}, "of a workload's metadata"),
        ({"metadata": {"finalizers": ["example.com/a"]}}, "of a workload's metadata"),
        ({"metadata": {"ownerReferences": [OWNER]}}, "of a workload's metadata"),
        ({"metadata": {"annotations": {"a": "b"}}}, "no annotation of a workload"),
        ({"metadata": {"annotations": {"note": None}}}, "no annotation of a workload"),
    ],
)
def test_the_controller_changes_nothing_else_of_a_workload(plane: ControlPlane, change: Json, said: str):
    assert said in (refusal(plane, "asks", merged(ROLLED, change)) or "")


def test_the_controller_may_read_and_patch_workloads_and_no_more(plane: ControlPlane):
    said = plane.kubectl("auth", "can-i", "--list", "-n", "default", "--as", CONTROLLER)
    rows = [line.split() for line in said.splitlines() if ".apps" in line or ".argoproj.io" in line]

    assert {name: " ".join(verbs) for name, _, _, *verbs in rows} == {
        "deployments.apps": "[get patch]",
        "statefulsets.apps": "[get patch]",
        "daemonsets.apps": "[get patch]",
        "rollouts.argoproj.io": "[get patch]",
        "replicasets.apps": "[get]",
    }
