"""The main job, end to end: a model pushed, an engine for each GPU, each pod with its own."""

from pathlib import Path

import pytest

from installation.hub import BUILDS, RELEASE
from installation.models import distinct
from installation.tenant import Tenant
from installation.workload import engine_digest

pytestmark = pytest.mark.e2e


def test_each_pod_starts_with_the_engine_of_the_gpu_it_landed_on(tenant: Tenant, tmp_path: Path) -> None:
    model = distinct("resnet50", tmp_path)
    tenant.apply(tenant.push(model, name="resnet50", archs=("sm_86", "sm_89")))
    status = tenant.wait_ready("resnet50")
    tenant.deploy("classifier", engines="resnet50", replicas=2)
    pods = tenant.wait_running("classifier", replicas=2)

    held = {pod["spec"]["nodeName"]: engine_digest(tenant.kubectl, pod, "resnet50") for pod in pods}
    built = {target["gpuArch"]: target["sha256"] for target in with_archs(status)}

    assert held == {"gpu-a10": built["sm_86"], "gpu-l4": built["sm_89"]}
    assert built["sm_86"] != built["sm_89"]


def with_archs(status: dict) -> list[dict]:
    """Name each target's architecture, which is what its name defaults to."""
    return [target | {"gpuArch": target["name"].replace("-", "_")} for target in status["targets"]]


def test_a_pod_created_before_its_engine_waits_for_it(tenant: Tenant, tmp_path: Path) -> None:
    model = distinct("squeezenet", tmp_path)
    resource = tenant.push(model, name="squeezenet", archs=("sm_86",))
    tenant.apply(resource | {"spec": resource["spec"] | {"suspend": True}})
    tenant.deploy("early", engines="squeezenet")
    pods = tenant.kubectl.list("pods", tenant.namespace, labels="app=early")

    tenant.apply(resource)
    tenant.wait_ready("squeezenet")
    running = tenant.wait_running("early")

    assert all(pod["spec"].get("nodeName") is None for pod in pods)
    assert [pod["spec"]["nodeName"] for pod in running] == ["gpu-a10"]


LIMITS = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "limits"},
    "spec": {
        "limits": [
            {
                "type": "Container",
                "default": {"cpu": "500m", "memory": "256Mi"},
                "defaultRequest": {"cpu": "250m", "memory": "128Mi"},
                "min": {"cpu": "200m", "memory": "100Mi"},
                "max": {"cpu": "500m", "memory": "256Mi"},
                "maxLimitRequestRatio": {"cpu": "2", "memory": "2"},
            }
        ]
    },
}
QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "quota"},
    "spec": {"hard": {"limits.cpu": "1", "limits.memory": "512Mi", "requests.cpu": "500m"}},
}


def test_a_namespace_with_quotas_limits_and_pod_security_runs_the_deployment(
    tenant: Tenant, tmp_path: Path
) -> None:
    tenant.apply(LIMITS, QUOTA)
    tenant.apply(tenant.push(distinct("squeezenet", tmp_path), name="net", archs=("sm_86", "sm_89")))
    tenant.wait_ready("net")

    tenant.deploy("server", engines="net", replicas=2)
    pods = tenant.wait_running("server", replicas=2)

    (quota,) = tenant.kubectl.list("resourcequotas", tenant.namespace)
    assert quota["status"]["used"] == QUOTA["spec"]["hard"]
    assert {pod["status"]["qosClass"] for pod in pods} == {"Burstable"}
    assert all(engine_digest(tenant.kubectl, pod, "net") for pod in pods)


def test_a_second_resource_with_the_same_identity_finds_the_engine(tenant: Tenant, tmp_path: Path) -> None:
    model = distinct("squeezenet", tmp_path)
    first = tenant.push(model, name="squeezenet", archs=("sm_89",))
    tenant.apply(first)
    built = tenant.wait_ready("squeezenet")["targets"][0]
    jobs_before = {job["metadata"]["uid"] for job in tenant.kubectl.list("jobs", BUILDS)}
    tenant.apply(first | {"metadata": first["metadata"] | {"name": "again"}})
    found = tenant.wait_ready("again")["targets"][0]
    jobs_after = {job["metadata"]["uid"] for job in tenant.kubectl.list("jobs", BUILDS)}

    assert built["source"] == "Built"
    assert found["source"] == "Remote"
    assert found["sha256"] == built["sha256"]
    assert jobs_after <= jobs_before


def test_a_tenants_namespace_holds_no_secret_no_job_and_no_builder(tenant: Tenant, tmp_path: Path) -> None:
    tenant.apply(tenant.push(distinct("squeezenet", tmp_path), name="squeezenet", archs=("sm_86",)))
    tenant.wait_ready("squeezenet")
    tenant.deploy("server", engines="squeezenet")
    pods = tenant.wait_running("server")

    assert tenant.kubectl.list("secrets", tenant.namespace) == []
    assert tenant.kubectl.list("jobs", tenant.namespace) == []
    assert [pod["metadata"]["labels"]["app"] for pod in pods] == ["server"]
    assert not any("Secret" in str(volume) for volume in pods[0]["spec"]["volumes"])


def test_every_namespace_of_the_hub_enforces_restricted_pod_security(tenant: Tenant) -> None:
    for namespace in (RELEASE, BUILDS, tenant.namespace):
        found = tenant.kubectl.get("namespace", namespace)
        assert found is not None
        assert found["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
