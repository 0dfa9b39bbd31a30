"""The scheduling gate of a pod on a real API server: lifted of the pod that was observed, and of no other."""

from collections.abc import AsyncIterator

import pytest

from ignition_hub.compatibility.placement import release_of
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.engine.names import LABEL_WAITING, SCHEDULING_GATE
from ignition_hub.kube import PODS, Conflict, Kube, Object

pytestmark = pytest.mark.cluster

READY = EngineView(
    "resnet", (ReadyTarget("sm_89", None, "SameComputeCapability", "TensorRT"),), is_settled=True
)


@pytest.fixture
async def cluster(control_plane: object) -> AsyncIterator[Cluster]:
    kube = await Kube.connect()
    yield Cluster(kube, "builds")
    await kube.close()


def gated(**metadata: object) -> Object:
    spec = {
        "schedulingGates": [{"name": SCHEDULING_GATE}],
        "containers": [{"name": "main", "image": "busybox"}],
    }
    return {"metadata": {"name": "server", "labels": {LABEL_WAITING: "true"}, **metadata}, "spec": spec}


async def lift(cluster: Cluster, pod: Object) -> None:
    patch = release_of(pod, [READY], now=0)
    assert patch is not None
    await cluster.release_pod(pod, patch)


async def test_the_gate_of_the_pod_that_was_judged_is_lifted(cluster: Cluster, namespace: str) -> None:
    await lift(cluster, await cluster.kube.create(PODS, gated(), namespace))

    pod = await cluster.kube.get(PODS, "server", namespace)
    assert pod is not None
    assert "schedulingGates" not in pod["spec"]


async def test_another_pod_of_the_same_name_keeps_its_gate_and_gets_no_affinity(
    cluster: Cluster, namespace: str
) -> None:
    observed = await cluster.kube.create(PODS, gated(), namespace)
    await cluster.kube.delete(PODS, "server", namespace)
    await cluster.kube.create(PODS, gated(), namespace)

    with pytest.raises(Conflict):
        await lift(cluster, observed)

    pod = await cluster.kube.get(PODS, "server", namespace)
    assert pod is not None
    assert pod["spec"]["schedulingGates"] == [{"name": SCHEDULING_GATE}]
    assert "affinity" not in pod["spec"]


async def test_a_pod_that_changed_since_keeps_what_another_controller_gave_it(
    cluster: Cluster, namespace: str
) -> None:
    observed = await cluster.kube.create(PODS, gated(), namespace)
    await cluster.kube.merge_patch(PODS, "server", {"metadata": {"labels": {"tier": "gold"}}}, namespace)

    with pytest.raises(Conflict):
        await lift(cluster, observed)

    pod = await cluster.kube.get(PODS, "server", namespace)
    assert pod is not None
    assert pod["spec"]["schedulingGates"] == [{"name": SCHEDULING_GATE}]


async def test_a_pod_that_is_gone_needs_no_release(cluster: Cluster, namespace: str) -> None:
    observed = await cluster.kube.create(PODS, gated(), namespace)
    await cluster.kube.delete(PODS, "server", namespace)

    await lift(cluster, observed)
