"""The end-to-end stage: real nodes, the hub installed with its chart, a fresh tenant for each test."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
import yaml

from installation import local
from installation.hub import BUCKET, ROOT, SHARED, Hub, Json, demo_values
from installation.tenant import Tenant

CLUSTER = "e2e"
SECONDS = 600
"""Given to one test, its share of starting the cluster included."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every end-to-end test a deadline that fits real nodes."""
    for item in items:
        item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def chart_values() -> Json:
    """What the hub is installed with."""
    return values()


@pytest.fixture(scope="session")
def hub(chart_values: Json) -> Iterator[Hub]:
    """Start a cluster of the tests' own, and install this checkout's chart and images on it."""
    try:
        hub = local.start(CLUSTER)
        hub.install(chart_values)
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


def values() -> Json:
    """Return the chart's values: those of the demo, and what namespaces may read by tests and examples."""
    shared = {"prefix": f"s3://{BUCKET}/{SHARED}", "namespaces": ["*"]}
    example = yaml.safe_load((ROOT / "examples" / "store.yaml").read_text())["spec"]["modelSources"]
    demo = demo_values()
    return demo | {"store": demo["store"] | {"modelSources": [shared, *example]}}
