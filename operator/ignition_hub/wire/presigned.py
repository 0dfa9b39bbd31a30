"""
When a presigned URL ends: whoever holds one can read it there, whatever a server answers afterwards.

Amazon S3 answers 403 to a URL whose time is over; Garage 2.5.0 answers 400. A URL that was signed with
temporary keys ends with them: Amazon S3 answers 400 then (ExpiredToken).
"""

import http.client
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

from ignition_hub.wire.address import Address


def is_expired(address: Address, status: int) -> bool:
    """Tell whether this answer to a presigned URL says that another one has to be asked for."""
    if status == http.client.FORBIDDEN:
        return True
    if status == http.client.BAD_REQUEST and _is_of_temporary_keys(address.target):
        return True
    is_refused = http.client.BAD_REQUEST <= status < http.client.INTERNAL_SERVER_ERROR
    return is_refused and is_over(address.target, datetime.now(timezone.utc))


def is_over(target: str, now: datetime) -> bool:
    """Tell whether the time of a URL with this target is over at ``now``; False where it names none."""
    query = parse_qs(urlsplit(target).query)
    try:
        signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        return now >= signed + timedelta(seconds=int(query["X-Amz-Expires"][0]))
    except (KeyError, ValueError, OverflowError):
        return False


def _is_of_temporary_keys(target: str) -> bool:
    return "X-Amz-Security-Token" in parse_qs(urlsplit(target).query)
