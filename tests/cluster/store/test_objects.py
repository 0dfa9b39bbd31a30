"""The store's verbs on a real S3 server."""

import hashlib
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ignition_hub.store.errors import ObjectMissing, ObjectTooLarge, StoreMisconfigured, StoreUnavailable
from ignition_hub.store.habits import Relied
from ignition_hub.store.objects import ObjectStore
from s3server import CHOSEN, S3Server

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def settings():
    with S3Server.start() as s3:
        s3.create_bucket("engines")
        s3.create_bucket("models")
        yield s3.settings(bucket="engines")


@pytest.fixture
def store(settings):
    store = ObjectStore(settings)
    yield store
    store.close()


def http_put(url, data):
    headers = {"Content-Type": "application/octet-stream"}  # a form, as urllib says else, is nothing to moto
    request = urllib.request.Request(url, data, headers, method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["ETag"]


def test_an_object_is_written_and_read(store):
    assert store.put("a/one", b"engine bytes")

    assert store.get("a/one", 100) == b"engine bytes"
    assert store.read_range("a/one", 7, 5) == b"bytes"
    assert store.head("a/one").size == 12
    assert store.digest("a/one") == (hashlib.sha256(b"engine bytes").hexdigest(), 12)


def test_another_bucket_of_the_endpoint_is_read_with_the_same_credentials(store, settings):
    other = ObjectStore(replace(settings, bucket="models"))
    other.put("m.onnx", b"onnx")

    assert store.head("m.onnx", bucket="models").size == 4
    with urllib.request.urlopen(store.presign_get("m.onnx", 60, bucket="models"), timeout=10) as answer:
        assert answer.read() == b"onnx"
    other.close()


def test_what_is_absent_is_told_apart_from_what_is_misconfigured(store, settings):
    no_bucket = ObjectStore(replace(settings, bucket="nowhere"))
    wrong_key = ObjectStore(replace(settings, secret_key="wrong"))

    assert store.head("absent") is None
    with pytest.raises(ObjectMissing, match="s3://engines/absent does not exist"):
        store.get("absent", 10)
    for ask in (lambda s: s.head("absent"), lambda s: s.get("absent", 10), lambda s: s.put("x", b"")):
        with pytest.raises(StoreMisconfigured, match=r"bucket nowhere at .* does not exist"):
            ask(no_bucket)
        with pytest.raises(StoreMisconfigured, match="credentials"):
            ask(wrong_key)


def test_an_endpoint_that_is_away_is_unavailable_not_misconfigured(settings):
    store = ObjectStore(replace(settings, endpoint="http://127.0.0.1:9"))

    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9"):
        store.get("a", 10)


def test_a_document_beyond_its_bound_is_not_read(store):
    store.put("big", b"x" * 11)

    with pytest.raises(ObjectTooLarge, match="11 bytes; at most 10"):
        store.get("big", 10)


def test_of_many_writers_of_a_new_object_one_wins(store):
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda n: store.put_new("race/manifest", b"%d" % n), range(16)))

    may_win = 16 if Relied.SMALL_AT_ONCE in CHOSEN.lacks | CHOSEN.may_lack else 1
    assert 1 <= won.count(True) <= may_win
    assert won[int(store.get("race/manifest", 10))]


def test_an_object_is_replaced_only_at_the_version_that_was_read(store):
    store.put("m", b"1")
    etag = store.get_with_etag("m", 10)[1]

    assert store.put("m", b"2", if_match=etag)
    assert not store.put("m", b"3", if_match=etag)
    assert store.get("m", 10) == b"2"


def test_parts_go_through_presigned_urls_and_nothing_shows_before_completion(store):
    part = b"p" * (5 * 1024 * 1024)
    upload = store.start_upload("up/engine")
    etags = [
        http_put(store.presign_part("up/engine", upload, number, len(data), 60), data)
        for number, data in ((1, part), (2, b"end"))
    ]

    assert store.head("up/engine") is None
    assert store.complete_upload("up/engine", upload, etags)
    assert store.digest("up/engine")[0] == hashlib.sha256(part + b"end").hexdigest()


@pytest.mark.parametrize("size", [1, 3])
def test_a_part_of_another_size_than_was_announced_is_refused(store, size):
    url = store.presign_part("up/announced", store.start_upload("up/announced"), 1, 2, 60)

    with pytest.raises(urllib.error.HTTPError) as refused:
        http_put(url, b"x" * size)
    refused.value.close()

    assert refused.value.code == 403
    assert http_put(url, b"xx")


def test_a_second_upload_of_one_key_does_not_replace_the_first(store):
    first, second = (store.start_upload("twice") for _ in range(2))
    one = store.put_part("twice", first, 1, b"first")
    two = store.put_part("twice", second, 1, b"second")

    assert store.complete_upload("twice", first, [one])
    assert not store.complete_upload("twice", second, [two])
    store.complete_upload("twice", first, [one])  # repeated after a lost answer: servers differ, bytes do not
    assert store.get("twice", 10) == b"first"


def test_an_upload_that_is_given_up_leaves_nothing(store):
    upload = store.start_upload("given-up")
    store.put_part("given-up", upload, 1, b"x")

    store.abort_upload("given-up", upload)
    store.abort_upload("given-up", upload)

    assert store.head("given-up") is None


def test_unfinished_uploads_are_listed_below_a_prefix(store):
    first, second = store.start_upload("unfinished/a"), store.start_upload("unfinished/b")
    store.start_upload("unfinished-not/c")

    found = {(each.key, each.upload_id) for each in store.unfinished_uploads("unfinished/")}

    assert found == {("unfinished/a", first), ("unfinished/b", second)}
    store.abort_upload("unfinished/a", first)
    assert [each.key for each in store.unfinished_uploads("unfinished/")] == ["unfinished/b"]


def test_a_presigned_url_reads_its_object_only(store):
    store.put("mine", b"mine")
    store.put("other", b"other")
    url = store.presign_get("mine", 60)

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.replace("/mine?", "/other?"), timeout=10)
    assert refused.value.code == 403
    refused.value.close()


def test_a_listing_of_several_pages_is_whole_and_in_order(store):
    names = [f"pages/{number}" for number in range(5)]
    for name in names:
        store.put(name, b"x" * 3)

    for page_size in (1, 2, 5, 1000):
        found = list(store.every("pages/", page_size=page_size))
        assert [(one.key, one.size) for one in found] == [(name, 3) for name in names]
    assert list(store.every("pages/none/")) == []


def keys(listed):
    return [each.key for each in listed]


def test_every_object_is_listed_in_order_beyond_one_page_with_its_time(store):
    names = [f"many/{number:04}" for number in range(1005)]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda name: store.put(name, b"x"), names))

    found = list(store.every("many/"))

    assert keys(found) == names
    assert abs(found[0].modified.timestamp() - time.time()) < 60
    assert keys(store.every("many/", after="many/1002")) == ["many/1003", "many/1004"]
    assert keys(store.every("many/", after="many/0999")) == names[1000:]
    assert keys(store.every("none/")) == []


def test_a_listing_goes_on_behind_all_that_begins_with_a_path(store):
    for name in ("u/aa.onnx", "u/aa.unused", "u/aa/x", "u/aa/y/z", "u/ab/x", "u/b"):
        store.put(name, b"x")

    assert sorted(keys(store.every("u/aa"))) == ["u/aa.onnx", "u/aa.unused", "u/aa/x", "u/aa/y/z"]
    assert keys(store.every("u/", after="u/aa0")) == ["u/ab/x", "u/b"]


def test_every_unfinished_upload_is_listed(store):
    begun = [("opened/a", store.start_upload("opened/a")) for _ in range(3)]
    begun += [("opened/b", store.start_upload("opened/b"))]
    store.start_upload("opened-not/c")

    found = list(store.every_upload("opened/"))

    assert sorted((each.key, each.upload_id) for each in found) == sorted(begun)
    assert keys(store.every_upload("opened/", after="opened/a")) == ["opened/b"]
    for key, upload_id in begun:
        store.abort_upload(key, upload_id)
    assert list(store.every_upload("opened/")) == []


@pytest.mark.parametrize(("most", "of_two"), [(1, 1), (2, 2), (3, 2), (4, 2)])
def test_pages_of_unfinished_uploads_are_put_together(store, monkeypatch, most, of_two):
    folder = f"pages-{most}"
    for number in (1, 2, 2, 3, 4):
        store.start_upload(f"{folder}/{number}")
    call = store._client.call
    monkeypatch.setattr(store._client, "call", lambda name, **given: call(name, MaxUploads=most, **given))

    found = [each.key.rpartition("/")[2] for each in store.every_upload(f"{folder}/")]

    assert found == ["1", *["2"] * of_two, "3", "4"]


def test_an_object_is_deleted_only_while_it_is_the_one_that_was_seen(store):
    store.put("d/one", b"seen")
    seen = store.head("d/one").etag
    store.put("d/one", b"another")

    assert not store.delete_version("d/one", seen)
    assert store.get("d/one", 10) == b"another"
    assert store.delete_version("d/one", store.head("d/one").etag)
    assert store.head("d/one") is None
    assert store.delete_version("d/one", seen)
