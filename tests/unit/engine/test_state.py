import pytest

from ignition_hub.engine.state import State, is_on_its_way


@pytest.mark.parametrize("state", State)
def test_a_target_is_on_its_way_until_it_is_ready_failed_or_unbuildable(state: State) -> None:
    assert is_on_its_way(str(state), "Queued") == (state in {"Pending", "Queued", "Building", "Verifying"})


@pytest.mark.parametrize("reason", ["Suspended", "StorageQuotaExceeded", "TooManyEngines"])
def test_nothing_is_on_its_way_until_a_person_changes_something(reason: str) -> None:
    assert not is_on_its_way("Pending", reason)
