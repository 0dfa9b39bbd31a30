"""What a download does with its memory and its wire: the digest takes chunks from memory, in few batches."""

import os
import select
import socket

import pytest

from fetch_harness import ENGINE, KIB, publish_large, running_world
from ignition_hub.fetch import arrivals, place, transfer
from ignition_hub.fetch.arrivals import BATCH, LONGEST_RECORD, Arrivals
from ignition_hub.fetch.chunk_pool import CHUNK, MOST_CHUNKS, ChunkPool


@pytest.fixture
def world(tmp_path, monkeypatch):
    with running_world(tmp_path, monkeypatch) as world:
        yield world


@pytest.fixture
def wire():
    """Give both ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        with near, far:
            yield near, far


@pytest.fixture
def read_back(monkeypatch):
    """Give the places that the digest read out of the file."""
    places, real = [], os.preadv

    def preadv(descriptor, buffers, offset):
        places.append(offset)
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    return places


def test_the_digest_reads_no_byte_back_that_it_can_have_from_a_writer(world, read_back):
    assert world.run() == 0
    assert read_back == []


def test_the_digest_reads_back_what_an_earlier_run_has_left(world, read_back):
    world.store = [None] * 5 + [404]
    assert world.run() == 44
    left = len(read_back)

    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE
    assert len(read_back) > left


def test_the_digest_reads_back_what_is_kept_no_more(world, monkeypatch, read_back):
    monkeypatch.setattr(transfer.ChunkPool, "kept_at", lambda *_: None)

    assert world.run() == 0
    assert len(read_back) == len(ENGINE) // (16 * KIB)


def test_a_part_that_was_cut_is_hashed_piece_by_piece(world):
    world.store = ["cut", None, "cut", "cut"]

    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE


def test_chunks_end_at_the_same_places_however_a_part_was_cut():
    assert [transfer.room_from(start) for start in (0, 5, CHUNK - 1, CHUNK)] == [CHUNK, CHUNK - 5, 1, CHUNK]


def test_chunks_go_round_and_the_bytes_needed_last_make_room():
    pool = ChunkPool()
    for number in range(MOST_CHUNKS):
        pool.keep(number * CHUNK, pool.take())

    another = pool.take()

    assert len(another) == CHUNK
    assert pool.kept_at((MOST_CHUNKS - 1) * CHUNK) is None
    assert pool.kept_at((MOST_CHUNKS - 2) * CHUNK) is not None


def test_a_chunk_that_was_filled_in_part_comes_back_whole():
    pool = ChunkPool()
    chunk = pool.take()
    pool.give_back(chunk[:10])

    again = pool.take()

    assert again.obj is chunk.obj
    assert len(again) == CHUNK


def test_chunks_that_the_digest_did_not_take_are_dropped_when_it_is_past_them():
    pool = ChunkPool()
    pool.keep(5, pool.take()[:10])
    pool.keep(90, pool.take()[:10])

    pool.drop_before(90)

    assert pool.kept_at(5) is None
    assert pool.kept_at(90) is not None


def test_a_long_answer_is_read_in_batches_to_its_last_byte(world, monkeypatch):
    content, parts = publish_large(world, monkeypatch)
    woken, real = [], Arrivals._wake_after
    monkeypatch.setattr(Arrivals, "_wake_after", lambda self, count: woken.append(count) or real(self, count))

    assert world.run() == 0
    assert world.paths.engine.read_bytes() == content
    assert sorted(world.ranges) == parts
    assert {1, arrivals.BATCH} == set(woken)


def woken_after(near):
    return near.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)


def test_a_quick_connection_is_read_in_batches_while_so_much_is_still_to_come(wire):
    near, _ = wire
    bytes_of = Arrivals()
    bytes_of.begin(near)
    found = []
    for beyond in (BATCH * 9, BATCH * 2, BATCH + LONGEST_RECORD - 1, 0):
        bytes_of.expect(CHUNK, beyond)
        found.append(woken_after(near))

    assert found == [1, BATCH, 1, 1]


def test_a_slow_connection_is_read_byte_by_byte(wire, monkeypatch):
    near, _ = wire
    monkeypatch.setattr(arrivals, "QUICK_SECONDS", 0.0)
    bytes_of = Arrivals()
    bytes_of.begin(near)
    bytes_of.expect(CHUNK, BATCH * 9)
    bytes_of.expect(CHUNK, BATCH * 9)

    assert woken_after(near) == 1
    assert bytes_of.lag


def test_after_a_failure_a_connection_is_read_byte_by_byte_until_it_is_quick_again(wire):
    near, _ = wire
    bytes_of = Arrivals()
    bytes_of.begin(near)
    bytes_of.expect(CHUNK, BATCH * 9)
    bytes_of.expect(CHUNK, BATCH * 9)
    bytes_of.fail()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
    bytes_of.begin(near)
    bytes_of.expect(CHUNK, BATCH * 9)

    assert woken_after(near) == 1


def test_the_wire_lags_when_a_batch_is_not_there_yet(wire):
    near, far = wire
    bytes_of = Arrivals()
    bytes_of.begin(near)
    found = []
    for sent in (0, 0, BATCH):
        far.sendall(b"x" * sent)
        select.select([near] if sent else [], [], [], 5)
        bytes_of.expect(CHUNK, BATCH * 9)
        found.append(bytes_of.lag)

    assert found == [False, True, False]


def test_space_is_reserved_as_far_as_the_disk_has_it_at_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "RESERVED_AT_ONCE", 64 * KIB)
    with (tmp_path / "quick").open("wb") as file:
        place.reserve(file.fileno(), 200 * KIB)
    monkeypatch.setattr(place, "RESERVE_SECONDS", -1.0)
    with (tmp_path / "slow").open("wb") as file:
        place.reserve(file.fileno(), 200 * KIB)

    quick, slow = (tmp_path / "quick").stat(), (tmp_path / "slow").stat()
    assert (quick.st_size, slow.st_size) == (200 * KIB, 200 * KIB)
    assert quick.st_blocks * 512 >= 200 * KIB
    assert slow.st_blocks * 512 == 64 * KIB
