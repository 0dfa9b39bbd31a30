"""A fetcher that was killed, or is asked to stop: what it left is used, and never believed."""

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest

from fetch_harness import (
    ENGINE,
    KIB,
    finished_parts,
    nothing_is_visible,
    replaced_after_transfer,
    running_world,
    started,
    wait_for,
)
from ignition_hub.fetch import place


@pytest.fixture
def world(tmp_path, monkeypatch):
    with running_world(tmp_path, monkeypatch) as world:
        yield world


def prepared(world, parts, *, content=ENGINE, digest=None):
    """Leave what a fetcher leaves that was killed after it had finished ``parts``."""
    world.paths.folder.mkdir(parents=True)
    world.paths.partial.write_bytes(content)
    journal = {
        "sha256": digest or world.digest,
        "size": len(ENGINE),
        "part_size": 16 * KIB,
        "finished": parts,
    }
    world.paths.journal.write_text(json.dumps(journal))


def test_parts_that_were_finished_before_are_not_fetched_again(world):
    prepared(world, [0, 1, 2, 5])

    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE
    assert sorted(first // (16 * KIB) for first, _ in world.ranges) == [3, 4, 6, 7, 8, 9]


def test_the_journal_is_never_believed_about_the_bytes(world):
    prepared(world, list(range(10)), content=b"\0" * len(ENGINE))

    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE
    assert len(world.ranges) == 10


def test_the_journal_of_another_engine_counts_for_nothing(world):
    prepared(world, list(range(10)), digest="0" * 64)

    assert world.run() == 0
    assert len(world.ranges) == 10


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"finished": 3}'])
def test_a_torn_journal_counts_for_nothing(world, text):
    prepared(world, [])
    world.paths.journal.write_text(text)

    assert world.run() == 0
    assert len(world.ranges) == 10


def test_a_journal_without_its_file_counts_for_nothing(world):
    prepared(world, list(range(10)))
    world.paths.partial.unlink()

    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE


def test_after_kill_9_only_parts_in_flight_are_fetched_again(world):
    world.slow = 0.2
    process = started(world)
    wait_for(lambda: len(finished_parts(world)) >= 4)
    process.kill()
    process.communicate()
    finished = finished_parts(world)
    assert nothing_is_visible(world)
    world.ranges.clear()
    world.slow = 0.0

    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE
    assert {first // (16 * KIB) for first, _ in world.ranges} == set(range(10)) - set(finished)


def test_a_pod_that_is_deleted_does_not_wait_for_the_download(world):
    world.slow = 5.0
    process = started(world)
    wait_for(lambda: world.ranges)
    process.terminate()
    process.communicate(timeout=2)

    assert process.returncode == 143


def test_a_file_that_another_writer_put_in_place_of_the_verified_one_is_not_published(world, monkeypatch):
    monkeypatch.setattr(place, "transfer", replaced_after_transfer(world.paths.partial))

    assert world.run() == 47
    assert nothing_is_visible(world)
    assert "has another writer" in world.message


def test_a_file_that_another_writer_published_meanwhile_is_not_looked_for(world, monkeypatch):
    monkeypatch.setattr(place, "transfer", replaced_after_transfer(world.paths.partial, None))

    assert world.run() == 47
    assert "has another writer" in world.message


@pytest.fixture
def held(world):
    """Another pod that fetches into the same volume holds the folder of the engine."""
    world.paths.folder.mkdir(parents=True)
    with world.paths.lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def test_of_two_pods_that_share_a_volume_one_fetches_and_the_other_verifies_what_it_fetched(world):
    world.hangs_from = 0
    first = started(world)
    wait_for(lambda: world.ranges)
    second = started(world)
    waiting = second.stdout.readline()
    world.hangs_from = None
    world.going_on.set()
    _, (verified, _) = first.communicate(timeout=20), second.communicate(timeout=20)

    assert (first.returncode, second.returncode) == (0, 0)
    assert waiting == "model: waiting: another pod fetches into the same volume\n"
    assert "already here, digest verified" in verified
    assert world.paths.engine.read_bytes() == ENGINE
    assert sorted(path.name for path in world.paths.folder.iterdir()) == ["engine.json", "model.engine"]


def test_a_fetcher_that_is_killed_holds_back_no_other(world):
    world.slow = 5.0
    process = started(world)
    wait_for(lambda: world.ranges)
    process.kill()
    process.communicate()
    world.slow = 0.0

    assert world.paths.lock.exists()
    assert world.run() == 0
    assert not world.paths.lock.exists()


def test_a_volume_that_another_pod_holds_until_the_deadline_is_named(world, held):
    assert world.run(IGNITION_DEADLINE_SECONDS="1") == 45
    assert "another pod fetches into the same volume" in world.message
    assert world.ranges == []


def test_a_lock_on_a_file_that_its_holder_has_removed_holds_back_nobody(world, held):
    world.paths.lock.unlink()

    assert world.run() == 0


def test_a_lock_that_was_got_on_a_file_that_is_gone_is_got_again(world, monkeypatch):
    locked, flock = [], fcntl.flock

    def flock_of_a_file_that_goes_once(descriptor, operation):
        flock(descriptor, operation)
        locked.append(descriptor)
        if len(locked) == 1:
            world.paths.lock.unlink()

    monkeypatch.setattr(fcntl, "flock", flock_of_a_file_that_goes_once)

    assert world.run() == 0
    assert len(locked) == 2


@pytest.mark.parametrize("number", [errno.EWOULDBLOCK, errno.EACCES, errno.ESTALE])
def test_a_lock_that_a_pod_on_another_node_holds_is_waited_for(world, monkeypatch, capsys, number):
    answers, flock = [number, number], fcntl.flock

    def held_twice(descriptor, operation):
        if answers:
            raise OSError(answers.pop(), os.strerror(number))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", held_twice)

    assert world.run() == 0
    assert "waiting: another pod fetches into the same volume" in capsys.readouterr().out


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_will_do(world, monkeypatch, number):
    def unsupported(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", unsupported)

    assert world.run() == 0
    assert not world.paths.lock.exists()


def test_a_lock_that_fails_otherwise_is_named(world, monkeypatch):
    def failing(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", failing)

    assert world.run() == 47
    assert "cannot be written" in world.message


def test_a_folder_that_another_pod_makes_at_the_same_moment_will_do(world, monkeypatch):
    world.paths.folder.mkdir(parents=True)
    before, is_dir = [False], Path.is_dir
    monkeypatch.setattr(Path, "is_dir", lambda path: before.pop() if before else is_dir(path))

    place.make_folder(world.paths.folder)
