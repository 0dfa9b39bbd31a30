"""From a pod on a GPU that no target serves to the engine in its volume: controller, gateway and fetcher."""

import asyncio
import os
import subprocess
import sys
from contextlib import AsyncExitStack, contextmanager
from unittest import mock

import pytest

import job_controller
from controller_harness import settle
from controllerbeside import controller_at_work
from fakeworld import make_engine, make_pool
from gateway_harness import BUILDS, MODEL, plan
from ignition_hub.kube import ENGINES, EVENTS, JOBS, POOLS, Kube, RateLimiter
from job_controller import condition_of, eventually, request_of

pytestmark = pytest.mark.cluster

POOL = "for-pods"


@pytest.fixture
async def kube(control_plane):
    with mock.patch.dict(os.environ, KUBECONFIG=str(control_plane.kubeconfig)):
        kube = await Kube.connect(limiter=RateLimiter(qps=500, burst=500))
        yield kube
        await kube.delete(POOLS, POOL)
        await kube.close()
    await settle()


@contextmanager
def fetcher(hub, token, folder):
    """Run the init container of a pod that waits (``on-miss: Wait``, the default), at most for the block."""
    (folder / "token").write_text(token)
    (folder / "engines").mkdir()
    environment = {
        "IGNITION_GATEWAY_URL": f"https://127.0.0.1:{hub.gateway.port}",
        "IGNITION_TOKEN_FILE": str(folder / "token"),
        "IGNITION_CA_FILE": str(hub.gateway.folder / "tls.crt"),
        "IGNITION_TERMINATION_LOG": str(folder / "termination"),
        "IGNITION_ENGINES": "main=resnet50",
        "IGNITION_MOUNT": str(folder / "engines"),
        "IGNITION_DEADLINE_SECONDS": "120",
    }
    command = [sys.executable, "-m", "ignition_hub.fetch"]
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def build(kube, hub, team, arch):
    """Build what ``team`` has asked for ``arch``, as a builder and the Job controller do."""

    async def asked():
        jobs = await kube.list(JOBS, BUILDS)
        requests = ((job, request_of(job)) for job in jobs)
        return next((job for job, it in requests if (it.namespace, it.inputs.gpu_arch) == (team, arch)), None)

    job = await eventually(asked)
    engine = plan()

    def publish():
        builder = hub.builder(job)
        assert hub.complete(builder, hub.upload(builder, engine)).status == 200

    await asyncio.to_thread(publish)
    await job_controller.complete(kube, job)
    return engine


async def test_a_pod_that_waits_on_a_gpu_that_no_target_serves_gets_the_engine_that_is_built_for_it(
    kube, hub, team, tmp_path
):
    hub.models.put("auto.onnx", MODEL)
    source = {"uri": "s3://models/auto.onnx"}
    body = make_engine(model={"name": "resnet50", "version": "v1", "source": source}, build={"timeout": "1h"})
    del body["metadata"]["namespace"]
    await kube.create(ENGINES, body, team)
    pool = make_pool(POOL, aheadOfTime={"archs": ["sm_86", "sm_89"]})
    await kube.create(POOLS, pool)
    pod = hub.pod(team, node="gpu-l4", annotations={"ignitionhub.io/engines": "resnet50"})

    async def status(condition, **parts):
        found = await kube.get(ENGINES, "resnet50", team)
        said = condition_of(found, condition)
        return found["status"] if parts.items() <= said.items() else None

    async with AsyncExitStack() as running:
        waits = running.enter_context(fetcher(hub, hub.token(team, pod=pod), tmp_path))
        await running.enter_async_context(controller_at_work(kube, hub))
        await eventually(lambda: status("Reconciling", status="True"))
        await kube.merge_patch(POOLS, POOL, {"spec": {"autoBuild": {"namespaces": ["other"]}}})
        refused = await eventually(lambda: status("AutoBuild", status="False"))
        await kube.merge_patch(POOLS, POOL, {"spec": {"autoBuild": {"namespaces": [team]}}})
        engine = await build(kube, hub, team, "sm_89")
        _, stderr = await asyncio.to_thread(waits.communicate, timeout=120)
        added = await eventually(lambda: status("AutoBuild", reason="TargetsAdded"))

    assert waits.returncode == 0, stderr
    assert (tmp_path / "engines" / "main" / "model.engine").read_bytes() == engine
    said = condition_of({"status": refused}, "AutoBuild")["message"]
    assert "have the platform team list it" in said
    asked, for_the_pod = added["targets"]
    assert (asked["name"], asked["state"]) == ("sm-86", "Building")
    assert (for_the_pod["name"], for_the_pod["state"]) == ("auto-sm-89", "Ready")
    why = for_the_pod["autoBuild"]
    assert (why["pod"], why["node"], why["pool"]) == (pod["metadata"]["name"], "gpu-l4", POOL)
    assert (added["readyTargets"], added["summary"]["added"]) == ("0/1", "auto-sm-89")
    events = await kube.list(EVENTS, team)
    on_the_pod = [one for one in events if one["regarding"].get("uid") == pod["metadata"]["uid"]]
    told = [one["reason"] for one in on_the_pod if one["reportingController"] != "ignitionhub.io/gateway"]
    assert sorted(told) == ["AutoBuildRefused", "TargetAdded"]
