"""From what a server does to what its EngineStore says: gateway, controller and a real API server."""

import asyncio
import os
from unittest import mock

import pytest

from controller_harness import settle
from controllerbeside import controller_at_work
from gateway_harness import HUB, STORE
from ignition_hub.controller.passes import engine_stores
from ignition_hub.kube import EVENTS, STORES, Kube, RateLimiter
from ignition_hub.store.habits import CONDITIONAL
from job_controller import condition_of, eventually
from oddstore import odd_store
from s3server import CHOSEN

pytestmark = pytest.mark.cluster

GATEWAY_FLAGS = ("--probe-seconds=0.2",)
USUALLY = "ConditionsNotHonoured" if CHOSEN.lacks & {*CONDITIONAL} else "ConditionsHonoured"
NAME = STORE.rpartition("/")[2]


@pytest.fixture
async def kube(control_plane, monkeypatch):
    monkeypatch.setattr(engine_stores, "READ_SECRET_EVERY", 0.5)
    with mock.patch.dict(os.environ, KUBECONFIG=str(control_plane.kubeconfig)):
        kube = await Kube.connect(limiter=RateLimiter(qps=500, burst=500))
        yield kube
        await kube.close()
    await settle()


@pytest.fixture
def reader(hub, team):
    """A token of an account that may read EngineStores, as the controller may."""
    rules = [{"apiGroups": ["ignitionhub.io"], "resources": ["enginestores"], "verbs": ["get"]}]
    base, name = "/apis/rbac.authorization.k8s.io/v1/clusterrole", f"reads-stores-{team}"
    hub.post(f"{base}s", {"metadata": {"name": name}, "rules": rules})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": team}],
    }
    hub.post(f"{base}bindings", binding)
    return hub.token(team)


async def until(kube, kind, reason):
    """Wait until a condition of the EngineStore has a reason for its newest spec; return the condition."""

    async def told():
        body = await kube.get(STORES, NAME)
        found = condition_of(body, kind)
        is_new = found.get("observedGeneration") == body["metadata"]["generation"]
        return found if is_new and found.get("reason") == reason else None

    return await eventually(told)


async def events_of(kube):
    found = [event for event in await kube.list(EVENTS, "default") if event["regarding"]["name"] == NAME]
    return {(event["type"], event["reason"]) for event in found}


async def use(kube, s3):
    await kube.merge_patch(STORES, NAME, {"spec": {"s3": s3}})


async def test_an_engine_store_says_what_the_gateway_found_of_its_server_and_follows_it(
    kube, hub, reader, control_plane, tmp_path
):
    (tmp_path / "token").write_text(reader)
    kept = (await kube.get(STORES, NAME))["spec"]["s3"]
    async with controller_at_work(kube, hub, tmp_path / "token"):
        await until(kube, "ConditionalWrites", USUALLY)
        try:
            with odd_store(ignores_conditions=True) as server:
                await use(kube, {"endpoint": server.endpoint})
                told = await until(kube, "ConditionalWrites", "ConditionsNotHonoured")
                row = await asyncio.to_thread(control_plane.kubectl, "get", "enginestores", NAME)
            with odd_store(region="garage") as server:
                await use(kube, {"endpoint": server.endpoint})
                mistaken = await until(kube, "Ready", "RegionMistaken")
        finally:
            await use(kube, {"endpoint": kept["endpoint"]})
        await until(kube, "Ready", "BucketReachable")
        await until(kube, "ConditionalWrites", USUALLY)

    assert "PutObject, If-None-Match: ignored" in told["message"]
    assert row.splitlines()[0].split()[-4:] == ["REASON", "CONDITIONAL", "WRITES", "AGE"]
    assert row.splitlines()[1].split()[-4:-1] == ["True", "BucketReachable", "False"]
    assert "set spec.s3.region to garage" in mistaken["message"]
    expected = {("Warning", "ConditionsNotHonoured"), ("Warning", "RegionMistaken")}
    assert await events_of(kube) >= {*expected, ("Normal", "BucketReachable")}


async def test_while_no_gateway_answers_the_controller_says_that_it_does_not_know(kube, hub, tmp_path):
    (tmp_path / "token").write_text("no token of this cluster")
    async with controller_at_work(kube, hub, tmp_path / "token"):
        told = await until(kube, "ConditionalWrites", "GatewayUnreachable")
        ready = await until(kube, "Ready", "BucketReachable")

    assert (told["status"], ready["status"]) == ("Unknown", "True")
    assert "401" in told["message"]


def test_what_was_found_is_told_to_those_who_may_read_the_engine_store_alone(hub, team, reader):
    allowed = hub.gateway.ask("GET", "/v1/store", token=reader)
    refused = hub.gateway.ask("GET", "/v1/store", token=hub.token(HUB))

    assert (allowed.status, allowed.body["place"]["bucket"]) == (200, "engines")
    assert (refused.status, refused.reason) == (403, "NotPermitted")
    assert f"may not get enginestores {NAME}" in refused.message
    assert hub.gateway.ask("GET", "/v1/store").status == 401
