"""The end-to-end stage: real nodes, the hub installed with its chart, a fresh tenant for each test."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from stage import local
from stage.hub import BUILDS, Hub, demo_values
from stage.tenant import Tenant


@pytest.fixture(scope="session")
def hub() -> Hub:
    """Start the local cluster (or find it running) and install this checkout's chart and images."""
    hub = local.start()
    hub.install(demo_values())
    return hub


@pytest.fixture
def tenant(hub: Hub) -> Iterator[Tenant]:
    """Give the test a namespace of its own, and take it away afterwards."""
    namespace = f"tenant-{uuid4().hex[:8]}"
    hub.make_tenant(namespace)
    yield Tenant(hub, namespace)
    hub.kubectl.delete("namespace", namespace)


@pytest.fixture
def build_namespace() -> str:
    """Name the namespace in which builds run."""
    return BUILDS
