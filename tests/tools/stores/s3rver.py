"""s3rver over a folder, from its npm package."""

from __future__ import annotations

from pathlib import Path

from ignition_hub.store.habits import Relied
from stores.keeping import modules
from stores.kinds import NO_AGES, UNCHECKED, Kind, Place, Processes

PROJECT = Path(__file__).parent / "npm" / "s3rver"
VERSION = "3.7.1"
KEY = "S3RVER"
"""The only one it knows; its secret is the same word."""


EVERYTHING = frozenset(Relied) - {Relied.SIGNED}


def packages() -> Path:
    """Return the folder of the package and what it needs, fetched unless it is there."""
    return modules(PROJECT)


def _start(place: Place) -> Processes:
    program = packages() / "node_modules" / ".bin" / "s3rver"
    where = ("--directory", place.data, "--address", place.host, "--port", str(place.port))
    return [place.run(program, *where, "--no-vhost-buckets", "--silent")]


_IGNORED = "conditions are ignored"
_NO_SECOND_PAGE = "a listing that goes on behind an object is answered with 500"
_NO_UPLOADS = "uploads are not listed"

S3RVER = Kind(
    "s3rver",
    VERSION,
    packages,
    _start,
    access_key=KEY,
    secret_key=KEY,
    lacks=EVERYTHING,
    fails={
        **UNCHECKED,
        **NO_AGES,
        "test_an_object_is_replaced_only_at_the_version_that_was_read": _IGNORED,
        "test_a_second_upload_of_one_key_does_not_replace_the_first": _IGNORED,
        "test_of_two_first_writers_the_store_takes_one": _IGNORED,
        "test_a_version_that_was_replaced_is_not_written_over": _IGNORED,
        "test_two_builds_at_once_leave_what_both_measured": _IGNORED,
        "test_who_comes_second_adds_to_what_the_first_one_wrote[None]": _IGNORED,
        "test_who_comes_second_adds_to_what_the_first_one_wrote[known to both]": _IGNORED,
        "test_a_cache_that_cannot_be_put_together_is_left_and_said_so": _IGNORED,
        "test_an_upload_that_is_given_up_leaves_nothing": "there is no AbortMultipartUpload",
        "test_a_listing_of_several_pages_is_whole_and_in_order": _NO_SECOND_PAGE,
        "test_every_object_is_listed_in_order_beyond_one_page_with_its_time": _NO_SECOND_PAGE,
        "test_unfinished_uploads_are_listed_below_a_prefix": _NO_UPLOADS,
        "test_every_unfinished_upload_is_listed": _NO_UPLOADS,
        "test_pages_of_unfinished_uploads_are_put_together": _NO_UPLOADS,
    },
    may_fail={
        "test_of_builders_with_different_bytes_the_first_wins": _IGNORED,
        "test_builders_with_equal_bytes_and_other_facts_agree_on_one_manifest": _IGNORED,
    },
)
