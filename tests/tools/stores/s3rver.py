"""s3rver over a folder, from its npm package."""

from __future__ import annotations

from pathlib import Path

from ignition_hub.store.habits import Relied
from stores.keeping import modules
from stores.kinds import Kind, Place, Processes

PROJECT = Path(__file__).parent / "npm" / "s3rver"
VERSION = "3.7.1"
KEY = "S3RVER"
"""The only one it knows; its secret is the same word."""


EVERYTHING = frozenset(Relied) - {Relied.SIGNED}


def packages() -> Path:
    """Return the folder of the package and what it needs, fetched unless it is there."""
    return modules(PROJECT)


def _start(place: Place) -> Processes:
    program = packages() / "node_modules" / ".bin" / "s3rver"
    where = ("--directory", place.data, "--address", place.host, "--port", str(place.port))
    return [place.run(program, *where, "--no-vhost-buckets", "--silent")]


S3RVER = Kind("s3rver", VERSION, packages, _start, access_key=KEY, secret_key=KEY, lacks=EVERYTHING)
