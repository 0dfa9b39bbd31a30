"""
moto's server, which keeps objects in memory, from the pinned packages of ``requirements/moto.txt``.

They are apart from the tests' own environment.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from ignition_hub.store.habits import Relied
from promtool.paths import cache_folder
from stores.kinds import AT_ONCE, NO_AGES, UNCHECKED, Kind, Place, Processes

PINNED = Path(__file__).resolve().parents[3] / "requirements" / "moto.txt"
VERSION = "5.2.5"
LONGEST = 600
"""Seconds; the download takes a few."""


def packages() -> Path:
    """Return the folder of the packages, installed unless it is there."""
    target = cache_folder("stores") / f"moto-{hashlib.sha256(PINNED.read_bytes()).hexdigest()[:12]}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".installing-", dir=target.parent) as unfinished:
        made = Path(unfinished) / "made"
        uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-deps"]
        where = ["--python", sys.executable, "--target", str(made)]
        pins = ["--require-hashes", "-r", str(PINNED)]
        subprocess.run([*uv, *where, *pins], check=True, timeout=LONGEST)
        made.rename(target)
    return target


def _start(place: Place) -> Processes:
    command = (sys.executable, "-m", "moto.server", "-H", place.host, "-p", str(place.port))
    return [place.run(*command, PYTHONPATH=str(packages()))]


MOTO = Kind(
    "moto",
    VERSION,
    packages,
    _start,
    lacks=frozenset({Relied.LENGTH_SIGNED, Relied.CONDITION_SIGNED}),
    may_lack=frozenset({Relied.SMALL_AT_ONCE, Relied.OVERLAPPING}),
    fails={
        **UNCHECKED,
        **NO_AGES,
        "test_pages_of_unfinished_uploads_are_put_together[1-1]": "a listing of uploads has no pages",
    },
    may_fail=AT_ONCE,
)
