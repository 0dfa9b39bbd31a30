"""
What holds for the whole unit layer.

On Python 3.10 it is the tests of what runs beside TensorRT; ``besidetensorrt`` says which.
"""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from besidetensorrt import NEWER, needs_newer

# How fast examples come says how busy the machine is, and nothing of the product.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a file of tests that needs a newer Python than this one."""
    del config
    if sys.version_info >= NEWER or not collection_path.match("test_*.py"):
        return None
    return True if needs_newer(collection_path) else None
