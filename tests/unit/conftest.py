"""
What holds for the whole unit layer.

On Python 3.10 it is the tests of what runs beside TensorRT; ``besidetensorrt`` says which.
"""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from besidetensorrt import NEWER, needs_newer

# How fast examples come says how busy the machine is, and nothing of the product.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

OF_A_STAND_IN = "(process_request_thread)"
"""In the name of a thread that serves a connection: it ends with the client's, and does nothing before."""


@pytest.fixture(autouse=True)
def no_thread_outlives_its_test() -> Iterator[None]:
    """See that a test leaves no thread that goes on: what it draws or prints would be another test's."""
    before = set(threading.enumerate())
    yield
    left = [each for each in set(threading.enumerate()) - before if OF_A_STAND_IN not in each.name]
    for thread in left:
        thread.join(5)
    assert not [each for each in left if each.is_alive()]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a file of tests that needs a newer Python than this one."""
    del config
    if sys.version_info >= NEWER or not collection_path.match("test_*.py"):
        return None
    return True if needs_newer(collection_path) else None
