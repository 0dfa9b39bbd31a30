"""On Python 3.10 the unit layer is the tests of what runs beside TensorRT; ``besidetensorrt`` says which."""

import sys
from pathlib import Path

import pytest

from besidetensorrt import NEWER, needs_newer


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a file of tests that needs a newer Python than this one."""
    del config
    if sys.version_info >= NEWER or not collection_path.match("test_*.py"):
        return None
    return True if needs_newer(collection_path) else None
