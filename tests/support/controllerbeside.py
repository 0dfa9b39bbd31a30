"""A controller in the process of a test, beside a gateway that runs in one of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway_harness import BUILDS, HUB
from ignition_hub.controller.adapters.bucket import Buckets
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.gateway_findings import GatewayFindings
from ignition_hub.controller.adapters.public_keys import GatewayKeys
from ignition_hub.controller.app import Controller, ControllerSettings
from ignition_hub.kube import Kube


@asynccontextmanager
async def controller_at_work(kube: Kube, hub: Any, token_file: Path | None = None) -> AsyncIterator[None]:
    """Run a controller until the block ends; with a token it asks the gateway of ``hub`` what that found."""
    url, ca_file = f"https://127.0.0.1:{hub.gateway.port}", hub.gateway.folder / "tls.crt"
    cluster = Cluster(kube, BUILDS)
    findings = GatewayFindings(url, ca_file, token_file)
    buckets = Buckets(kube, cluster.stores, HUB, GatewayKeys(url, ca_file), findings)
    settings = ControllerSettings(
        release_namespace=HUB, build_namespace=BUILDS, gateway_url=url, health_port=0
    )
    controller = Controller(kube, buckets, cluster, settings)
    tasks = [asyncio.create_task(controller.watch()), asyncio.create_task(controller.lead())]
    try:
        yield
    finally:
        tasks[1].cancel()
        controller.stop()
        await asyncio.wait(tasks)
        buckets.close()
