"""The store's verbs on servers that differ from Amazon S3, each as a real one was seen to."""

import contextlib
import urllib.request
from dataclasses import replace

import pytest

from ignition_hub.store.bundles import read_bundle
from ignition_hub.store.errors import (
    AccessDenied,
    BucketMissing,
    RegionMistaken,
    StoreMisconfigured,
    StoreUnavailable,
)
from ignition_hub.store.objects import ObjectStore
from oddstore import odd_store


@pytest.fixture
def opened():
    """Open a server with the given oddities, and its bucket."""
    with contextlib.ExitStack() as running:

        def open_store(**oddities):
            server = running.enter_context(odd_store(**oddities))
            return running.enter_context(contextlib.closing(ObjectStore(server.settings())))

        yield open_store


def test_an_etag_without_quotes_is_what_every_server_compares_with(opened):
    store = opened(literal_if_match=True)
    store.put("m", b"1")
    etag = store.head("m").etag

    url, headers = store.presign_put("m", 1, etag, 60)
    request = urllib.request.Request(url, data=b"2", headers=headers, method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    assert not store.put("m", b"3", if_match=etag)
    assert store.put("m", b"3", if_match=store.head("m").etag)
    assert store.get("m", 9) == b"3"


def test_a_server_that_refuses_the_etag_that_the_object_has_is_told_and_not_others(opened):
    store = opened(matches_nothing=True)
    store.put("m", b"1")

    with pytest.raises(
        StoreMisconfigured, match=r"refused to replace m with If-Match: c4ca.*, which is its ETag"
    ):
        store.put("m", b"2", if_match=store.head("m").etag)


def test_another_region_is_told_with_the_one_to_set(opened):
    store = opened(region="garage")

    with pytest.raises(RegionMistaken, match=r"in region garage; the EngineStore names us-east-1") as told:
        store.check_bucket()
    assert told.value.remedy == "set spec.s3.region to garage"
    # Later requests are signed with the right region by botocore itself; a presigned URL is not.
    with pytest.raises(RegionMistaken):
        store.check_bucket()


def test_the_region_of_another_bucket_says_nothing_about_the_default_one(opened):
    store = opened(region="garage")
    settings = replace(store.settings, region="garage", bucket="elsewhere")
    right = ObjectStore(settings)

    with pytest.raises(BucketMissing):
        right.check_bucket()
    right.check_bucket("engines")
    right.close()


@pytest.mark.parametrize("ask", [ObjectStore.check_bucket, lambda s: s.head("x"), lambda s: s.get("x", 9)])
@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ((403, "AccessDenied", "Invalid signature"), "with these credentials: Invalid signature"),
        ((403, "SignatureDoesNotMatch", "check it"), r"rejected the credentials \(SignatureDoes.*: check it"),
        ((404, "XAdminUserNotFound", "no such user"), "rejected the credentials"),
    ],
)
def test_a_refusal_is_told_in_the_words_of_the_server_even_where_a_head_has_none(opened, ask, refusal, told):
    with pytest.raises(AccessDenied, match=told):
        ask(opened(refusal=refusal))


def test_a_listing_goes_on_behind_a_short_page(opened):
    store = opened(page=2)
    for number in range(5):
        store.put(f"bundle/layer{number}.bin", b"x")
    store.put("bundle/a.onnx", b"onnx")

    assert len(read_bundle(store, "s3://engines/bundle/").files) == 6
    assert [item.key for item in store.listed("bundle/layer", most=3)] == [
        f"bundle/layer{n}.bin" for n in range(3)
    ]


@pytest.mark.parametrize(
    "read",
    [
        lambda store: store.get("m", 9),
        lambda store: store.read_range("m", 0, 9),
        lambda store: store.digest("m"),
    ],
    ids=["get", "read_range", "digest"],
)
def test_an_object_that_is_cut_off_while_it_is_read_is_read_again_later(opened, read):
    store = opened(cuts_off=True)
    store.put("m", b"1")

    with pytest.raises(StoreUnavailable, match="closed the connection during a read"):
        read(store)


@pytest.mark.parametrize("page", [2, 3, 1000])
@pytest.mark.parametrize("marker", ["behind", "from"])
@pytest.mark.parametrize("mixes", [False, True], ids=["sorted", "mixed"])
def test_each_unfinished_upload_is_listed_once_wherever_a_page_begins(opened, mixes, marker, page):
    store = opened(upload_marker=marker, mixes_uploads=mixes, page=page)
    for name in ("u/1", "u/2", "u/2", "u/3", "u/4"):
        store.start_upload(name)

    assert [each.key[-1] for each in store.every_upload("u/")] == ["1", "2", "2", "3", "4"]
    assert [each.key[-1] for each in store.every_upload("u/", after="u/2")] == ["3", "4"]


def test_a_server_that_takes_no_marker_lists_what_is_behind_it_and_never_the_same_page_for_ever(opened):
    store, paged = opened(upload_marker="nothing"), opened(upload_marker="nothing", page=2)
    for name in ("u/1", "u/2", "u/3"):
        store.start_upload(name)
        paged.start_upload(name)

    assert [each.key for each in store.every_upload("u/", after="u/2")] == ["u/3"]
    with pytest.raises(StoreMisconfigured, match="lists no more uploads behind u/2, and says there are some"):
        list(paged.every_upload("u/", after="u/2"))


def test_a_listing_without_etags_is_refused_and_names_the_server(opened):
    store = opened(lists_etags=False)
    store.put("bundle/a.onnx", b"onnx")

    with pytest.raises(StoreMisconfigured, match=r"127.0.0.1.* lists bundle/a.onnx without its ETag"):
        store.listed("bundle/", most=3)


@pytest.mark.parametrize("parts", [(404, "NoSuchUpload"), (404, "NoSuchKey"), (200, "")])
@pytest.mark.parametrize("answer", [(500, "InternalError"), (403, "AccessDenied"), (404, "NoSuchUpload")])
def test_an_upload_that_is_gone_is_told_so_whatever_the_server_answers(opened, answer, parts):
    store = opened(gone_upload=answer, gone_parts=parts)
    upload = store.start_upload("e")
    etag = store.put_part("e", upload, 1, b"x")
    store.abort_upload("e", upload)

    assert not store.complete_upload("e", upload, [etag])


@pytest.mark.parametrize(
    "write", [lambda s: s.put("x", b""), lambda s: s.put_new("x", b""), lambda s: s.start_upload("x")]
)
def test_a_misspelt_bucket_is_told_and_not_made_by_the_first_write(write):
    with odd_store(makes_buckets=True) as server:
        store = ObjectStore(server.settings(bucket="engins"))

        with pytest.raises(BucketMissing, match="bucket engins at"):
            write(store)
        store.close()

        assert server.buckets == {"engines"}
