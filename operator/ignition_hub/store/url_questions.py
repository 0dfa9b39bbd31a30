"""
Whether a server takes presigned URLs as they were signed, and only so: builders and pods transfer by them.
"""

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping

from ignition_hub.store.client import READ_SECONDS
from ignition_hub.store.errors import unavailable
from ignition_hub.store.question import Folder, Seen, verdict
from ignition_hub.wire.address import Address
from ignition_hub.wire.outcomes import is_passing

URL_SECONDS = 60
NOT_REACHED = "not reached with a signed URL from here"
"""What was seen of a server that answered no request but those of the client."""


def signed(folder: Folder) -> Seen:
    """Ask whether presigned URLs are taken as they were signed."""
    key = folder.key("signed")
    url, headers = folder.store.presign_put(key, 5, None, URL_SECONDS)
    for status in (
        _lasting_status(url, b"bytes", headers),
        _lasting_status(folder.store.presign_get(key, URL_SECONDS)),
    ):
        if not _is_success(status):
            return False, f"refused with {status}" if status else NOT_REACHED
    return True, "taken as they were signed"


def length_signed(folder: Folder) -> Seen:
    """Ask whether a presigned PUT of another length is refused."""
    key = folder.key("length")
    url, headers = folder.store.presign_put(key, 5, None, URL_SECONDS)
    _is_answered(url, b"longer than that", {**headers, "Content-Length": "16"})
    return _only_as_signed(folder, key, url, headers, "another length")


def condition_signed(folder: Folder) -> Seen:
    """Ask whether a presigned PUT without its condition is refused."""
    key = folder.key("condition")
    url, headers = folder.store.presign_put(key, 5, None, URL_SECONDS)
    _is_answered(url, b"bytes", {name: value for name, value in headers.items() if name != "If-None-Match"})
    return _only_as_signed(folder, key, url, headers, "a request without its condition")


def _only_as_signed(folder: Folder, key: str, url: str, headers: Mapping[str, str], what: str) -> Seen:
    if folder.store.head(key) is not None:
        return False, f"{what} is written all the same"
    # A server that is not reached refuses too: what was signed has to be taken.
    is_taken = _is_success(_lasting_status(url, b"bytes", headers))
    return verdict(is_taken, f"{what} is refused", "the request that was signed is refused")


def unsigned(folder: Folder) -> Seen:
    """Ask whether a GET without a signature is refused."""
    key = folder.key("unsigned")
    folder.store.put(key, b"secret")
    url = folder.store.presign_get(key, URL_SECONDS)
    if not _is_success(_lasting_status(url)):
        return False, "the URL that was signed is refused"
    return verdict(not _is_answered(url.partition("?")[0]), "refused", "answered: signatures are not checked")


def _is_answered(url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> bool:
    """Tell whether a request without credentials of its own succeeds; a cut connection is a refusal."""
    return _is_success(_status(url, data, headers))


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _lasting_status(url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> int:
    """Return the status of a request as it was signed; raise StoreUnavailable for one that passes."""
    status = _status(url, data, headers)
    if is_passing(status) and status != http.client.NOT_IMPLEMENTED:
        raise unavailable(status, f"{Address.of(url).place} answered {status} to a URL that was signed")
    return status


def _status(url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> int:
    """Return the HTTP status of a request without credentials of its own; 0 where none was answered."""
    # Builders send no form, which S3Proxy 4.1.0 does not take and urllib says where nothing else is said.
    sent = {"Content-Type": "application/octet-stream", **(headers or {})} if data else {}
    request = urllib.request.Request(url, data, sent, method="PUT" if data else "GET")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=READ_SECONDS) as answer:  # noqa: S310  # the endpoint of the store
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, http.client.HTTPException):
        return 0
