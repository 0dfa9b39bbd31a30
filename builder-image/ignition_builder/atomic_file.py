"""
Files that are there whole or not at all.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """
    Open a file that appears as ``target`` only when the block ends well; else nothing is left.

    It is not synced to disk: a work directory does not outlive its machine, and who keeps the file syncs it.
    """
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb", buffering=0) as file:
            yield file
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
