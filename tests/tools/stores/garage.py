"""Garage: one node over a folder, from its crate."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from ignition_hub.store.habits import CONDITIONAL
from stores.keeping import crate
from stores.kinds import NO_AGES, REGION, Kind, Place, Processes
from stores.server import free_port

VERSION = "2.5.0"
ACCESS_KEY, SECRET_KEY = f"GK{'5' * 24}", "a" * 64
"""Garage takes keys of its own form only."""
SETUP_SECONDS = 120
IGNORED = "conditions are ignored"
BAD_REQUEST = "a header that was signed and is not sent is answered with 400"
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
    fails={
        **NO_AGES,
        "test_an_object_is_replaced_only_at_the_version_that_was_read": IGNORED,
        "test_a_second_upload_of_one_key_does_not_replace_the_first": IGNORED,
        "test_of_builders_with_different_bytes_the_first_wins": IGNORED,
        "test_builders_with_equal_bytes_and_other_facts_agree_on_one_manifest": IGNORED,
        "test_of_two_first_writers_the_store_takes_one": IGNORED,
        "test_a_version_that_was_replaced_is_not_written_over": IGNORED,
        "test_two_builds_at_once_leave_what_both_measured": IGNORED,
        "test_who_comes_second_adds_to_what_the_first_one_wrote": IGNORED,
        "test_a_cache_that_cannot_be_put_together_is_left_and_said_so": IGNORED,
        "test_the_condition_cannot_be_left_out_of_a_first_write[wrong0]": BAD_REQUEST,
        "test_the_condition_cannot_be_left_out_of_a_later_write[wrong0]": BAD_REQUEST,
    },
)
