"""
Injected pods on a real API server: in restricted namespaces, with quotas and limits, beside other webhooks.

The webhook of these tests is called by the API server itself, so the order of its admission plugins is real.
"""

import base64
import json

import pytest

from ignition_hub.compatibility.placement import release_of, required_terms
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.engine.names import LABEL_INJECT, LABEL_WAITING, SCHEDULING_GATE
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.gateway.admission.injection import InjectionSettings, inject
from ignition_hub.gateway.admission.review import review
from webhookserver import webhook

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


@pytest.fixture
def hub(control_plane, restricted, tmp_path):
    """The API server asks the hub's admission about each pod of the namespace; every engine is ready."""
    engines = {"resnet": ready("sm_89")}

    def answer(asked):
        return review(asked, lambda _: engines, SETTINGS)

    with webhook(control_plane.kubectl, "ignition-hub-test", restricted, answer, tmp_path / "hub"):
        yield restricted


def asking(namespace, *resources, terms=(), **spec):
    """A pod whose containers ask for these resources."""
    pod = make_pod(namespace, terms=terms)
    server = pod["spec"]["containers"][0]
    pod["spec"]["containers"] = [
        {**server, "name": f"c{number}", "resources": each} for number, each in enumerate(resources)
    ]
    pod["spec"] |= spec
    return pod


def both(**quantities):
    return {"requests": quantities, "limits": quantities}


def limit_range(api, namespace, **limits):
    document = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "limits"},
        "spec": {"limits": [{"type": "Container", **limits}]},
    }
    answer = api.ask("POST", f"/api/v1/namespaces/{namespace}/limitranges", document)
    assert answer.status == 201, answer.message


def quota(api, namespace, **hard):
    """Make a quota, and count as its controller does: nothing is used yet."""
    document = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "quota"},
        "spec": {"hard": hard},
    }
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    answer = api.ask("POST", path, document)
    assert answer.status == 201, answer.message
    document = answer.body | {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
    answer = api.ask("PUT", f"{path}/quota/status", document)
    assert answer.status == 200, answer.message


def used(api, namespace):
    return api.ask("GET", f"/api/v1/namespaces/{namespace}/resourcequotas/quota").body["status"]["used"]


def fetcher_of(pod):
    return next(one for one in pod["spec"]["initContainers"] if one["name"] == "ignition-fetch")


@pytest.mark.parametrize(
    ("quality", "resources"),
    [
        ("Guaranteed", [both(cpu="4", memory="8Gi"), both(cpu="100m", memory="64Mi")]),
        ("Burstable", [{"requests": {"cpu": "1"}, "limits": {"memory": "8Gi"}}]),
        ("BestEffort", [{}, {}]),
    ],
)
def test_a_pod_keeps_its_quality_of_service(api, hub, quality, resources):
    assert created(api, asking(hub, *resources))["status"]["qosClass"] == quality


def test_a_quota_counts_an_injected_pod_as_the_same_pod_without_engines(api, hub):
    hard = {"limits.cpu": "9", "limits.memory": "17Gi", "requests.cpu": "9", "requests.memory": "17Gi"}
    quota(api, hub, **hard)

    created(api, asking(hub, both(cpu="4", memory="8Gi"), both(cpu="1", memory="1Gi")))

    assert used(api, hub) == {
        "limits.cpu": "5",
        "limits.memory": "9Gi",
        "requests.cpu": "5",
        "requests.memory": "9Gi",
    }


def test_the_fetcher_has_the_limits_that_a_limit_range_gave_the_container_before_it(api, hub):
    limit_range(
        api,
        hub,
        default={"cpu": "2", "memory": "4Gi"},
        defaultRequest={"cpu": "1", "memory": "2Gi"},
        min={"cpu": "500m", "memory": "1Gi"},
        max={"cpu": "2", "memory": "4Gi"},
        maxLimitRequestRatio={"cpu": "2", "memory": "2"},
    )
    quota(api, hub, **{"limits.cpu": "2", "limits.memory": "4Gi"})

    pod = created(api, asking(hub, {}))

    assert fetcher_of(pod)["resources"] == pod["spec"]["containers"][0]["resources"]
    assert used(api, hub) == {"limits.cpu": "2", "limits.memory": "4Gi"}


def test_the_api_server_fills_in_defaults_before_its_webhooks_and_again_after(
    control_plane, api, restricted, tmp_path
):
    """What copying a container's resources relies on: LimitRanger runs before webhooks, and after them."""
    limit_range(api, restricted, default={"cpu": "2"}, defaultRequest={"cpu": "1"})
    seen = []

    def answer(asked):
        pod = asked["request"]["object"]
        seen.append([one.get("resources", {}).get("limits") for one in pod["spec"]["containers"]])
        if "initContainers" in pod["spec"]:
            return patching(asked, [])
        added = {"name": "late", "image": "late:1", "securityContext": RESTRICTED}
        return patching(asked, [{"op": "add", "path": "/spec/initContainers", "value": [added]}])

    with webhook(control_plane.kubectl, "adds-test", restricted, answer, tmp_path):
        pod = created(api, asking(restricted, {}))

    assert seen[0] == [{"cpu": "2"}]
    assert pod["spec"]["initContainers"][0]["resources"] == {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}


SHAPES = {
    "user and group": {"securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 2000}},
    "job": {"restartPolicy": "Never", "activeDeadlineSeconds": 600},
    "bound to a node": {"nodeName": "gpu-l4"},
    "resources of the pod": {"resources": both(cpu="2", memory="4Gi")},
    "user namespace": {"hostUsers": False},
}


@pytest.mark.parametrize("view", [ready("sm_89"), EngineView("resnet")], ids=["ready", "waiting"])
@pytest.mark.parametrize("spec", SHAPES.values(), ids=SHAPES)
def test_a_pod_of_any_shape_is_accepted(control_plane, api, restricted, spec, view):
    created(api, injected(control_plane, asking(restricted, {}, **spec), view))


def test_a_pod_with_resources_of_its_own_keeps_its_quality_of_service_and_meets_a_quota(api, hub):
    quota(api, hub, **{"limits.cpu": "2", "limits.memory": "4Gi"})

    pod = created(api, asking(hub, {}, {}, resources=both(cpu="2", memory="4Gi")))

    assert pod["status"]["qosClass"] == "Guaranteed"
    assert used(api, hub) == {"limits.cpu": "2", "limits.memory": "4Gi"}


@pytest.mark.parametrize("terms", [(), (ZONE, DISK)])
def test_a_pod_that_was_printed_and_is_created_again_is_the_same(control_plane, api, hub, terms):
    pod = asking(hub, both(cpu="1", memory="1Gi"), {}, terms=terms)
    first = created(api, pod)
    printed = control_plane.kubectl("get", "pod", "server", "-n", hub, "-o", "yaml")

    control_plane.kubectl("replace", "--force", "-f", "-", stdin=printed)

    second = api.ask("GET", f"/api/v1/namespaces/{hub}/pods/server").body
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert second["spec"] == first["spec"]
    assert without(second["metadata"]["annotations"], LAST_APPLIED) == first["metadata"]["annotations"]


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def without(mapping, key):
    return {name: value for name, value in mapping.items() if name != key}


def test_the_fetcher_follows_a_webhook_that_is_called_after_the_hubs(control_plane, api, hub, tmp_path):
    """As the VerticalPodAutoscaler's is, which knows nothing of the fetcher."""
    recommended = both(cpu="3", memory="2Gi")

    def answer(asked):
        patch = [{"op": "add", "path": "/spec/containers/0/resources", "value": recommended}]
        return patching(asked, patch)

    with webhook(control_plane.kubectl, "recommends-test", hub, answer, tmp_path / "other"):
        pod = created(api, asking(hub, both(cpu="9", memory="9Gi")))

    assert fetcher_of(pod)["resources"] == recommended


PROXY = {"name": "istio-proxy", "image": "proxy:1", "securityContext": {**RESTRICTED, "runAsUser": 1337}}
VALIDATION = PROXY | {"name": "istio-validation"}


@pytest.mark.parametrize("native", [False, True])
def test_a_mesh_that_is_asked_after_the_hub_is_followed(control_plane, api, hub, tmp_path, native):
    """A stand-in for Istio's injector, which puts its init containers first and is asked once."""

    def answer(asked):
        spec = asked["request"]["object"]["spec"]
        if "istio-validation" in [one["name"] for one in spec["initContainers"]]:
            return patching(asked, [])
        patch = [{"op": "add", "path": "/spec/initContainers/0", "value": VALIDATION}]
        sidecar = PROXY | {"restartPolicy": "Always"}
        patch += [
            {"op": "add", "path": "/spec/initContainers/1", "value": sidecar}
            if native
            else {"op": "add", "path": "/spec/containers/-", "value": PROXY}
        ]
        return patching(asked, patch)

    with webhook(control_plane.kubectl, "istio-test", hub, answer, tmp_path / "other"):
        pod = created(api, asking(hub, both(cpu="1", memory="1Gi")))

    names = [one["name"] for one in pod["spec"]["initContainers"]]
    user = fetcher_of(pod)["securityContext"].get("runAsUser")
    if native:
        assert (names, user) == (["istio-validation", "istio-proxy", "ignition-fetch"], None)
    else:
        assert (names, user) == (["istio-validation", "ignition-fetch"], 1337)


def test_the_init_containers_that_are_named_get_engines(api, hub):
    pod = asking(hub, {})
    secure = {"image": "app:1", "securityContext": RESTRICTED}
    layout, triton = {"name": "layout", **secure}, {"name": "triton", **secure, "restartPolicy": "Always"}
    pod["spec"]["initContainers"] = [{"name": "first", **secure}, layout, triton]
    pod["metadata"]["annotations"]["ignitionhub.io/containers"] = "layout, triton"

    spec = created(api, pod)["spec"]

    with_engines = [one["name"] for one in spec["initContainers"] if "IGNITION_ENGINE_RESNET" in str(one)]
    assert [one["name"] for one in spec["initContainers"]] == ["ignition-fetch", "first", "layout", "triton"]
    assert with_engines == ["layout", "triton"]


def patching(asked, patch):
    """Return an AdmissionReview that answers with a JSON patch, as the webhooks of others do."""
    encoded = base64.b64encode(json.dumps(patch).encode()).decode()
    response = {
        "uid": asked["request"]["uid"],
        "allowed": True,
        "patchType": "JSONPatch",
        "patch": encoded,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
