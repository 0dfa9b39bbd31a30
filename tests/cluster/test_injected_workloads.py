"""Workloads on a real controller manager: their pods get engines, and their templates stay as they are."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.gateway.admission.injection import InjectionSettings
from ignition_hub.gateway.admission.review import review
from installation.kubectl import eventually
from installation.workload import deployment
from localcluster import ControlPlane
from webhookserver import webhook

pytestmark = pytest.mark.cluster

SETTINGS = InjectionSettings(
    fetcher_image="fetcher:dev", gateway_url="https://gateway.svc", authorities="PEM"
)
ENGINE = EngineView(
    "resnet", (ReadyTarget("sm_89", None, "SameComputeCapability", "TensorRT", size=2**20),), is_settled=True
)
DEPLOYMENT = deployment("server", engines="resnet", image="server:1", replicas=1)
TEMPLATE = DEPLOYMENT["spec"]["template"]
ONCE = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
EVERYWHERE = {
    **TEMPLATE,
    "spec": {**TEMPLATE["spec"], "affinity": {}, "tolerations": [{"operator": "Exists"}]},
}
SELECTED = {"selector": DEPLOYMENT["spec"]["selector"], "template": TEMPLATE}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-l4"}}
WORKLOADS = {
    "Deployment": ("apps/v1", DEPLOYMENT["spec"]),
    "StatefulSet": ("apps/v1", {"replicas": 1, "serviceName": "server", **SELECTED}),
    "DaemonSet": ("apps/v1", {**SELECTED, "template": EVERYWHERE}),
    "Job": ("batch/v1", {"template": ONCE}),
}


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A control plane with controllers; it has a node, on which nothing runs."""
    with ControlPlane.start(controllers=True) as started:
        started.kubectl("create", "-f", "-", stdin=json.dumps(NODE))
        yield started


@pytest.fixture
def hub(plane: ControlPlane, tmp_path) -> Iterator[str]:
    """A restricted namespace, whose pods the API server asks the hub's admission about."""
    name = f"test-{uuid4().hex[:8]}"
    plane.kubectl("create", "namespace", name)
    plane.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    plane.kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")

    def answer(asked):
        return review(asked, lambda _: {"resnet": ENGINE}, SETTINGS)

    with webhook(plane.kubectl, "ignition-hub-test", name, answer, tmp_path):
        yield name


def pods_of(plane, namespace):
    found = json.loads(plane.kubectl("get", "pods", "-n", namespace, "-l", "app=server", "-o", "json"))
    return found["items"]


@pytest.mark.parametrize("kind", WORKLOADS)
def test_the_pods_of_a_workload_have_engines_and_its_template_is_as_it_was_applied(plane, hub, kind):
    version, spec = WORKLOADS[kind]
    document = json.dumps(
        {"apiVersion": version, "kind": kind, "metadata": {"name": "server", "namespace": hub}, "spec": spec}
    )
    plane.kubectl("apply", "--server-side", "--field-manager=gitops", "-f", "-", stdin=document)

    (pod, *_) = eventually(lambda: pods_of(plane, hub), within=90, what=f"a pod of the {kind}")

    assert [one["name"] for one in pod["spec"]["initContainers"]] == ["ignition-fetch"]
    assert pod["spec"]["containers"][0]["env"][0]["value"] == "/engines/resnet/model.engine"
    assert plane.kubectl("diff", "--server-side", "--field-manager=gitops", "-f", "-", stdin=document) == ""
