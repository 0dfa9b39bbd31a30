"""The little of CUDA that verification uses, on a real driver."""

import numpy as np
import pytest

from ignition_builder.verifying.cuda import Cuda
from ignition_hub.engine.errors import NodeError

pytestmark = pytest.mark.gpu


def test_what_is_uploaded_comes_back() -> None:
    sent = np.arange(1 << 20, dtype=np.float32)
    received = np.zeros_like(sent)

    with Cuda() as cuda:
        address = cuda.allocate(sent.nbytes)
        cuda.upload(sent, address)
        cuda.download(address, received)

    assert (received == sent).all()


def test_an_empty_tensor_has_an_address() -> None:
    with Cuda() as cuda:
        assert cuda.allocate(0) != 0


def test_events_measure_time_that_passes() -> None:
    with Cuda() as cuda, cuda.events() as events:
        events.begin()
        cuda.wait()

        assert events.milliseconds() >= 0.0


def test_memory_that_is_not_there_is_refused_in_the_drivers_words() -> None:
    with Cuda() as cuda, pytest.raises(NodeError, match="out of memory"):
        cuda.allocate(1 << 50)


def test_blocks_can_follow_each_other_in_one_process() -> None:
    for _ in range(3):
        with Cuda() as cuda:
            assert cuda.allocate(1 << 20)
