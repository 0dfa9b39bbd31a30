"""The end-to-end stage: real nodes, the hub installed with its chart, a fresh tenant for each test."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from stage import local
from stage.hub import Hub, demo_values
from stage.tenant import Tenant

CLUSTER = "e2e"
SECONDS = 600
"""Given to one test, its share of starting the cluster included."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every end-to-end test a deadline that fits real nodes."""
    for item in items:
        item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def hub() -> Iterator[Hub]:
    """Start a cluster of the tests' own, and install this checkout's chart and images on it."""
    try:
        hub = local.start(CLUSTER)
        hub.install(demo_values())
        yield hub
    finally:
        local.stop(CLUSTER)


@pytest.fixture
def tenant(hub: Hub) -> Iterator[Tenant]:
    """Give the test a namespace of its own, and take it away afterwards."""
    namespace = f"tenant-{uuid4().hex[:8]}"
    hub.make_tenant(namespace)
    yield Tenant(hub, namespace)
    hub.kubectl.delete("namespace", namespace)
