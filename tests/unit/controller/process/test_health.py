"""What the kubelet is told of a controller: a backlog is a figure, and no reason to restart it."""

import aiohttp

from gatewayprocess import free_port
from ignition_hub.api.quotas import StorageUse
from ignition_hub.controller.process.metrics import HealthServer, Vitals


def vitals(**changes):
    facts = {
        "leads": True,
        "watching": True,
        "queued": 0,
        "oldest": 0.0,
        "engines": 0,
        "jobs": 0,
        "writes": {},
        "storage": (),
    }
    return Vitals(**{**facts, **changes})


async def answers(look):
    port = free_port()
    async with HealthServer(port, lambda: look), aiohttp.ClientSession() as session:
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
