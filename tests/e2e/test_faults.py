"""kill -9 in the middle of things: everything converges, and nothing unverified is ever loaded."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from installation.hub import BUCKET, BUILDS, PREFIX, Hub
from installation.kubectl import eventually
from installation.models import distinct, small_network
from installation.processes import kill, processes
from installation.tenant import Tenant
from installation.workload import engine_digest

pytestmark = pytest.mark.e2e

FETCHER = ("ignition_hub.fetch",)
VICTIMS = {
    "controller": ("ignition_hub.controller",),
    "gateway": ("ignition_hub.gateway",),
    "builder": ("ignition_builder",),
    "s3 server": ("versitygw", "posix"),
}


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_build_survives_the_sudden_death_of(victim: str, tenant: Tenant, tmp_path: Path) -> None:
    resource = tenant.push(distinct("densenet121", tmp_path), name="densenet", archs=("sm_86",))
    tenant.apply(resource)
    eventually(lambda: tenant.kubectl.list("pods", BUILDS), within=60, what="a builder pod")
    kill(tenant.hub.name, *VICTIMS[victim])
    status = tenant.wait_ready("densenet", within=300)

    assert stored_manifests(tenant, "densenet", status["targets"][0]["identity"]) == 1
    assert unfinished_jobs(tenant, status["targets"][0]["identity"]) == []


def stored_manifests(tenant: Tenant, model: str, identity: str) -> int:
    """Count the manifests under one identity's folder."""
    with tenant.hub.bucket() as s3:
        folder = f"{PREFIX}/engines/{model}/{identity[:16]}/"
        found = s3.list_objects_v2(Bucket=BUCKET, Prefix=folder).get("Contents", [])
        return sum(item["Key"].endswith(".trt.json") for item in found)


def unfinished_jobs(tenant: Tenant, identity: str) -> list[str]:
    """Name the Jobs of one identity that still run."""
    jobs = tenant.kubectl.list("jobs", BUILDS, labels=f"ignitionhub.io/identity={identity[:32]}")
    return [job["metadata"]["name"] for job in jobs if job.get("status", {}).get("active")]


@pytest.mark.parametrize("victim", ["fetcher", "gateway", "s3 server"])
def test_a_fetch_survives_the_sudden_death_of(victim: str, tenant: Tenant, tmp_path: Path) -> None:
    tenant.apply(tenant.push(distinct("densenet121", tmp_path), name="densenet", archs=("sm_89",)))
    status = tenant.wait_ready("densenet", within=300)
    tenant.deploy("server", engines="densenet")
    eventually(lambda: processes(tenant.hub.name, *FETCHER), within=60, what="a fetcher", every=0.02)
    kill(tenant.hub.name, *(VICTIMS | {"fetcher": FETCHER})[victim])
    pods = tenant.wait_running("server", within=240)

    assert engine_digest(tenant.kubectl, pods[0], "densenet") == status["targets"][0]["sha256"]


@pytest.fixture
def tight_pool(hub: Hub) -> Iterator[str]:
    """A pool whose builders get far too little memory; it alone builds for the architecture given."""
    arch, known = "sm_121", hub.kubectl.get("buildpool", "rtx")
    assert known is not None
    assert arch not in known["spec"]["aheadOfTime"]["archs"]
    changed = {"aheadOfTime": {"archs": [arch]}, "resources": {"limits": {"memory": "128Mi"}}}
    pool = {"apiVersion": known["apiVersion"], "kind": "BuildPool", "metadata": {"name": "tight"}}
    hub.kubectl.apply(pool | {"spec": known["spec"] | changed})
    yield arch
    hub.kubectl.delete("buildpool", "tight")


def test_a_builder_that_runs_out_of_memory_says_how_much_it_had(
    tenant: Tenant, tight_pool: str, tmp_path: Path
) -> None:
    model = small_network(tmp_path / "small.onnx")
    resource = tenant.push(model, name="small", archs=(tight_pool,))
    resource["spec"] |= {"profiles": [{"batchSize": {"min": 1, "opt": 1, "max": 8}}], "build": {"retries": 0}}
    tenant.apply(resource)
    target = tenant.wait_stalled("small")["targets"][0]

    assert (target["state"], target["reason"]) == ("Failed", "OutOfMemory")
    assert "128" in target["message"]
    assert "BuildPool" in target["message"]
