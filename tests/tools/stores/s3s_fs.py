"""s3s-fs over a folder, from its crate."""

from __future__ import annotations

from pathlib import Path

from stores.keeping import crate
from stores.kinds import ACCESS_KEY, SECRET_KEY, Kind, Place, Processes

VERSION = "0.14.1"
"""The last that Rust 1.95 builds."""


def program() -> Path:
    """Return the program, built unless it is there."""
    return crate("s3s-fs", VERSION, "binary")


def _start(place: Place) -> Processes:
    keys = ("--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY)
    return [place.run(program(), *keys, "--host", place.host, "--port", str(place.port), place.data)]


S3S_FS = Kind("s3s-fs", VERSION, program, _start, refused=True)
