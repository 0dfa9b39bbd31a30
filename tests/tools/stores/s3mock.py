"""Adobe's S3Mock, from its Maven artifact; it runs on Java 25 and newer."""

from __future__ import annotations

from pathlib import Path

from stores.keeping import jars, java
from stores.kinds import Kind, Place, Processes

PROJECT = Path(__file__).parent / "maven" / "s3mock"
VERSION = "5.2.0"
LEAST_JAVA = 25
QUICK = ("-Xmx512m", "-XX:TieredStopAtLevel=1")
"""To start in half the time: a test ends before a better compiler pays."""


def packages() -> Path:
    """Return the folder of its jar, fetched unless it is there."""
    return jars(PROJECT)


def _start(place: Place) -> Processes:
    program = packages() / f"s3mock-{VERSION}-exec.jar"
    unused = ("--server.port=0", "--vectors.http.port=0", "--vectors.https.port=0")
    return [place.run(java(LEAST_JAVA), *QUICK, "-jar", program, f"--http.port={place.port}", *unused)]


S3MOCK = Kind("s3mock", VERSION, packages, _start, refused=True)
