"""gofakes3, which keeps objects in memory, from its Go module."""

from __future__ import annotations

from pathlib import Path

from ignition_hub.store.habits import Relied
from stores.keeping import go_tool
from stores.kinds import NO_AGES, SIGNATURES, UNCHECKED, Kind, Place, Processes

PACKAGE = "github.com/johannesboyne/gofakes3/cmd/gofakes3"
SOURCES = Path(__file__).parent / "go" / "gofakes3"
VERSION = "1.2.0"


def program() -> Path:
    """Return the program, built unless it is there."""
    return go_tool(PACKAGE, SOURCES)


def _start(place: Place) -> Processes:
    return [place.run(program(), "-backend", "memory", "-host", place.address)]


GOFAKES3 = Kind(
    "gofakes3",
    VERSION,
    program,
    _start,
    lacks=SIGNATURES | {Relied.COMPLETED},
    fails={
        **UNCHECKED,
        **NO_AGES,
        "test_a_second_upload_of_one_key_does_not_replace_the_first": "it does: conditions are ignored there",
    },
)
