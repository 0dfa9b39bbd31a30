"""
Pods of nodes with several kinds of GPU: each gets the engine of the GPU it was given, or hears why not.

Kubelet, scheduler and allocation are real; device plugin and DRA driver are stand-ins (``gpu_standins``) that
advertise and publish what NVIDIA's do. Labels and devices are those of ``gpusituations.json``.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

import localcluster
from gpusituations import labels_of, slices_of
from ignition_hub.engine.names import INIT_CONTAINER
from installation.hub import Hub
from installation.kubectl import eventually
from installation.models import small_network
from installation.tenant import Tenant
from installation.workload import deployment, engine_digest
from localcluster.gpu_nodes import NODE_MODELS, NodeModel, gpu_labels
from localcluster.gpu_standins import device_plugin, dra_driver

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

NODE = "gpu-a10"
"""The node whose labels change."""
CARD, CARDS = "nvidia.com/gpu", 4
SLICE, SLICES = "nvidia.com/mig-1g.5gb", 2
ARCHS = ("sm_75", "sm_80", "sm_86", "sm_89")
DEVICE_CLASS = "gpu.nvidia.com"


@pytest.fixture(scope="session")
def nodes(hub: Hub) -> Iterator[localcluster.Cluster]:
    """The cluster, with plugins that tell its kubelets of devices until all tests are done."""
    cluster = localcluster.running(hub.name)
    with (
        device_plugin(cluster, NODE, {CARD: CARDS, SLICE: SLICES}),
        device_plugin(cluster, "gpu-l4", {CARD: CARDS}),
    ):
        wait_for_cards(hub)
        yield cluster


def wait_for_cards(hub: Hub) -> None:
    """Wait until the API server has what the plugins advertise, and label the nodes with the count."""

    def told() -> bool:
        nodes = [node["status"] for node in hub.kubectl.list("nodes")]
        return all(
            one[field].get(CARD) == str(CARDS) for one in nodes for field in ("capacity", "allocatable")
        )

    eventually(told, within=60, what=f"{CARDS} {CARD} on every node")
    for model in NODE_MODELS:
        relabel(hub, model.name, own_labels(model))


def own_labels(model: NodeModel) -> dict[str, str]:
    """Return the labels of a node with as many of its GPU as its plugin advertises."""
    return gpu_labels(model) | {"nvidia.com/gpu.count": str(CARDS)}


def relabel(hub: Hub, node: str, labels: Mapping[str, str]) -> None:
    """Replace what feature discovery would have written."""
    there = (hub.kubectl.get("node", node) or {})["metadata"]["labels"]
    changes = {key: None for key in there if key.startswith("nvidia.com/")} | dict(labels)
    patch = json.dumps({"metadata": {"labels": changes}})
    hub.kubectl.run("patch", "node", node, "--type=merge", f"-p={patch}")


@contextmanager
def labelled(hub: Hub, labels: Mapping[str, str]) -> Iterator[None]:
    """Give the node these labels instead of those of its GPU, for as long as the block lasts."""
    relabel(hub, NODE, labels)
    try:
        yield
    finally:
        relabel(hub, NODE, own_labels(next(model for model in NODE_MODELS if model.name == NODE)))


@pytest.fixture(scope="module")
def team(hub: Hub, nodes: localcluster.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """A tenant with an engine for each of four architectures."""
    tenant = Tenant(hub, f"tenant-{uuid4().hex[:8]}")
    hub.make_tenant(tenant.namespace)
    model = small_network(tmp_path_factory.mktemp("model") / "small.onnx")
    resource = tenant.push(model, name="small", archs=ARCHS)
    resource["spec"]["profiles"] = [{"batchSize": {"min": 1, "opt": 4, "max": 8}}]
    tenant.apply(resource)
    tenant.wait_ready("small")
    yield tenant
    hub.kubectl.delete("namespace", tenant.namespace)


def pod(name: str, team: Tenant, *, on: str | None = NODE, **resources: Any) -> Json:
    """Return a pod that wants the engine and gives up without one; ``resources`` are its container's."""
    image = f"{team.hub.registry}/fetcher:{team.hub.tag}"
    template = deployment(name, engines="small", image=image, replicas=1)["spec"]["template"]
    spec = {**template["spec"], "restartPolicy": "Never"}
    del spec["affinity"]
    spec["containers"] = [{**spec["containers"][0], "resources": resources}]
    spec["nodeSelector"] = {"kubernetes.io/hostname": on} if on else {}
    annotations = {**template["metadata"]["annotations"], "ignitionhub.io/on-miss": "Fail"}
    metadata = {"name": name, "labels": template["metadata"]["labels"], "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def ended_up(team: Tenant, *pods: Json) -> list[str]:
    """Apply pods; return the target whose engine each holds, or its reason, in order. None stays Pending."""
    names = [one["metadata"]["name"] for one in pods]
    team.apply(*pods)

    def settled() -> list[Json] | None:
        found = [team.kubectl.get("pod", name, team.namespace) for name in names]
        there = [one for one in found if one and one["status"].get("phase") in {"Running", "Failed"}]
        return there if len(there) == len(names) else None

    running = eventually(settled, within=90, what=f"{', '.join(names)} to run or to fail")
    came = [engine_of(team, one) for one in running]
    # Waited for: without its driver a kubelet cannot take back what a pod claimed, and keeps the pod.
    team.kubectl.run("delete", "pod", *names, "-n", team.namespace)
    return came


def engine_of(team: Tenant, one: Json) -> str:
    if one["status"]["phase"] == "Failed":
        states = one["status"]["initContainerStatuses"]
        return str(next(state["state"]["terminated"]["message"] for state in states if not state["ready"]))
    built = {target["sha256"]: target["name"] for target in team.status("small")["targets"]}
    return str(built[engine_digest(team.kubectl, one, "small")])


def test_four_replicas_on_two_nodes_hold_the_engines_of_their_own_gpus_and_say_why(team: Tenant) -> None:
    team.apply(spread_over_nodes(team, "four", replicas=4))
    pods = team.wait_running("four", replicas=4)

    held = sorted((one["spec"]["nodeName"], engine_of(team, one)) for one in pods)
    assert held == [("gpu-a10", "sm-86")] * 2 + [("gpu-l4", "sm-89")] * 2
    for one in pods:
        name = one["metadata"]["name"]
        [event] = eventually(lambda name=name: chosen(team, name), within=30, what=f"the event of {name}")
        assert EXPLAINED[one["spec"]["nodeName"]] in event["message"]
        assert event["message"] in team.kubectl.logs(name, "-n", team.namespace, "-c", INIT_CONTAINER)
    team.kubectl.delete("deployment", "four", team.namespace)


TOLD = "known from the node's label nvidia.com/gpu.product; built for every"
EXPLAINED = {
    "gpu-a10": f"small: target sm-86 for NVIDIA-A10 (sm_86), 23028 MiB, {TOLD} sm_86",
    "gpu-l4": f"small: target sm-89 for NVIDIA-L4 (sm_89), 23034 MiB, {TOLD} sm_89",
}


def spread_over_nodes(team: Tenant, name: str, *, replicas: int) -> Json:
    """Return a Deployment with as many replicas on one node as on the other."""
    image = f"{team.hub.registry}/fetcher:{team.hub.tag}"
    wanted = deployment(name, engines="small", image=image, replicas=replicas)
    spec = wanted["spec"]["template"]["spec"]
    del spec["affinity"]
    evenly = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": name}},
    }
    spec["topologySpreadConstraints"] = [evenly]
    return wanted


def chosen(team: Tenant, name: str) -> list[Json]:
    return [
        event
        for event in team.kubectl.list("events", team.namespace)
        if event["reason"] == "EngineChosen" and event["involvedObject"]["name"] == name
    ]


def test_pods_of_a_node_with_cards_and_slices_get_what_each_requested(team: Tenant) -> None:
    labels = labels_of("two-products-cut-and-whole") | {"nvidia.com/gpu.count": str(CARDS)}
    with labelled(team.hub, labels):
        came = ended_up(
            team,
            *(pod(f"card-{number}", team, limits={CARD: "1"}) for number in range(2)),
            *(pod(f"slice-{number}", team, limits={SLICE: "1"}) for number in range(2)),
        )

    assert came == ["sm-75", "sm-75", "sm-80", "sm-80"]


def test_pods_of_a_node_with_two_products_hear_that_it_cannot_be_known(team: Tenant) -> None:
    labels = labels_of("two-products", 1)
    with labelled(team.hub, labels):
        came = ended_up(team, *(pod(f"any-{number}", team, limits={CARD: "1"}) for number in range(4)))

    said = (
        "it has GPUs of several products, and its label nvidia.com/gpu.product tells of one of them: 2 of 4"
    )
    assert all(one.startswith("NoEngineForGPU: ") and said in one for one in came)


def test_pods_of_a_node_without_labels_get_the_engine_of_the_device_they_claimed(
    team: Tenant, nodes: localcluster.Cluster
) -> None:
    team.kubectl.apply(
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "DeviceClass",
            "metadata": {"name": DEVICE_CLASS},
            "spec": {"selectors": [{"cel": {"expression": f"device.driver == '{DEVICE_CLASS}'"}}]},
        }
    )
    claims = {"t4": "Tesla T4", "a100": "NVIDIA A100-SXM4-40GB"}
    team.apply(*(claim_template(name, product) for name, product in claims.items()))
    with dra_driver(nodes, NODE, devices()), labelled(team.hub, {}):
        came = ended_up(team, *(claiming(f"{name}-{n}", team, name) for name in claims for n in range(2)))

    assert came == ["sm-75", "sm-75", "sm-80", "sm-80"]


def devices() -> list[Json]:
    """Return two of each device of a node with two products, the second A100 as a slice."""
    cards = [device for one in slices_of("two-products") for device in one["spec"]["devices"]]
    copies = [{**json.loads(json.dumps(card)), "name": f"{card['name']}-{n}"} for card in cards for n in "ab"]
    copies[-1]["attributes"] |= {"type": {"string": "mig"}, "profile": {"string": "1g.5gb"}}
    return copies


def claim_template(name: str, product: str) -> Json:
    attributes = f"device.attributes['{DEVICE_CLASS}']"
    exactly = {
        "deviceClassName": DEVICE_CLASS,
        "selectors": [
            {
                "cel": {
                    "expression": f"'productName' in {attributes} && {attributes}.productName == '{product}'"
                }
            }
        ],
    }
    spec = {"spec": {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}}}
    metadata = {"name": name}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": metadata,
        "spec": spec,
    }


def claiming(name: str, team: Tenant, template: str) -> Json:
    """Return a pod with a claim; no node is named, since the device decides where it goes."""
    asked = pod(name, team, on=None, claims=[{"name": "gpu"}])
    asked["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimTemplateName": template}]
    return asked
