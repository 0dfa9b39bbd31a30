"""Nobody alone keeps the others out of what is expensive."""

import pytest

from ignition_hub.engine.errors import TransientError
from ignition_hub.gateway.process.limits import ConcurrencyLimit
from ignition_hub.gateway.routes.models import seconds_for


def test_one_caller_gets_its_share_and_others_get_theirs():
    places = ConcurrencyLimit("pushes", most=3, each=2)

    with places.one("vision"), places.one("vision"):
        with pytest.raises(TransientError, match="2 pushes for vision are in progress"):
            places.one("vision").__enter__()
        with places.one("audio"), pytest.raises(TransientError, match="3 pushes are in progress"):
            places.one("text").__enter__()


def test_a_place_is_free_again_whatever_happened_in_it():
    places = ConcurrencyLimit("pushes", most=1, each=1)
    with pytest.raises(OSError, match="gone"), places.one("vision"):
        raise OSError("gone")

    with places.one("audio"):
        pass


def test_a_slow_push_ends():
    assert seconds_for(1) < 180
    assert seconds_for(1024**3) < 2 * 3600
