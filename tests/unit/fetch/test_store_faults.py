"""A store that lies or is slow, a full disk, a kill at any moment: a reason, and never a wrong file."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fetch_harness import (
    AGAIN_AND_AGAIN,
    ENGINE,
    LIES,
    finished_parts,
    nothing_is_visible,
    running_world,
    started,
    wait_for,
)
from ignition_hub.fetch import app, place
from ignition_hub.fetch.range_requests import CONNECTIONS

SETTLED = {
    "no range": (44, "Content-Range"),
    "no size": (44, "Content-Range"),
    "beyond its end": (41, "manifest says"),
    "beyond an end it does not name": (44, "answered 416"),
    "bytes of another place": (41, "SHA-256"),
}
"""Lies that are not asked about again: the exit code, and what the message says."""
PASSING = sorted(set(LIES) - set(SETTLED))


@pytest.fixture
def world(tmp_path, monkeypatch):
    with running_world(tmp_path, monkeypatch) as world:
        yield world


@pytest.mark.parametrize("lie", PASSING)
def test_an_answer_with_other_bytes_than_asked_for_is_asked_for_again(world, lie):
    world.store = [None, lie, lie]

    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE


@pytest.mark.parametrize("lie", PASSING)
def test_a_store_that_gives_no_other_answers_ends_with_its_code_and_what_it_said(world, lie):
    world.store = [lie] * 10000

    assert world.run(IGNITION_DEADLINE_SECONDS="1") == 44
    assert nothing_is_visible(world)
    assert "bytes" in world.message or "early" in world.message


@pytest.mark.parametrize("lie", SETTLED)
def test_a_lie_that_will_not_change_ends_the_run_with_what_is_wrong(world, lie):
    code, word = SETTLED[lie]
    world.store = [lie] * 10000

    assert world.run() == code
    assert word in world.message
    assert nothing_is_visible(world)


def test_an_object_that_was_cut_short_in_the_bucket_is_told_whichever_answer_comes_first(world):
    world.content = ENGINE[: len(ENGINE) // 2]
    world.store = ["beyond its end"] * 2

    assert world.run() == 41
    assert "its manifest says" in world.message


def test_a_store_of_100_kilobytes_a_second_is_waited_for_and_said_to_be_slow_at_the_deadline(world):
    world.pace = 100_000
    assert world.run(IGNITION_DEADLINE_SECONDS="1") == 45
    assert f"of {len(ENGINE)} bytes arrived in 1 s" in world.message
    assert nothing_is_visible(world)

    world.pace = 1_000_000
    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE


def test_killed_at_every_twentieth_of_a_fetch_it_goes_on_from_there_and_nothing_is_visible(world):
    part = len(ENGINE) // 20
    world.hangs_from = part
    process = started(world, part_size=part, before=AGAIN_AND_AGAIN)
    for killed in range(1, 20):
        fetcher = int(process.stdout.readline())
        wait_for(lambda killed=killed: finished_parts(world) == list(range(killed)))
        assert nothing_is_visible(world)
        assert min(world.ranges)[0] == (killed - 1) * part
        world.hangs_from, world.ranges = (killed + 1) * part, []
        os.kill(fetcher, signal.SIGKILL)
    process.communicate(timeout=20)

    assert process.returncode == 0
    assert world.paths.engine.read_bytes() == ENGINE


def test_a_disk_that_takes_no_more_bytes_is_named(world):
    process = started(world, before="resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))")
    process.communicate(timeout=20)

    assert process.returncode == 46
    assert "File too large" in world.message
    assert world.ranges == []


def namespaces_are_allowed():
    return subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not namespaces_are_allowed(), reason="this kernel lets no user mount a file system")
def test_a_volume_that_is_too_small_is_refused_before_the_first_byte(world):
    mount = world.folder / "engines"
    mount.mkdir()
    small = f'mount -t tmpfs -o size=128k none "{mount}" && exec "$0" -m ignition_hub.fetch'
    environment = {**os.environ, **world.environment(), "PYTHONPATH": str(Path(app.__file__).parents[2])}
    command = ["unshare", "-rm", "sh", "-c", small, sys.executable]

    assert subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL).returncode == 46
    assert f"{len(ENGINE)} more bytes are needed in {mount}, 131072 are free" in world.message
    assert world.ranges == []


def test_a_fetch_that_has_failed_does_not_wait_for_connections_that_hang(world):
    world.store = ["stuck"] * 4 + [404]
    started_at = time.monotonic()

    assert world.run() == 44
    assert time.monotonic() - started_at < 10


def test_several_engines_that_do_not_fit_together_are_refused_before_the_first_byte(world, monkeypatch):
    real = os.statvfs(world.folder)
    blocks = len(ENGINE) // real.f_frsize * 3 // 2
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([*real[:4], blocks, *real[5:]]))

    assert world.run(IGNITION_ENGINES="a=resnet,b=yolo") == 46
    assert world.ranges == []
    assert f"{2 * len(ENGINE)} more bytes" in world.message


def test_what_is_there_already_needs_no_room(world, monkeypatch):
    world.run()
    real = os.statvfs(world.folder)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([*real[:4], 0, *real[5:]]))

    assert world.run() == 0


def test_no_engine_is_downloaded_before_every_answer_is_there(world):
    world.resolves = [(200, world.answer()), (403, {"reason": "NotPermitted", "message": "no"})]

    assert world.run(IGNITION_ENGINES="a=resnet,b=yolo") == 42
    assert world.ranges == []
    assert [each["outcome"] for _, accounts in world.reports for each in accounts] == ["failed"]


def test_all_engines_share_the_connections_of_one_run(world):
    names = ",".join(f"e{number}=resnet" for number in range(6))

    assert world.run(IGNITION_ENGINES=names) == 0
    assert len(world.peers) <= CONNECTIONS


def test_a_connection_that_the_store_closed_in_between_is_opened_again_without_a_pause(world, monkeypatch):
    monkeypatch.setattr(world.server.RequestHandlerClass, "answers_of_a_connection", 3)
    monkeypatch.setattr("ignition_hub.wire.deadline.FIRST_PAUSE", 20.0)
    monkeypatch.setattr("ignition_hub.wire.deadline.LONGEST_PAUSE", 20.0)
    started_at = time.monotonic()

    assert world.run(IGNITION_ENGINES="a=resnet,b=resnet,c=resnet,d=resnet") == 0
    assert time.monotonic() - started_at < 5


@pytest.mark.parametrize(
    ("size", "part", "count"),
    [(1, 2**20, 1), (8 * 2**20, 2**20, 8), (100 * 2**20, 4 * 2**20, 25), (2**31, 16 * 2**20, 128)],
)
def test_a_small_engine_is_cut_into_parts_for_all_connections(monkeypatch, size, part, count):
    assert place.part_size_of(size) == part
    assert -(-size // part) == count
