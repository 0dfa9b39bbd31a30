"""A controller in this process, on an API server of its own; the tests play Job controller and gateway."""

from collections.abc import AsyncIterator, Iterator

import pytest

from controller_harness import Hub, hub_at, plane_of_its_own
from localcluster import ControlPlane


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """An API server of the module's own: the controller under test sees all of it."""
    with plane_of_its_own() as started:
        yield started


@pytest.fixture
async def hub(plane: ControlPlane) -> AsyncIterator[Hub]:
    """A hub with one pool and a fresh namespace; nothing of an earlier test is left."""
    async with hub_at(plane) as hub:
        yield hub
