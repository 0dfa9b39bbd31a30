"""The table of S3 servers: what it says of releases and of tests is so."""

import re
from pathlib import Path

import pytest

from localcluster.recipe import COMPONENTS
from stores.moto import PINNED
from stores.rclone import SOURCES
from stores.table import SERVERS

CLUSTER = Path(__file__).resolve().parents[2] / "cluster"

PINS = {
    "versitygw": "\n".join(component.package for component in COMPONENTS),
    "versitygw-defaults": "\n".join(component.package for component in COMPONENTS),
    "moto": PINNED.read_text(),
    "rclone": (SOURCES / "go.mod").read_text(),
}


@pytest.mark.parametrize(("name", "pins"), PINS.items())
def test_the_release_of_a_server_is_the_one_that_is_pinned(name: str, pins: str) -> None:
    package = name.partition("-")[0]
    (pinned,) = re.findall(rf"(?:^|/){package}(?:==|@v| v)([\d.]+)", pins, re.MULTILINE)

    assert SERVERS[name].version == pinned


def test_each_test_that_a_server_is_said_to_fail_exists() -> None:
    tests = set(
        re.findall(r"def (test_\w+)", "".join(path.read_text() for path in CLUSTER.rglob("test_*.py")))
    )

    said = {name.partition("[")[0] for kind in SERVERS.values() for name in (*kind.fails, *kind.may_fail)}

    assert said
    assert said <= tests
