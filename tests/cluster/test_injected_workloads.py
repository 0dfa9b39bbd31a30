"""Workloads on a real controller manager: their pods get engines, and their templates stay as they are."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from ignition_hub.compatibility.placement import release_of
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.engine.names import SCHEDULING_GATE
from ignition_hub.gateway.admission.injection import InjectionSettings
from ignition_hub.gateway.admission.review import review
from installation.kubectl import eventually
from installation.workload import deployment
from localcluster import ControlPlane, LocalClusterError
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
NEXT = EngineView("next")
"""Of which nothing is ready yet."""
ENGINES = {"resnet": ENGINE, "next": NEXT}
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
        return review(asked, lambda _: ENGINES, SETTINGS)

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


BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "server"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "server"}}},
}
GENTLY = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def make_ready(plane, namespace, pod):
    """Do what a kubelet does that has started a pod."""
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    patch = json.dumps({"status": status})
    plane.kubectl("patch", "pod", pod, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)


def evict(plane, namespace, pod):
    """Do what draining a node does."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    }
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    plane.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))


def gated(plane, namespace, number):
    """Return that many gated pods once there are so many."""
    found = [
        pod["metadata"]["name"]
        for pod in pods_of(plane, namespace)
        if pod["spec"].get("schedulingGates") == [{"name": SCHEDULING_GATE}]
        and not pod["metadata"].get("deletionTimestamp")
    ]
    return found if len(found) == number else None


def names_of(plane, namespace):
    return {pod["metadata"]["name"] for pod in pods_of(plane, namespace)}


def test_an_update_a_budget_and_a_scale_up_wait_for_an_engine_and_nothing_waits_for_the_pods(plane, hub):
    spec = {**DEPLOYMENT["spec"], "strategy": GENTLY}
    document = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "server"}, "spec": spec}
    for one in (document, BUDGET):
        plane.kubectl("create", "-n", hub, "-f", "-", stdin=json.dumps(one))
    [old] = eventually(lambda: names_of(plane, hub), within=60, what="the pod of the Deployment")
    make_ready(plane, hub, old)

    # A rolling update to an engine of which nothing is ready: the new pod waits, and the old one serves on.
    engines = {"metadata": {"annotations": {"ignitionhub.io/engines": "next"}}}
    patch = json.dumps({"spec": {"template": engines}})
    plane.kubectl("patch", "deployment", "server", "-n", hub, "--type=merge", "-p", patch)
    [new] = eventually(lambda: gated(plane, hub, 1), within=60, what="a gated pod of the next revision")
    assert names_of(plane, hub) == {old, new}

    # A node is drained: the pod that waits may go, the one that serves may not.
    with pytest.raises(LocalClusterError, match="disruption budget"):
        evict(plane, hub, old)
    evict(plane, hub, new)
    assert eventually(lambda: gated(plane, hub, 1), within=60, what="another gated pod") != [new]

    # As a HorizontalPodAutoscaler does under load: replicas of either revision are added.
    plane.kubectl("scale", "deployment", "server", "-n", hub, "--replicas=3")
    eventually(lambda: len(names_of(plane, hub)) == 4, within=60, what="the pods of the larger scale")
    assert old in names_of(plane, hub)

    # The engine is ready: what the controller does then lets the update end.
    def rolled_out():
        release_all(plane, hub, EngineView("next", ENGINE.ready, is_settled=True))
        return {asked_for(pod) for pod in pods_of(plane, hub)} == {"next"}

    eventually(rolled_out, within=60, what="the end of the update")
    assert len(names_of(plane, hub)) == 3


def asked_for(pod):
    return pod["metadata"]["annotations"]["ignitionhub.io/engines"]


def release_all(plane, namespace, engine):
    """Lift the gates of all pods as the controller does, and have them start."""
    for pod in pods_of(plane, namespace):
        name = pod["metadata"]["name"]
        if pod["spec"].get("schedulingGates"):
            lift = json.dumps(release_of(pod, [engine], 0.0))
            plane.kubectl("patch", "pod", name, "-n", namespace, "--type=merge", "-p", lift)
            make_ready(plane, namespace, name)
