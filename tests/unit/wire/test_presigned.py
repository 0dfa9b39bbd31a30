"""When a presigned URL ends, and what an answer to one means."""

from datetime import datetime, timedelta, timezone

import pytest

from ignition_hub.wire.address import Address
from ignition_hub.wire.presigned import is_expired, is_over

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
URL = "http://s3.example.com/engines/x?X-Amz-Date=20260101T120000Z&X-Amz-Expires=900&X-Amz-Signature=0"


@pytest.mark.parametrize(("seconds", "over"), [(0, False), (899, False), (900, True), (86400, True)])
def test_a_url_is_over_when_its_seconds_have_passed(seconds, over):
    assert is_over(Address.of(URL).target, NOON + timedelta(seconds=seconds)) is over


@pytest.mark.parametrize(
    "query", ["", "?X-Amz-Expires=900", "?X-Amz-Date=20260101T120000Z&X-Amz-Expires=x", "?X-Amz-Date=soon"]
)
def test_a_url_that_names_no_end_is_never_over(query):
    assert not is_over(f"/engines/x{query}", NOON + timedelta(days=9999))


@pytest.mark.parametrize(
    ("status", "in_time", "afterwards"),
    [(403, True, True), (400, False, True), (404, False, True), (500, False, False), (200, False, False)],
)
def test_a_refusal_means_another_url_once_the_time_of_this_one_is_over(status, in_time, afterwards):
    now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    current = Address.of(URL.replace("20260101T120000Z", now))

    assert is_expired(current, status) is in_time
    assert is_expired(Address.of(URL.replace("2026", "2025")), status) is afterwards


@pytest.mark.parametrize(("status", "expired"), [(400, True), (403, True), (404, False), (412, False)])
def test_a_url_of_temporary_keys_may_end_with_them_before_its_time_is_over(status, expired):
    now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    current = f"{URL.replace('20260101T120000Z', now)}&X-Amz-Security-Token=t"

    assert is_expired(Address.of(current), status) is expired
