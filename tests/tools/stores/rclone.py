"""``rclone serve s3`` over a folder, from its Go module: without its other commands and clouds."""

from __future__ import annotations

from pathlib import Path

from promtool.building import program_of
from stores.kinds import ACCESS_KEY, SECRET_KEY, Kind, Place, Processes

SOURCES = Path(__file__).parent / "go" / "rclone"
VERSION = "1.76.0"


def program() -> Path:
    """Return the program, built unless it is there."""
    return program_of(SOURCES, "stores")


def _start(place: Place) -> Processes:
    command = (program(), "serve", "s3", "--addr", place.address, "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}")
    own = {"RCLONE_CONFIG": str(place.folder / "rclone.conf"), "RCLONE_CACHE_DIR": str(place.inner("cache"))}
    return [place.run(*command, place.data, **own)]


RCLONE = Kind(
    "rclone",
    VERSION,
    program,
    _start,
    fails={
        "test_what_a_probe_left_that_was_cut_off_goes_an_hour_later": "its view of the folder is minutes old",
    },
)
