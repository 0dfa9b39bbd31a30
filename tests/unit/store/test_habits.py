"""What is found of servers that differ from Amazon S3, each as a real one was seen to."""

import itertools

import pytest

from ignition_hub.store import habits, request_questions, url_questions
from ignition_hub.store.errors import BucketMissing, StoreBusy, StoreMisconfigured
from ignition_hub.store.habits import CONDITIONAL, Relied, habits_of
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.url_questions import NOT_REACHED
from ignition_hub.wire.back_off import BackOff
from oddstore import odd_store

SIGNATURES = {Relied.LENGTH_SIGNED, Relied.CONDITION_SIGNED, Relied.UNSIGNED}
"""The stand-in checks none."""


@pytest.fixture
def impatient(monkeypatch):
    """Attempts at what fails that follow each other closely, and one round of writers at the same time."""
    monkeypatch.setattr(habits, "BETWEEN_TRIES", BackOff(first=0.01))
    monkeypatch.setattr(habits, "TRIED_SECONDS", 60.0)
    monkeypatch.setattr(request_questions, "ROUNDS", 1)


def failing(method, name, status, times=10**9):
    """Return what fails the first requests of one method whose keys have this in their name."""
    numbers = itertools.count()

    def fails(asked, key):
        is_one = asked == method and name in key.rpartition("/")[2]
        return status if is_one and next(numbers) < times else None

    return fails


def found_of(server, asked=tuple(Relied)):
    store = ObjectStore(server.settings())
    try:
        return habits_of(store, asked)
    finally:
        store.close()


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize(
    ("method", "name", "times"),
    [("PUT", "signed", 1), ("GET", "signed", 1), ("PUT", "new", 2), ("GET", "new", 2), ("PUT", "small-", 16)],
)
def test_a_failure_that_passes_is_no_habit(impatient, method, name, times, status):
    with odd_store(fails=failing(method, name, status, times)) as server:
        found = found_of(server, [Relied.NEW, Relied.SIGNED, Relied.SMALL_AT_ONCE])

        assert found.broken == ()
        assert server.objects == {}


@pytest.mark.parametrize(("method", "name"), [("PUT", "signed"), ("PUT", "new")])
def test_a_server_that_asks_for_fewer_requests_says_nothing_about_its_habits(impatient, method, name):
    with (
        odd_store(fails=failing(method, name, 503)) as server,
        pytest.raises(StoreBusy, match="answered 503"),
    ):
        found_of(server, [Relied.NEW, Relied.SIGNED])


@pytest.mark.parametrize(
    ("method", "name", "broken", "asked"),
    [
        ("PUT", "signed", Relied.SIGNED, 3),
        ("PUT", "new", Relied.NEW, 6),
        ("PUT", "small-", Relied.SMALL_AT_ONCE, 48),
    ],
)
def test_what_a_server_fails_at_each_time_is_its_habit(impatient, method, name, broken, asked):
    with odd_store(fails=failing(method, name, 500)) as server:
        found = found_of(server, [Relied.NEW, Relied.SIGNED, Relied.SMALL_AT_ONCE])
        requests = [key for verb, key in server.asked if verb == method and name in key.rpartition("/")[2]]

    assert [habit.relied for habit in found.broken] == [broken]
    assert len(requests) == asked


def test_a_verb_that_never_answers_is_not_asked_again(monkeypatch):
    monkeypatch.setattr(habits, "TRIED_SECONDS", 0.0)  # as after the time that one call waits for an answer
    with odd_store(fails=failing("PUT", "new", 500)) as server:
        found = found_of(server, [Relied.NEW])
        requests = [key for verb, key in server.asked if verb == "PUT" and key.endswith("/new")]

    assert [habit.relied for habit in found.broken] == [Relied.NEW]
    assert len(requests) == 2  # botocore asks a second time by itself


@pytest.mark.parametrize(
    ("oddities", "broken"),
    [
        ({}, set()),
        ({"ignores_conditions": True}, set(CONDITIONAL)),
        ({"completes_over": True}, {Relied.COMPLETED}),
        ({"matches_nothing": True}, {Relied.REPLACED}),
        ({"literal_if_match": True}, set()),
        ({"pause": lambda key, data: 0.05}, {Relied.SMALL_AT_ONCE, Relied.OVERLAPPING}),
        ({"gone_upload": (500, "InternalError")}, set()),
        ({"gone_upload": (500, "InternalError"), "gone_parts": (404, "NoSuchKey")}, set()),
        ({"gone_parts": (200, "")}, set()),
        ({"page": 2}, set()),
        ({"refuses_signed_urls": True}, {Relied.SIGNED}),
    ],
    ids=lambda each: "-".join(each) or "none" if isinstance(each, dict) else "",
)
def test_each_habit_is_found_and_no_other(oddities, broken, monkeypatch):
    with odd_store(**oddities) as server:
        store = ObjectStore(server.settings())
        found = habits_of(store)
        store.close()

        assert {habit.relied for habit in found.broken} == broken | SIGNATURES
        assert found.are_conditional is not bool(broken & {*CONDITIONAL})
        assert server.objects == {}
        assert server.uploads == {}


def test_a_misspelt_bucket_is_told_where_a_first_write_would_make_it():
    with odd_store(makes_buckets=True) as server:
        store = ObjectStore(server.settings(bucket="engins"))

        with pytest.raises(BucketMissing, match=r"bucket engins at .* does not exist"):
            habits_of(store)
        store.close()

        assert server.buckets == {"engines"}


@pytest.mark.parametrize(
    "answer", [(405, "MethodNotAllowed"), (403, "AccessDenied"), (500, "InternalError")], ids=str
)
def test_a_server_that_aborts_no_upload_removes_no_object_and_is_taken(impatient, answer):
    with odd_store(refused_aborts=answer) as server:
        store = ObjectStore(server.settings())
        found = habits_of(store, [Relied.NEW, Relied.ABORTED])
        store.close()

    assert [habit.relied for habit in found.broken] == [Relied.ABORTED]


def test_a_server_that_removes_an_object_with_an_upload_to_its_key_is_refused():
    with odd_store(aborts_objects=True) as server:
        store = ObjectStore(server.settings())

        with pytest.raises(
            StoreMisconfigured, match="removes an object when an upload to its key is aborted"
        ):
            habits_of(store, [Relied.NEW])
        store.close()

        assert server.objects == {}
        assert server.uploads == {}


def test_a_presigned_put_is_asked_as_builders_send_it_and_not_as_a_form():
    with odd_store(loses_forms=True) as server:
        store = ObjectStore(server.settings())
        found = habits_of(store, [Relied.LENGTH_SIGNED])
        store.close()

    assert found.broken[0].seen == "another length is written all the same"  # it is taken: none is checked


def test_a_url_that_reaches_no_server_is_not_taken_for_one_that_was_refused(monkeypatch):
    monkeypatch.setattr(url_questions, "_status", lambda *_: 0)  # as with a certificate that is not trusted
    with odd_store() as server:
        store = ObjectStore(server.settings())
        found = habits_of(store, [Relied.SIGNED, *sorted(SIGNATURES)])
        store.close()

    assert {habit.relied for habit in found.broken} == {Relied.SIGNED, *SIGNATURES}
    assert found.all[0].seen == NOT_REACHED
