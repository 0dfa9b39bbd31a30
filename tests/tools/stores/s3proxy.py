"""S3Proxy over a folder, from its Maven artifact."""

from __future__ import annotations

from pathlib import Path

from stores.keeping import jars
from stores.kinds import ACCESS_KEY, SECRET_KEY, Kind, Place, Processes

PROJECT = Path(__file__).parent / "maven" / "s3proxy"
VERSION = "4.1.0"
QUIET = '<configuration><root level="warn"/></configuration>'
"""Its library logs every step where nothing else is said."""


def packages() -> Path:
    """Return the folder of its jars, fetched unless it is there."""
    return jars(PROJECT)


def _start(place: Place) -> Processes:
    settings, logging = place.folder / "s3proxy.conf", place.folder / "logback.xml"
    logging.write_text(QUIET)
    settings.write_text(
        f"s3proxy.endpoint={place.endpoint}\n"
        "s3proxy.authorization=aws-v4\n"
        f"s3proxy.identity={ACCESS_KEY}\n"
        f"s3proxy.credential={SECRET_KEY}\n"
        "jclouds.provider=filesystem-nio2\n"
        f"jclouds.filesystem.basedir={place.data}\n"
    )
    java = ("java", "-Xmx512m", f"-Dlogback.configurationFile={logging}", "-cp", f"{packages()}/*")
    return [place.run(*java, "org.gaul.s3proxy.Main", "--properties", settings)]


S3PROXY = Kind("s3proxy", VERSION, packages, _start)
