"""Garage: one node over a folder, from its crate."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from ignition_hub.store.habits import CONDITIONAL
from stores.keeping import crate
from stores.kinds import REGION, Kind, Place, Processes
from stores.server import free_port

VERSION = "2.5.0"
ACCESS_KEY, SECRET_KEY = f"GK{'5' * 24}", "a" * 64
"""Garage takes keys of its own form only."""
SETUP_SECONDS = 120
SETTINGS = """metadata_dir = "{folder}/meta"
data_dir = "{folder}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "{host}:{rpc}"
rpc_public_addr = "{host}:{rpc}"
rpc_secret = "{secret}"
[s3_api]
s3_region = "{region}"
api_bind_addr = "{address}"
"""


def program() -> Path:
    """Return the program, built unless it is there."""
    return crate("garage", VERSION, "bundled-libs", "sqlite")


def _start(place: Place) -> Processes:
    settings = place.folder / "garage.toml"
    is_new = not settings.exists()
    if is_new:
        values = {"host": place.host, "rpc": free_port(place.host), "secret": SECRET_KEY, "region": REGION}
        settings.write_text(SETTINGS.format(folder=place.folder, address=place.address, **values))
    server = place.run(*_garage(place), "server")
    if is_new:
        node = _answered(place, "node", "id", "--quiet").partition("@")[0]
        _answered(place, "layout", "assign", "--zone", "tests", "--capacity", "1G", node)
        _answered(place, "layout", "apply", "--version", "1")
        _answered(place, "key", "import", "--yes", "-n", "tests", ACCESS_KEY, SECRET_KEY)
        _answered(place, "key", "allow", "--create-bucket", "tests")
    return [server]


def _garage(place: Place) -> list[str]:
    return [str(program()), "-c", str(place.folder / "garage.toml")]


def _answered(place: Place, *command: str) -> str:
    """Return what the server says to a command, which fails until it listens."""
    deadline = time.monotonic() + SETUP_SECONDS
    while True:
        asked = [*_garage(place), *command]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=SETUP_SECONDS)
        if done.returncode == 0:
            return done.stdout.strip()
        if time.monotonic() > deadline:
            raise RuntimeError(f"garage {' '.join(command)}: {done.stderr.strip()}")
        time.sleep(0.2)


GARAGE = Kind(
    "garage",
    VERSION,
    program,
    _start,
    access_key=ACCESS_KEY,
    secret_key=SECRET_KEY,
    lacks=frozenset(CONDITIONAL),
)
