"""
Rollouts on a real API server and controller manager: pods are replaced whose engines were.

No kubelet runs here: the tests say in its place which engines a pod has fetched.
"""

import copy
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from controller_harness import CRDS
from fakeworld import make_engine
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.workloads import Workloads
from ignition_hub.controller.passes.rollouts import roll_out
from ignition_hub.controller.policy.rollout import BETWEEN_ROLLOUTS
from ignition_hub.controller.process.counters import Counters
from ignition_hub.controller.process.keys import rollouts_key
from ignition_hub.controller.process.work_queue import Again
from ignition_hub.engine.names import ANNOTATION_ROLLED, INIT_CONTAINER, LABEL_ROLLS, ROLLOUT_MANAGER
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES, ANNOTATION_ROLLOUT
from ignition_hub.kube import (
    DAEMON_SETS,
    DEPLOYMENTS,
    ENGINES,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    STATEFUL_SETS,
    Conflict,
    Kube,
    Object,
    RateLimiter,
    Resource,
)
from job_controller import eventually
from localcluster import ControlPlane

pytestmark = pytest.mark.cluster

OLD, NEW = "0" * 64, "1" * 64
LABELS = {"app": "server"}
TEMPLATE = {
    "metadata": {
        "labels": {**LABELS, LABEL_ROLLS: "true"},
        "annotations": {ANNOTATION_ENGINES.name: "resnet50", ANNOTATION_ROLLOUT.name: "Automatic"},
    },
    "spec": {
        "tolerations": [{"operator": "Exists"}],
        "initContainers": [{"name": INIT_CONTAINER, "image": "fetcher:1"}],
        "containers": [{"name": "server", "image": "server:1"}],
    },
}
SPEC = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}
KINDS = {
    DEPLOYMENTS: {"replicas": 1, **SPEC},
    STATEFUL_SETS: {"replicas": 1, "serviceName": "server", **SPEC},
    DAEMON_SETS: {**SPEC, "updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}}},
}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-l4"}}
ROLLOUT_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "rollouts.argoproj.io"},
    "spec": {
        "group": ROLLOUTS.group,
        "names": {"kind": "Rollout", "plural": "rollouts", "singular": "rollout"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": ROLLOUTS.version,
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                },
                "subresources": {"status": {}},
            }
        ],
    },
}
"""Of Argo Rollouts as much as the API server needs; its own schema leaves templates unchecked, too."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A control plane with controllers; it has a node, on which nothing runs."""
    with ControlPlane.start(controllers=True) as started:
        started.kubectl("apply", "--server-side", "-f", str(CRDS))
        started.kubectl("create", "-f", "-", stdin=json.dumps(NODE))
        started.kubectl("create", "-f", "-", stdin=json.dumps(ROLLOUT_CRD))
        started.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        yield started


class Stage:
    """A namespace with one engine, and one controller that looks at its rollouts when it is asked to."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.kube, self.namespace = kube, namespace
        self.cluster = Cluster(kube, "builds", rolls=True)
        self.workloads = Workloads(kube)
        self.now = datetime.now(UTC).replace(microsecond=0)

    async def publish(self, sha256: str) -> None:
        """Have the engine of today be ``sha256``."""
        if await self.kube.get(ENGINES, "resnet50", self.namespace) is None:
            engine = make_engine(targets=[{"gpuArch": "sm_89"}])
            engine["metadata"].pop("namespace")
            await self.kube.create(ENGINES, engine, self.namespace)
        status = {
            "observedGeneration": 1,
            "targets": [
                {
                    "name": "sm-89", "state": "Ready", "reason": "Built", "gpuArch": "sm_89",
                    "identity": sha256, "sha256": sha256, "uri": "s3://engines/a.trt",
                }
            ],
        }  # fmt: skip
        await self.kube.merge_patch(ENGINES, "resnet50", {"status": status}, self.namespace, "status")

    async def pods(self, count: int = 1) -> list[Object]:
        """Wait for the pods of the server, without those that are going."""

        async def there() -> list[Object] | None:
            found = await self.kube.list(PODS, self.namespace, "app=server")
            found = [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]
            return found if len(found) == count else None

        return await eventually(there)

    async def fetch(self, pod: Object, sha256: str) -> None:
        """Say as the kubelet would that a pod has fetched an engine and is ready."""
        said = json.dumps({"arch": "sm_89", "product": "NVIDIA-L4", "engines": [sha256[:16]]})
        ended = {"exitCode": 0, "message": said, "finishedAt": "2026-01-01T00:00:00Z"}
        container = {
            "name": INIT_CONTAINER, "image": "fetcher:1", "imageID": "", "ready": True, "restartCount": 0,
            "state": {"terminated": ended},
        }  # fmt: skip
        status = {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "initContainerStatuses": [container],
        }
        await self.kube.merge_patch(
            PODS, pod["metadata"]["name"], {"status": status}, self.namespace, "status"
        )

    async def look(self, *, minutes: float = 0.0) -> Again:
        """Make a pass, so many minutes later."""
        self.now += timedelta(minutes=minutes)
        await self.cluster.refresh()
        stamp = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        now = self.now.timestamp(), stamp
        return await roll_out(self.cluster, self.workloads, rollouts_key(self.namespace), Counters(), now)

    async def create(self, resource: Resource, name: str = "server", **spec: Any) -> Object:
        body = {"metadata": {"name": name}, "spec": copy.deepcopy(KINDS.get(resource, SPEC)) | spec}
        return await self.kube.create(resource, body, self.namespace)

    async def read(self, resource: Resource, name: str = "server") -> Object:
        found = await self.kube.get(resource, name, self.namespace)
        assert found is not None
        return found

    async def until_observed(self, resource: Resource) -> Object:
        """Wait until the workload's controller has seen its last change."""

        async def observed() -> Object | None:
            body = await self.read(resource)
            is_seen = body.get("status", {}).get("observedGeneration") == body["metadata"]["generation"]
            return body if is_seen else None

        return await eventually(observed)

    @property
    def written(self) -> int:
        """How many workloads were patched."""
        patched = ("deployments", "statefulsets", "daemonsets", "rollouts")
        return sum(self.kube.writes[f"patch {plural}"] for plural in patched)


@pytest.fixture
async def stage(plane: ControlPlane) -> AsyncIterator[Stage]:
    limiter = RateLimiter(qps=1000, burst=1000)
    kube = await Kube.connect(kubeconfig=str(plane.kubeconfig), limiter=limiter)
    namespace = f"test-{uuid4().hex[:12]}"
    await kube.create(NAMESPACES, {"metadata": {"name": namespace}})
    plane.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=30s")
    yield Stage(kube, namespace)
    for resource in (*KINDS, ROLLOUTS):
        for body in await kube.list(resource, namespace):
            await kube.delete(resource, body["metadata"]["name"], namespace)
    await kube.close()


def rolled_at(body: Object) -> str | None:
    annotations: dict[str, str] = body["spec"]["template"]["metadata"]["annotations"]
    return annotations.get(ANNOTATION_ROLLED)


def owned(body: Object, manager: str) -> dict[str, Any]:
    (fields,) = [each for each in body["metadata"]["managedFields"] if each["manager"] == manager]
    assert fields["operation"] == "Apply"
    owned: dict[str, Any] = fields["fieldsV1"]
    return owned


@pytest.mark.parametrize("resource", KINDS, ids=lambda resource: resource.kind)
async def test_the_pods_of_a_workload_are_replaced_once_and_nothing_is_written_at_rest(
    stage: Stage, resource: Resource
) -> None:
    await stage.publish(OLD)
    await stage.create(resource)
    (pod,) = await stage.pods()
    await stage.fetch(pod, OLD)
    await stage.until_observed(resource)
    assert await stage.look() == Again()

    await stage.publish(NEW)
    await stage.look(minutes=1)
    await stage.look()
    await stage.until_observed(resource)
    await stage.look(minutes=10)

    body = await stage.read(resource)
    assert stage.written == 1
    assert rolled_at(body) is not None
    annotation = {f"f:{ANNOTATION_ROLLED}": {}}
    only = {"f:spec": {"f:template": {"f:metadata": {"f:annotations": annotation}}}}
    assert owned(body, ROLLOUT_MANAGER) == only

    async def replaced() -> Object | None:
        for one in await stage.kube.list(PODS, stage.namespace, "app=server"):
            if ANNOTATION_ROLLED in one["metadata"]["annotations"]:
                return one
        return None

    await stage.fetch(await eventually(replaced), NEW)
    await stage.pods()
    assert await stage.look(minutes=10) == Again()
    assert stage.written == 1


async def test_a_spec_that_was_rolled_back_rolls_its_pods_back_after_a_rest(stage: Stage) -> None:
    await stage.publish(NEW)
    await stage.create(DEPLOYMENTS)
    (pod,) = await stage.pods()
    await stage.fetch(pod, OLD)
    await stage.until_observed(DEPLOYMENTS)
    await stage.look()
    first = rolled_at(await stage.read(DEPLOYMENTS))
    (late,) = [one for one in await stage.pods(2) if ANNOTATION_ROLLED in one["metadata"]["annotations"]]
    await stage.fetch(late, NEW)
    await stage.pods()

    await stage.publish(OLD)
    rest = await stage.look(minutes=1)
    assert rest == Again(seconds=BETWEEN_ROLLOUTS - 60.0)
    await stage.look(minutes=5)

    assert stage.written == 2
    assert rolled_at(await stage.read(DEPLOYMENTS)) != first


async def test_a_workload_that_changed_since_it_was_read_is_left_to_the_next_look(stage: Stage) -> None:
    await stage.publish(NEW)
    await stage.create(DEPLOYMENTS)
    (pod,) = await stage.pods()
    await stage.fetch(pod, OLD)
    await stage.until_observed(DEPLOYMENTS)
    of = stage.workloads.of

    async def read_and_paused(pods: Any) -> Any:
        read = await of(pods)
        await stage.kube.merge_patch(DEPLOYMENTS, "server", {"spec": {"paused": True}}, stage.namespace)
        return read

    stage.workloads.of = read_and_paused  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        await stage.look()
    assert rolled_at(await stage.read(DEPLOYMENTS)) is None


async def test_the_pods_of_an_argo_rollout_are_replaced_by_its_own_controller(stage: Stage) -> None:
    revision = {"rollout.argoproj.io/revision": "1"}
    await stage.publish(NEW)
    body = {"metadata": {"name": "server", "annotations": revision}, "spec": copy.deepcopy(SPEC)}
    rollout = await stage.kube.create(ROLLOUTS, body, stage.namespace)
    seen = {"observedGeneration": "1", "stableRS": "a", "currentPodHash": "a"}
    await stage.kube.merge_patch(ROLLOUTS, "server", {"status": seen}, stage.namespace, "status")
    owner = {
        "apiVersion": ROLLOUTS.api_version, "kind": "Rollout", "name": "server", "controller": True,
        "uid": rollout["metadata"]["uid"],
    }  # fmt: skip
    replicas = {
        "metadata": {"name": "server-a", "annotations": revision, "ownerReferences": [owner]},
        "spec": {"replicas": 1, **copy.deepcopy(SPEC)},
    }
    await stage.kube.create(REPLICA_SETS, replicas, stage.namespace)
    (pod,) = await stage.pods()
    await stage.fetch(pod, OLD)

    await stage.look()
    await stage.look(minutes=10)

    assert stage.written == 1
    assert rolled_at(await stage.read(ROLLOUTS)) is not None
