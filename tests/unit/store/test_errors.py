"""What S3's answers mean to the hub: what passes by itself, and what somebody has to change."""

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    EndpointProviderError,
    HTTPClientError,
    ParamValidationError,
)

from ignition_hub.store.errors import SettingsUnusable, StoreMisconfigured, StoreUnavailable, translated


def answer(code: str, status: int, operation: str = "PutObject") -> ClientError:
    document = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(document, operation)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("NotImplemented", 501, "conditional writes"),
        ("AccessDenied", 403, "does not permit PutObject with these credentials"),
        ("SignatureDoesNotMatch", 403, "rejected the credentials"),
        ("XAdminUserNotFound", 404, "rejected the credentials"),
        ("NoSuchBucket", 404, "does not exist"),
        ("MalformedPolicy", 400, "refused PutObject with MalformedPolicy: no"),
    ],
)
def test_what_waits_for_somebody_is_misconfigured(code, status, words):
    error = translated(answer(code, status), "https://s3.example.com", "engines")

    assert isinstance(error, StoreMisconfigured)
    assert words in str(error)


def test_an_operation_that_is_lacking_is_named_and_no_condition_where_none_was_asked():
    refused = answer("NotImplemented", 501, "ListMultipartUploads")

    error = translated(refused, "https://s3.example.com", "engines")

    assert "does not implement ListMultipartUploads: no" in str(error)
    assert "conditional" not in str(error)


@pytest.mark.parametrize(("code", "status"), [("SlowDown", 503), ("InternalError", 500), ("TooMany", 429)])
def test_what_passes_by_itself_is_unavailable(code, status):
    error = translated(answer(code, status), "https://s3.example.com", "engines")

    assert isinstance(error, StoreUnavailable)


def test_an_endpoint_that_is_away_is_unavailable():
    error = translated(
        EndpointConnectionError(endpoint_url="https://s3.example.com"), "https://s3.example.com", "b"
    )

    assert isinstance(error, StoreUnavailable)
    assert "https://s3.example.com" in str(error)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ParamValidationError(report='Invalid bucket name "my bucket"'), 'Invalid bucket name "my bucket"'),
        (EndpointProviderError(msg="not a valid URI"), "not a valid URI"),
        (HTTPClientError(error=ValueError("Invalid header value b'Credential=AK\\n'")), "a line end in the"),
    ],
)
def test_settings_that_make_no_request_are_misconfigured(error: BotoCoreError, words: str):
    told = translated(error, "https://s3.example.com", "engines")

    assert isinstance(told, SettingsUnusable)
    assert words in str(told)
    assert "AK" not in str(told)
