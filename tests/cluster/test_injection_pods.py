"""Injected pods on a real API server: the patch is valid, restricted, and a gated pod can be released."""

import json

import pytest

from ignition_hub.compatibility.placement import release_of, required_terms
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.engine.names import LABEL_INJECT, LABEL_WAITING, SCHEDULING_GATE
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.gateway.admission.injection import InjectionSettings, inject

pytestmark = pytest.mark.cluster

SETTINGS = InjectionSettings(
    fetcher_image="localhost/ignition-hub/fetcher:dev", gateway_url="https://gateway.svc", authorities="PEM"
)
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
ZONE = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
DISK = {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}


def ready(*archs):
    targets = tuple(ReadyTarget(arch, None, "SameComputeCapability", "TensorRT") for arch in archs)
    return EngineView("resnet", targets, is_settled=True)


def make_pod(namespace, *, terms=(), gates=()):
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "server",
            "namespace": namespace,
            "labels": {LABEL_INJECT: "true"},
            "annotations": {ANNOTATION_ENGINES.name: "resnet, again=resnet"},
        },
        "spec": {
            "serviceAccountName": "default",
            "containers": [{"name": "app", "image": "app:1", "securityContext": RESTRICTED}],
            **({"affinity": {"nodeAffinity": required}} if terms else {}),
            **({"schedulingGates": [{"name": gate} for gate in gates]} if gates else {}),
        },
    }


def injected(control_plane, pod, view):
    """Apply the patch as ``kubectl`` does, whose JSON patch is the API server's."""
    patch = json.dumps(inject(pod, {view.name: view}, SETTINGS))
    command = ["patch", "--local", "-f", "-", "--type=json", "-p", patch, "-o", "json"]
    return json.loads(control_plane.kubectl(*command, stdin=json.dumps(pod)))


@pytest.fixture
def restricted(control_plane, namespace):
    """A namespace that enforces the restricted Pod Security Standard, ready for pods."""
    control_plane.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    return namespace


def created(api, pod):
    answer = api.ask(
        "POST", f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods?fieldValidation=Strict", pod
    )
    assert answer.status == 201, answer.message
    return answer.body


def patched(api, pod, patch):
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
    answer = api.ask("PATCH", path, patch, media="application/merge-patch+json")
    assert answer.status == 200, answer.message
    return answer.body


@pytest.mark.parametrize("terms", [(), (ZONE,), (ZONE, DISK)])
def test_a_pod_whose_engine_is_ready_is_accepted_in_a_restricted_namespace(
    control_plane, api, restricted, terms
):
    pod = created(api, injected(control_plane, make_pod(restricted, terms=terms), ready("sm_86", "sm_120")))

    assert pod["spec"]["initContainers"][0]["name"] == "ignition-fetch"
    assert len(required_terms(pod["spec"]["affinity"])) >= 2
    assert "schedulingGates" not in pod["spec"]


@pytest.mark.parametrize("terms", [(), (ZONE,), (ZONE, DISK)])
@pytest.mark.parametrize("archs", [("sm_89",), ("sm_80", "sm_89"), ("sm_86", "sm_120")])
def test_a_pod_that_waited_is_released_in_one_write(control_plane, api, restricted, terms, archs):
    pod = created(api, injected(control_plane, make_pod(restricted, terms=terms), EngineView("resnet")))
    assert pod["spec"]["schedulingGates"] == [{"name": SCHEDULING_GATE}]
    assert pod["metadata"]["labels"][LABEL_WAITING] == "true"

    released = patched(api, pod, release_of(pod, [ready(*archs)], 0.0))

    assert "schedulingGates" not in released["spec"]
    assert LABEL_WAITING not in released["metadata"]["labels"]
    assert required_terms(released["spec"]["affinity"])


def test_the_gates_of_others_hold_a_pod_after_ours_is_lifted(control_plane, api, restricted):
    document = make_pod(restricted, terms=[ZONE], gates=["example.com/quota"])
    pod = created(api, injected(control_plane, document, EngineView("resnet")))

    released = patched(api, pod, release_of(pod, [ready("sm_89")], 0.0))

    assert released["spec"]["schedulingGates"] == [{"name": "example.com/quota"}]
