"""The optional parts of the chart, turned on in a hub that runs without: the node cache, and rollouts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ignition_hub.engine.names import INIT_CONTAINER
from ignition_hub.engine.pod_annotations import ANNOTATION_ROLLOUT
from installation.hub import RELEASE, Hub, Json
from installation.kubectl import eventually
from installation.models import distinct
from installation.tenant import Tenant
from installation.workload import deployment, engine_digest

pytestmark = pytest.mark.e2e

OPTIONAL = {"nodeCache": {"enabled": True, "sizeGiB": 1}, "rollouts": {"enabled": True}}
CACHE = "app.kubernetes.io/component=node-cache"
NODE, ARCH = "gpu-l4", "sm_89"
"""The node of the cluster's one kube-proxy, and so the one that ``internalTrafficPolicy: Local`` means."""


@pytest.fixture(scope="module", autouse=True)
def optional_parts(hub: Hub, chart_values: Json) -> Iterator[None]:
    """Turn them on, and off again when these tests are done."""
    hub.install(chart_values | OPTIONAL)
    yield
    hub.install(chart_values)
    eventually(lambda: not hub.kubectl.list("pods", RELEASE, CACHE), within=60, what="the caches to be gone")


def serve(tenant: Tenant, name: str, *, rolls: bool = False) -> Json:
    """Deploy one pod with the engine ``net``, which ends before its successor begins; return the pod."""
    image = f"{tenant.hub.registry}/fetcher:{tenant.hub.tag}"
    body = deployment(name, engines="net", image=image, replicas=1)
    body["spec"]["strategy"] = {"type": "Recreate"}  # a node has one GPU
    if rolls:
        body["spec"]["template"]["metadata"]["annotations"][ANNOTATION_ROLLOUT.name] = "Automatic"
    tenant.apply(body)
    (pod,) = tenant.wait_running(name)
    return pod


def log_of(tenant: Tenant, pod: Json) -> str:
    """Return what the pod's fetcher said."""
    return tenant.kubectl.logs(pod["metadata"]["name"], "-n", tenant.namespace, "-c", INIT_CONTAINER)


def test_the_second_pod_of_a_node_has_its_engine_from_the_nodes_cache(tenant: Tenant, tmp_path: Path) -> None:
    tenant.apply(tenant.push(distinct("squeezenet", tmp_path), name="net", archs=(ARCH,)))
    (target,) = tenant.wait_ready("net")["targets"]

    first = serve(tenant, "server")
    logs = [log_of(tenant, first)]
    tenant.kubectl.delete("pod", first["metadata"]["name"], tenant.namespace)
    (second,) = tenant.wait_running("server")
    logs.append(log_of(tenant, second))

    caches = {pod["spec"]["nodeName"]: pod for pod in tenant.kubectl.list("pods", RELEASE, CACHE)}
    kept = tenant.kubectl.logs(caches[NODE]["metadata"]["name"], "-n", RELEASE)
    assert set(caches) == {NODE, "gpu-a10"}
    assert {first["spec"]["nodeName"], second["spec"]["nodeName"]} == {NODE}
    assert engine_digest(tenant.kubectl, second, "net") == target["sha256"]
    assert [line.split()[0] for line in kept.splitlines()] == ["keeps"]
    assert all("digest verified" in log and "the cache of this node" not in log for log in logs)


def test_a_deployment_that_asks_for_rollouts_is_restarted_for_a_new_engine(
    tenant: Tenant, tmp_path: Path
) -> None:
    resource = tenant.push(distinct("squeezenet", tmp_path), name="net", archs=(ARCH,))
    tenant.apply(resource)
    (before,) = tenant.wait_ready("net")["targets"]
    first = serve(tenant, "server", rolls=True)

    tenant.apply(resource | {"spec": resource["spec"] | {"precision": "fp32"}})

    def replaced() -> Json | None:
        (target,) = tenant.status("net")["targets"]
        return target if target["state"] == "Ready" and target["sha256"] != before["sha256"] else None

    after = eventually(replaced, within=180, what="the engine of the new precision")

    def restarted() -> Json | None:
        (pod,) = tenant.wait_running("server")
        return pod if pod["metadata"]["uid"] != first["metadata"]["uid"] else None

    second = eventually(restarted, within=120, what="the pod to be replaced")
    assert engine_digest(tenant.kubectl, second, "net") == after["sha256"]
