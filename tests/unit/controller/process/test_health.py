"""What the kubelet is told of a controller: a backlog is a figure, and no reason to restart it."""

import re

import aiohttp
from prometheus_client import CollectorRegistry

from gatewayprocess import free_port
from ignition_hub.api.quotas import StorageUse
from ignition_hub.controller.process.metrics import HealthServer, Vitals
from ignition_hub.kube.figures import PaceCollector
from ignition_hub.kube.pace import RateLimiter


def vitals(**changes):
    facts = {
        "leads": True,
        "watching": True,
        "queued": 0,
        "oldest": 0.0,
        "engines": 0,
        "targets": {},
        "added": {},
        "jobs": 0,
        "gated": 0,
        "gated_since": None,
        "store_is_away": False,
        "writes": {},
        "storage": (),
    }
    return Vitals(**{**facts, **changes})


async def answers(look, registry=None):
    port = free_port()
    async with HealthServer(port, lambda: look, registry), aiohttp.ClientSession() as session:
        found = {}
        for path in ("/healthz", "/readyz", "/metrics"):
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                found[path] = (answer.status, await answer.text())
    return found


async def test_a_long_backlog_is_told_as_a_metric_and_leaves_the_process_alive():
    told = await answers(vitals(queued=10_000, oldest=3_600.0))

    assert told["/healthz"] == (200, "alive")
    assert "ignition_controller_queue_oldest_seconds 3600.0" in told["/metrics"][1]


async def test_what_namespaces_use_of_their_quotas_is_a_metric():
    told = await answers(vitals(storage=[StorageUse("vision", 150, 200)]))

    assert 'ignition_controller_storage_used_bytes{namespace="vision"} 150.0' in told["/metrics"][1]
    assert 'ignition_controller_storage_quota_bytes{namespace="vision"} 200.0' in told["/metrics"][1]


async def test_a_controller_that_does_not_watch_yet_is_not_ready():
    told = await answers(vitals(watching=False))

    assert (told["/healthz"][0], told["/readyz"][0]) == (200, 503)


async def test_what_is_looked_up_and_what_is_counted_are_on_one_page():
    registry = CollectorRegistry()
    registry.register(PaceCollector("ignition_controller", {"releases": RateLimiter()}))
    look = vitals(
        added={"ada": 4}, targets={("Failed", "OutOfMemory"): 2}, gated=3, gated_since=0.0, store_is_away=True
    )
    _, page = (await answers(look, registry))["/metrics"]

    assert 'ignition_controller_engine_targets{reason="OutOfMemory",state="Failed"} 2.0' in page
    assert 'ignition_controller_added_targets{pool="ada"} 4.0' in page
    assert "ignition_controller_gated_pods 3.0" in page
    assert "ignition_controller_store_breaker_open 1.0" in page
    assert 'ignition_controller_api_requests_pending{budget="releases"} 0.0' in page
    [oldest] = re.findall(r"^ignition_controller_gated_pod_oldest_seconds (\S+)", page, re.MULTILINE)
    assert float(oldest) > 1e9
