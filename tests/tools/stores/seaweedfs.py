"""SeaweedFS: master, one volume server, filer and S3 in one process, from its Go module."""

from __future__ import annotations

import json
from pathlib import Path

from stores.keeping import go_tool
from stores.kinds import ACCESS_KEY, NO_AGES, SECRET_KEY, Kind, Place, Processes
from stores.server import free_port

PACKAGE = "github.com/seaweedfs/seaweedfs/weed"
SOURCES = Path(__file__).parent / "go" / "seaweedfs"
VERSION = "4.53"
"""Of the commit that ``go.mod`` names: the module's own tags stop before it."""
VOLUMES = ("-master.volumeSizeLimitMB=64", "-volume.max=100")
"""Each bucket takes several of its own: with the default of 8 a third bucket takes no object."""
PORTS = [f"{part}.port{grpc}" for part in ("master", "volume", "filer") for grpc in ("", ".grpc")]


def program() -> Path:
    """Return the program, built unless it is there: 600 seconds of one core."""
    return go_tool(PACKAGE, SOURCES)


def _start(place: Place) -> Processes:
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    identities = place.folder / "identities.json"
    identities.write_text(
        json.dumps({"identities": [{"name": "tests", "credentials": credentials, "actions": actions}]})
    )
    ports = [f"-{name}={free_port(place.host)}" for name in (*PORTS, "s3.port.grpc")]
    where = (f"-dir={place.data}", f"-ip={place.host}", f"-ip.bind={place.host}")
    s3 = ("-s3", f"-s3.port={place.port}", f"-s3.config={identities}")
    return [place.run(program(), "server", *VOLUMES, *where, *ports, *s3)]


SEAWEEDFS = Kind(
    "seaweedfs",
    VERSION,
    program,
    _start,
    fails={
        **NO_AGES,
        "test_a_name_that_is_no_plain_path_is_refused[a\\\\b.bin]": "a backslash in a key becomes a slash",
    },
)
