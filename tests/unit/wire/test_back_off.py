import pytest

from ignition_hub.wire.back_off import BackOff


@pytest.mark.parametrize("failures", [1, 2, 5, 20, 5000])
def test_the_delay_doubles_within_bounds_and_is_jittered(failures):
    back_off = BackOff(first=1.0, longest=100.0)
    full = min(100.0, 2.0 ** min(failures - 1, 30))

    delays = {back_off.delay(failures) for _ in range(50)}

    assert all(full / 2 <= delay <= full for delay in delays)
    assert len(delays) > 1
