"""Programs set up the logging of their process; a test that runs one in its own process sets it back."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def logging_as_before() -> Iterator[None]:
    """Give the root logger its handlers and its level back when the block ends."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
