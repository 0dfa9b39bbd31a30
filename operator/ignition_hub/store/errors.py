"""
What can go wrong with the store, as members of the project's one error tree.

``StoreUnavailable`` passes by itself; ``StoreMisconfigured`` waits for the platform team and names what to
change. botocore's errors are translated here and nowhere else.
"""

import http.client
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointProviderError,
    HTTPClientError,
    InvalidRegionError,
    ParamValidationError,
)

from ignition_hub.engine.errors import IgnitionError, Reason, RequestError, TransientError

_WRONG_CREDENTIALS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidToken",
        "ExpiredToken",
        "XAdminUserNotFound",  # versitygw's word for an unknown access key
    }
)
_CONDITIONAL = frozenset({"PutObject", "CompleteMultipartUpload", "DeleteObject"})
"""Operations that the hub asks with conditions."""
_DENIED = frozenset({"AccessDenied", "403", "AllAccessDisabled"})
_NO_BUCKET = frozenset({"NoSuchBucket"})
_BUSY = frozenset({http.client.TOO_MANY_REQUESTS, http.client.SERVICE_UNAVAILABLE})
"""What Amazon S3 calls SlowDown is the second."""

_UNUSABLE = (EndpointProviderError, InvalidRegionError, ParamValidationError)
"""What botocore raises for settings that make no request; nothing was sent."""
_NO_HEADER = "Invalid header value"
"""How http.client refuses a line end, which only a credential brings; the rest of its message is that."""

WORDS = 200
"""Characters of a server's own message that are passed on."""


class StoreUnavailable(TransientError):
    """The endpoint did not answer, or not in time, or with a server error."""

    def __init__(self, message: str, remedy: str = "the request is retried") -> None:
        super().__init__(Reason.StoreUnavailable, message, remedy)


class StoreBusy(StoreUnavailable):
    """The endpoint asks for fewer requests, which says nothing about the request that it did not serve."""


class StoreMisconfigured(IgnitionError):
    """There is no default EngineStore, its bucket is missing, or its credentials do not open it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(Reason.StoreMisconfigured, message, remedy)


class SecretUnusable(StoreMisconfigured):
    """The Secret of an EngineStore does not exist, or lacks what signing needs."""


class SettingsUnusable(StoreMisconfigured):
    """No request can be made with the settings, such as a region that is none: nothing was sent."""


class BucketMissing(StoreMisconfigured):
    """The endpoint answers, and has no such bucket."""


class RegionMistaken(StoreMisconfigured):
    """
    The bucket answers to another region than the EngineStore names.

    botocore signs again with the region that a refusal names; the presigned URLs of builders and pods cannot
    be signed again, and are refused.
    """

    def __init__(self, where: str, named: str, region: str) -> None:
        super().__init__(
            f"{where} is in region {region}; the EngineStore names {named}", f"set spec.s3.region to {region}"
        )


class AccessDenied(StoreMisconfigured):
    """The endpoint does not know the credentials, or they may not do what is asked."""


class NotImplementedThere(StoreMisconfigured):
    """The server lacks an operation that the hub needs, or its conditions."""


class ObjectMissing(IgnitionError):
    """No object has this key."""

    def __init__(self, uri: str) -> None:
        super().__init__(Reason.SourceNotFound, f"{uri} does not exist")


class RangeMissing(IgnitionError):
    """The object ends before the bytes that were asked for."""

    def __init__(self, uri: str) -> None:
        super().__init__(Reason.StoreMisconfigured, f"{uri} ends before the bytes that were asked for")


class ObjectTooLarge(RequestError):
    """An object is larger than what may be read of its kind."""

    def __init__(self, key: str, size: int, allowed: int) -> None:
        super().__init__(Reason.ModelTooLarge, f"{key} has {size} bytes; at most {allowed} are read")


class ManifestRefused(IgnitionError):
    """A manifest whose signature or content does not hold; nothing of it is used."""

    def __init__(self, message: str) -> None:
        remedy = "the engine is not used; find out who wrote it, then request a rebuild"
        super().__init__(Reason.ManifestRefused, message, remedy)


class RolledBack(ManifestRefused):
    """The manifest of an earlier engine lies where that of a newer one was."""

    def __init__(self, built_at: str) -> None:
        super().__init__(
            f"the engine built at {built_at} was put back in the place of the one that replaced it"
        )


class PublishConflict(TransientError):
    """Others kept changing the same manifest."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.PublishConflict, message, "the request is retried")


def code_of(error: ClientError) -> str:
    """Return S3's error code; a HEAD, which has no body, gives the status as text."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """Return the HTTP status; 0 where none was answered."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def region_in(answer: Mapping[str, Any]) -> str | None:
    """Return the region that the parsed answer of a refused request names, in its body or its header."""
    about = answer.get("ResponseMetadata") or {}
    if about.get("HTTPStatusCode", 0) < 300:
        return None
    header: str | None = (about.get("HTTPHeaders") or {}).get("x-amz-bucket-region")
    return (answer.get("Error") or {}).get("Region") or header


def translated(
    error: ClientError | BotoCoreError,
    endpoint: str,
    bucket: str,
    *,
    asked_for_bucket: bool = False,
) -> IgnitionError:
    """Return what botocore's error means to the hub; ``asked_for_bucket``: then a 404 is the bucket's."""
    where = f"bucket {bucket} at {endpoint}"
    if isinstance(error, BotoCoreError):
        return _unanswered(error, endpoint, where)
    code, status = code_of(error), status_of(error)
    words = _words_of(error)
    if (known := _misconfigured(code, where, error.operation_name, words, asked_for_bucket)) is not None:
        return known
    if status == 429 or status >= 500:
        return unavailable(status, f"{where} answered {status}{words or f': {code}'}")
    return StoreMisconfigured(f"{where} refused {error.operation_name} with {code or status}{words}")


def unavailable(status: int, message: str) -> StoreUnavailable:
    """Return the error for a status that passes by itself."""
    return (StoreBusy if status in _BUSY else StoreUnavailable)(message)


def unusable(error: Exception, where: str) -> SettingsUnusable:
    """Return what it means that botocore made no request: trying again does not help."""
    words = " ".join(str(error).split())[:WORDS].rstrip(".")
    return SettingsUnusable(f"{where}: {words}", "correct spec.s3 of the EngineStore")


def _unanswered(error: BotoCoreError, endpoint: str, where: str) -> IgnitionError:
    if isinstance(error, _UNUSABLE):
        return unusable(error, where)
    if isinstance(error, HTTPClientError) and _NO_HEADER in str(error):
        return SettingsUnusable(
            f"{where}: a line end in the access key or the session token",
            "correct accessKey and sessionToken in the Secret of the EngineStore",
        )
    return StoreUnavailable(f"{endpoint}: {error}")


def _words_of(error: ClientError) -> str:
    """Return the server's own message behind a colon; the reason phrase of a bare status says nothing."""
    message = str(error.response.get("Error", {}).get("Message") or "")
    if code_of(error).isdigit() or not message:
        return ""
    return f": {' '.join(message.split())[:WORDS]}"


def _misconfigured(
    code: str, where: str, operation: str, words: str, asked_for_bucket: bool
) -> StoreMisconfigured | None:
    """Return what a code says about the settings; None for a code that says nothing about them."""
    if code in _NO_BUCKET or (asked_for_bucket and code == "404"):
        return BucketMissing(f"{where} does not exist", "create it, or correct spec.s3 of the EngineStore")
    if code in _WRONG_CREDENTIALS:
        return AccessDenied(
            f"{where} rejected the credentials ({code}{words})",
            "correct accessKey and secretKey in the Secret of the EngineStore",
        )
    if code in _DENIED:
        return AccessDenied(
            f"{where} does not permit {operation} with these credentials{words}",
            "correct the keys in the Secret of the EngineStore, or allow it for the access key",
        )
    if code == "AuthorizationHeaderMalformed":
        return StoreMisconfigured(
            f"{where} refused the signature of {operation} ({code}{words})",
            "correct spec.s3.region of the EngineStore",
        )
    return _not_implemented(where, operation, words) if code == "NotImplemented" else None


def _not_implemented(where: str, operation: str, words: str) -> NotImplementedThere:
    if operation not in _CONDITIONAL:
        return NotImplementedThere(f"{where} does not implement {operation}{words}", "use another server")
    return NotImplementedThere(
        f"{where} does not implement all of {operation}, such as conditional writes{words}",
        "use a server that honours If-None-Match and If-Match",
    )
