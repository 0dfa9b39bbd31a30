"""What a kind of S3 server is: a name, a release, and how a test starts it in a folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ignition_hub.store.habits import CONDITIONAL, Relied

REGION = "us-east-1"
ACCESS_KEY = "ignition-tests"
SECRET_KEY = "ignition-tests-secret"

SIGNATURES = frozenset({Relied.LENGTH_SIGNED, Relied.CONDITION_SIGNED, Relied.UNSIGNED})
"""What a server lacks that checks none."""

_UNCHECKED = "signatures are not checked"

UNCHECKED: Mapping[str, str] = {
    "test_what_is_absent_is_told_apart_from_what_is_misconfigured": _UNCHECKED,
    "test_a_part_of_another_size_than_was_announced_is_refused": _UNCHECKED,
    "test_a_presigned_url_reads_its_object_only": _UNCHECKED,
    "test_the_condition_cannot_be_left_out_of_a_first_write": _UNCHECKED,
    "test_the_condition_cannot_be_left_out_of_a_later_write": _UNCHECKED,
    "test_the_size_that_was_granted_is_the_size_that_is_written": _UNCHECKED,
}
"""The tests that fail on such a server."""

NO_AGES: Mapping[str, str] = {
    "test_what_a_probe_left_that_was_cut_off_goes_an_hour_later": "an object cannot be made older"
}
"""The test that fails on a server that keeps no file for each object, whose time can be changed."""

AT_ONCE: Mapping[str, str] = dict.fromkeys(
    (
        "test_of_builders_with_different_bytes_the_first_wins",
        "test_builders_with_equal_bytes_and_other_facts_agree_on_one_manifest",
        "test_two_builds_at_once_leave_what_both_measured",
    ),
    "conditions are looked at before the write",
)
"""The tests of writers at the same time, whom a server that looks first keeps apart most of the time."""

Processes = Sequence["subprocess.Popen[bytes]"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server runs; it is started in the same place again after it was stopped."""

    folder: Path
    """For its data, settings and log; empty at first."""
    host: str
    port: int
    tls: tuple[Path, Path] | None = None
    """A certificate and its key, for a server that serves https."""

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """The URL of the server."""
        return f"{'https' if self.tls else 'http'}://{self.address}"

    @property
    def data(self) -> Path:
        """The folder of its objects; made by the first look."""
        return self.inner("data")

    def inner(self, name: str) -> Path:
        """Return a folder below ``folder``, which is there afterwards."""
        inner = self.folder / name
        inner.mkdir(exist_ok=True)
        return inner

    def run(self, *command: str | Path, **environment: str) -> subprocess.Popen[bytes]:
        """Start a program that writes to the log of this place."""
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(word) for word in command],
                cwd=self.folder,
                env={**os.environ, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of S3 server that a test may start."""

    name: str
    version: str
    """The release, which its package or Go module pins."""
    build: Callable[[], object]
    """Make its program unless it is there; minutes the first time."""
    start: Callable[[Place], Processes]
    """Begin to serve; what has to be set up first (users, a layout of nodes) is set up when this returns."""
    region: str = REGION
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    lacks: frozenset[Relied] = frozenset()
    """What the hub's probe finds that it does not do, each time."""
    may_lack: frozenset[Relied] = frozenset()
    """What the probe finds now and then: a server that looks before it writes is sometimes lucky."""
    refused: bool = False
    """Whether the hub refuses the server when it asks: no test runs on it."""
    fails: Mapping[str, str] = field(default_factory=dict)
    """Tests that fail on this server, by their names, and why: one that passes is an error."""
    may_fail: Mapping[str, str] = field(default_factory=dict)
    """Tests of writers at the same time, which fail now and then."""

    @property
    def keeps_writers_apart(self) -> bool:
        """Whether the probe always finds that conditions hold, as machines outside a cluster ask for."""
        return self.may_keep_writers_apart == {True}

    @property
    def may_keep_writers_apart(self) -> set[bool]:
        """What the probe may find of conditions."""
        if self.lacks & set(CONDITIONAL):
            return {False}
        return {True, False} if self.may_lack & set(CONDITIONAL) else {True}
