"""The fetcher's parts by themselves: what threads share, pauses, and what the program is made of."""

import contextlib
import itertools
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ignition_hub
from ignition_hub.engine.errors import ENDINGS, Reason, reason_of_exit
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.gateway import ENDS_WITH
from ignition_hub.fetch.part_schedule import PATIENCE, DownloadPart, PartSchedule, Stopped, parts_of
from ignition_hub.wire.address import Address
from ignition_hub.wire.deadline import FIRST_PAUSE, LONGEST_PAUSE, Deadline, pause_before


@given(size=st.integers(1, 10_000), part_size=st.integers(1, 3_000))
def test_parts_cover_every_byte_once_in_order(size, part_size):
    parts = parts_of(size, part_size)

    assert parts[0].start == 0
    assert parts[-1].stop == size
    assert all(one.stop == other.start for one, other in itertools.pairwise(parts))
    assert all(part.size == part_size for part in parts[:-1])
    assert [part.index for part in parts] == list(range(len(parts)))


def test_writers_never_run_further_ahead_of_the_digest_than_allowed():
    parts = parts_of(10, 1)
    schedule = PartSchedule(parts, frozenset(), ahead=3)
    claimed = []
    writer = threading.Thread(target=lambda: claimed.extend(iter(schedule.claim, None)))
    writer.start()

    for part in parts:
        while len(claimed) < min(len(parts), part.index + 3):
            writer.join(0.001)
        assert len(claimed) == min(len(parts), part.index + 3)
        schedule.digested(part)
    writer.join()

    assert claimed == list(parts)


@contextlib.contextmanager
def claiming(schedule, rank=0):
    """Have a writer claim parts until there are none; gives what it has claimed after a while."""
    claimed = []

    def claim_all():
        with contextlib.suppress(Stopped):
            claimed.extend(iter(lambda: schedule.claim(rank), None))

    writer = threading.Thread(target=claim_all)
    writer.start()
    writer.join(3 * PATIENCE)
    try:
        yield claimed
    finally:
        schedule.fail(KeyError())
        writer.join()


def waiting_digest(schedule, part):
    """Have the digest wait for the bytes of ``part``."""
    with pytest.raises(TimeoutError):
        schedule.bytes_beyond(part, 0, Deadline(0.001))


def test_writers_go_further_ahead_while_the_digest_waits_for_the_wire_up_to_a_bound():
    parts = parts_of(10, 1)
    schedule = PartSchedule(parts, frozenset(), ahead=2, most_ahead=4)
    assert [schedule.claim(), schedule.claim()] == [*parts[:2]]
    waiting_digest(schedule, parts[0])
    for _ in range(9):
        schedule.widen()
    with claiming(schedule) as claimed:
        assert claimed == [*parts[2:4]]


def test_writers_go_no_further_ahead_while_the_digest_has_work():
    parts = parts_of(10, 1)
    schedule = PartSchedule(parts, frozenset(), ahead=2, most_ahead=4)
    assert [schedule.claim(), schedule.claim()] == [*parts[:2]]
    schedule.widen()

    with claiming(schedule) as claimed:
        assert claimed == []


def test_writers_go_less_far_ahead_when_all_is_there_and_the_digest_is_not():
    parts = parts_of(10, 1)
    schedule = PartSchedule(parts, frozenset(), ahead=2, most_ahead=4)
    waiting_digest(schedule, parts[0])
    schedule.widen()
    for part in [schedule.claim() for _ in range(3)]:
        schedule.wrote(part, 1)
    assert schedule.bytes_beyond(parts[0], 0, Deadline(1)) == 1
    schedule.digested(parts[0])
    with claiming(schedule) as claimed:
        assert claimed == []


def test_another_writer_begins_when_those_that_write_bring_nothing():
    parts = parts_of(10, 1)
    schedule = PartSchedule(parts, frozenset(), ahead=2, most_ahead=3)
    assert [schedule.claim(0), schedule.claim(1)] == [*parts[:2]]
    waiting_digest(schedule, parts[0])

    assert schedule.claim(2) == parts[2]


def test_the_first_writers_write_while_no_more_are_of_use():
    schedule = PartSchedule(parts_of(10, 1), frozenset(), ahead=2, most_ahead=8)
    with claiming(schedule, rank=2) as claimed:
        assert claimed == []


def test_finished_parts_are_not_claimed():
    schedule = PartSchedule(parts_of(4, 1), frozenset({0, 2}), ahead=8)

    assert [part.index for part in iter(schedule.claim, None)] == [1, 3]


def test_the_digest_sees_bytes_of_a_part_before_the_part_is_whole():
    part = DownloadPart(0, 0, 100)
    schedule = PartSchedule((part,), frozenset(), ahead=1)
    schedule.wrote(part, 10)

    assert schedule.bytes_beyond(part, 0, Deadline(1)) == 10


def test_one_failure_stops_everybody_with_the_first_cause():
    part = DownloadPart(0, 0, 100)
    schedule = PartSchedule((part,), frozenset(), ahead=1)
    schedule.fail(KeyError("first"))
    schedule.fail(KeyError("second"))

    with pytest.raises(KeyError, match="first"):
        schedule.bytes_beyond(part, 0, Deadline(1))
    with pytest.raises(Stopped):
        schedule.claim()
    with pytest.raises(Stopped):
        schedule.wrote(part, 1)


def test_bytes_that_do_not_come_are_waited_for_until_the_deadline():
    part = DownloadPart(0, 0, 100)

    with pytest.raises(TimeoutError):
        PartSchedule((part,), frozenset(), ahead=1).bytes_beyond(part, 0, Deadline(0.01))


def test_pauses_grow_to_a_bound_and_are_never_all_alike():
    assert all(FIRST_PAUSE / 2 <= pause_before(1) <= FIRST_PAUSE for _ in range(100))
    assert all(LONGEST_PAUSE / 2 <= pause_before(10**6) <= LONGEST_PAUSE for _ in range(100))
    assert len({pause_before(5) for _ in range(100)}) > 90


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://s3/b/k?a=1", Address("http", "s3", 80, "/b/k?a=1")),
        ("https://s3.example.com", Address("https", "s3.example.com", 443, "/")),
        ("https://[::1]:9000/b", Address("https", "::1", 9000, "/b")),
    ],
)
def test_a_url_is_read_into_where_to_connect_and_what_to_ask(url, address):
    assert Address.of(url) == address


@pytest.mark.parametrize("place", ["http://[::1]:9000", "https://[fd00::5]:443", "http://s3:80"])
def test_an_address_is_written_as_the_url_that_leads_there(place):
    address = Address.of(f"{place}/b/k?a=1")

    assert (address.place, address.url) == (place, f"{place}/b/k?a=1")
    assert Address.of(address.url) == address


@pytest.mark.parametrize(
    "url", ["", "s3://bucket/key", "http://", "//host/x", "http://u:p@host/", "http://h:99999/"]
)
def test_a_url_that_leads_nowhere_is_refused(url):
    with pytest.raises(ValueError, match=r"."):
        Address.of(url)


def test_a_place_that_is_shown_to_people_has_no_query():
    assert Address.of("https://s3.example.com/b?X-Amz-Signature=x").place == "https://s3.example.com:443"


def test_every_way_to_end_has_an_exit_code_of_the_fetcher():
    for reason in {*ENDS_WITH, Reason.DigestMismatch, Reason.DeadlineExceeded, Reason.InsufficientDisk}:
        code = FetchError(reason, "", "").exit_code
        assert 40 <= code <= 49
        assert code == ENDINGS[reason].fetcher
        assert reason_of_exit(code, "fetcher") == reason


def test_the_fetcher_is_made_of_the_standard_library_and_the_contract():
    program = (
        "import sys, ignition_hub.fetch.app; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    source = str(Path(ignition_hub.__file__).parents[1])
    environment = {"PYTHONPATH": source}
    run = [sys.executable, "-S", "-c", program]
    loaded = subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout.split()

    assert set(loaded) - {*sys.stdlib_module_names, "__main__"} == {"ignition_hub"}
