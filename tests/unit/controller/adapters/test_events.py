from ignition_hub.controller.adapters.events import NAMES
from ignition_hub.engine.state import SETTLED


def test_every_state_in_which_a_target_settles_has_an_event() -> None:
    assert NAMES.keys() == SETTLED
