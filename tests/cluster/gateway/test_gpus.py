"""
Pods of one node get what each of them requested or claimed: real objects, watched by a real gateway.

Labels and ResourceSlices are those that NVIDIA's components write for a card that is cut and one that is not,
with an L4's name and capability, for which the engine of these tests is built. No device is there.
"""

import json
import time
from uuid import uuid4

import pytest

from gateway_harness import apply_engine, plan, ready_target, resolve
from gpusituations import node_of, slices_of

pytestmark = pytest.mark.cluster

APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
MIXED = "mig-mixed-whole-and-cut"


def of_an_l4(document):
    text = json.dumps(document).replace("NVIDIA-H100-80GB-HBM3", "NVIDIA-L4")
    text = text.replace("NVIDIA H100 80GB HBM3", "NVIDIA L4").replace('"9.0.0"', '"8.9.0"')
    return json.loads(text)


@pytest.fixture(scope="module")
def nodes(hub):
    """A node with labels and one with ResourceSlices alone, both with a whole card and one that is cut."""
    labels = of_an_l4(node_of(MIXED)["metadata"]["labels"])
    labels |= {"nvidia.com/gpu.compute.major": "8", "nvidia.com/gpu.compute.minor": "9"}
    for name, has in (("gpu-mixed", labels), ("gpu-dra", {"kubernetes.io/arch": "amd64"})):
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": has}}
        answer = hub.api.ask(
            "PATCH", f"/api/v1/nodes/{name}?fieldManager=tests&force=true", body, media=APPLY
        )
        assert answer.status in {200, 201}, answer.message
    devices = [device for one in of_an_l4(slices_of(MIXED)) for device in one["spec"]["devices"]]
    pool = {"name": "gpu-dra", "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": "gpu.nvidia.com", "nodeName": "gpu-dra", "pool": pool, "devices": devices}
    name = f"gpu-dra-{uuid4().hex[:8]}"
    hub.post("/apis/resource.k8s.io/v1/resourceslices", {"metadata": {"name": name}, "spec": spec})
    yield
    hub.api.ask("DELETE", f"/apis/resource.k8s.io/v1/resourceslices/{name}")


@pytest.fixture
def served(hub, team, request_, nodes):
    """A team whose engine is ready."""
    builder = hub.builder(hub.job(request_))
    done = hub.complete(builder, hub.upload(builder, plan()))
    apply_engine(hub, team, [ready_target(hub, request_, done.body)])
    return team


def claim(hub, namespace, device):
    """Make a claim, and give it a device as the scheduler does."""
    name, path = f"claim-{device}", f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaims"
    asked = {"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com"}}
    hub.post(path, {"metadata": {"name": name}, "spec": {"devices": {"requests": [asked]}}})
    given = {"request": "gpu", "driver": "gpu.nvidia.com", "pool": "gpu-dra", "device": device}
    status = {"allocation": {"devices": {"results": [given]}}}
    answer = hub.api.ask(
        "PATCH", f"{path}/{name}/status", {"status": status}, media="application/merge-patch+json"
    )
    assert answer.status == 200, answer.message
    return name


@pytest.mark.parametrize(
    ("resource", "product"),
    [
        ("nvidia.com/gpu", "NVIDIA-L4"),
        ("nvidia.com/mig-1g.10gb", "NVIDIA-L4-MIG-1g.10gb"),
        ("nvidia.com/mig-1g.10gb.me", "NVIDIA-L4-MIG-1g.10gb.me"),
        (None, None),
    ],
)
def test_pods_of_a_mixed_node_have_what_they_requested(hub, served, resource, product):
    answer = resolve(hub, served, node="gpu-mixed", limits={resource: "1"} if resource else {})

    assert answer.status == 200, answer.message
    assert answer.body["gpu"] == {"arch": "sm_89", "product": product, "platform": "linux-x86_64"}


@pytest.mark.parametrize(
    ("device", "product"),
    [
        ("gpu-0", "NVIDIA-L4"),
        ("gpu-1-mig-1g10gb-19-0", "NVIDIA-L4-MIG-1g.10gb"),
        ("gpu-1-mig-1g10gb-me-20-1", "NVIDIA-L4-MIG-1g.10gb.me"),
    ],
)
def test_pods_of_a_node_without_labels_have_what_they_claimed(hub, served, device, product):
    answer = resolve(hub, served, node="gpu-dra", claims=[claim(hub, served, device)])

    assert answer.status == 200, answer.message
    assert answer.body["gpu"] == {"arch": "sm_89", "product": product, "platform": "linux-x86_64"}


def test_a_pod_without_a_claim_hears_that_its_node_tells_nothing(hub, served):
    answer = resolve(hub, served, node="gpu-dra")

    assert (answer.status, answer.reason) == (422, "NoEngineForGPU")
    assert "node gpu-dra: no label tells its GPU" in answer.message
    [event] = events(hub, served)
    assert (event["type"], event["reason"], event["regarding"]["kind"]) == (
        "Warning",
        "NoEngineForGPU",
        "Pod",
    )
    assert event["note"] == f"resnet50: {answer.message}"


def events(hub, namespace):
    """Return the events of a namespace, once there are any: they come after the answer."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := hub.api.ask("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events").body["items"]:
            return found
        time.sleep(0.05)
    return []
