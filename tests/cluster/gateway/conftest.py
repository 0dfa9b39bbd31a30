"""A gateway as its own process, before the real API server and a real S3 server, and a team that uses it."""

import pytest

from gateway_harness import make_request, make_team, running_hub


@pytest.fixture(scope="module")
def hub(control_plane, api, tmp_path_factory, request):
    """The running gateway, with the flags that the module names in ``GATEWAY_FLAGS``."""
    flags = getattr(request.module, "GATEWAY_FLAGS", ())
    with running_hub(control_plane, api, tmp_path_factory.mktemp("gateway"), *flags) as hub:
        yield hub


@pytest.fixture
def team(hub):
    """A namespace that builds."""
    return make_team(hub)


@pytest.fixture
def request_(hub, team):
    """What a builder of the team is asked for."""
    return make_request(hub, team)
