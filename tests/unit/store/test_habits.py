"""What is found of servers that differ from Amazon S3, each as a real one was seen to."""

import pytest

from ignition_hub.store import habits
from ignition_hub.store.errors import BucketMissing, StoreMisconfigured
from ignition_hub.store.habits import CONDITIONAL, NOT_REACHED, Relied, habits_of
from ignition_hub.store.objects import ObjectStore
from oddstore import odd_store

SIGNATURES = {Relied.LENGTH_SIGNED, Relied.CONDITION_SIGNED, Relied.UNSIGNED}
"""The stand-in checks none."""


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
def test_a_server_that_aborts_no_upload_removes_no_object_and_is_taken(answer):
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
    monkeypatch.setattr(habits, "_status", lambda *_: 0)  # as with a certificate that is not trusted
    with odd_store() as server:
        store = ObjectStore(server.settings())
        found = habits_of(store, [Relied.SIGNED, *sorted(SIGNATURES)])
        store.close()

    assert {habit.relied for habit in found.broken} == {Relied.SIGNED, *SIGNATURES}
    assert found.all[0].seen == NOT_REACHED
