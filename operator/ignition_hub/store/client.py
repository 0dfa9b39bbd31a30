"""
The S3 client below ``objects``: how it is configured, and how its failures become errors of the hub.

Only plain client calls of boto3 are used, never its transfer manager, whose native (CRT) variant ignores the
endpoint. Every call has a connect and a read timeout and a bounded number of retries.
"""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ignition_hub.engine.sources import S3Location
from ignition_hub.store.errors import (
    ObjectMissing,
    RangeMissing,
    RegionMistaken,
    StoreUnavailable,
    code_of,
    region_in,
    status_of,
    translated,
    unusable,
)
from ignition_hub.store.settings import StoreSettings

READ_SECONDS = 10.0
"""Silence after which a call is given up: pods wait for most of them."""

OF_A_PROFILE = ("profile", "config_file", "credentials_file")
"""botocore's names of what leads to the files below ``~/.aws``."""

IN_FLIGHT = 32
"""Connections kept to the endpoint, and the most threads that are useful on one store."""

CONFLICTS = 3
"""Attempts at a conditional write that the server answered with 409 (another write was in flight)."""

NO_SUCH_UPLOAD = frozenset({"NoSuchUpload", "NoSuchKey"})
"""The codes of an upload that does not exist: radosgw 18.2.7 answers ListParts with the second."""

NO_SUCH_KEY = frozenset({"404", "NoSuchKey"})
"""The codes of an object that does not exist: to a HEAD, whose answer has no body, and to everything else."""


class S3Client:
    """
    One boto3 client, with the settings that it was made of; SettingsUnusable if none can be made.

    ``boto`` is the client itself: a call whose code means more to the caller than an error is made with it,
    inside ``failures_translated``.
    """

    def __init__(self, settings: StoreSettings, *, read_seconds: float = READ_SECONDS) -> None:
        self.settings = settings
        try:
            self.boto = boto_client(settings, read_seconds)
        except (BotoCoreError, ValueError) as error:  # the second: no address, to urlsplit or to botocore
            raise unusable(error, f"bucket {settings.bucket} at {settings.endpoint}") from error
        self._regions: dict[str, str] = {}
        self.boto.meta.events.register("needs-retry.s3", self._note_region)

    def close(self) -> None:
        """Close every connection."""
        self.boto.close()

    def where(self, key: str, bucket: str | None = None) -> dict[str, Any]:
        """Return the arguments that name one object, by default of the store's own bucket."""
        return {"Bucket": bucket or self.settings.bucket, "Key": key}

    @contextmanager
    def failures_translated(
        self, bucket: str | None = None, *, asked_for_bucket: bool = False
    ) -> Iterator[None]:
        """Raise what botocore raises inside as an error of ``store.errors``."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            name = bucket or self.settings.bucket
            raise translated(
                error, self.settings.endpoint, name, asked_for_bucket=asked_for_bucket
            ) from error

    def call(self, operation: str, **arguments: Any) -> Any:
        """Return the answer to one call, by default about the store's own bucket."""
        arguments.setdefault("Bucket", self.settings.bucket)
        with self.failures_translated(arguments["Bucket"]):
            return getattr(self.boto, operation)(**arguments)

    def opened(self, key: str, bucket: str | None, **arguments: Any) -> Any:
        """
        Return the answer to a GET, with its body still to be read and closed; raise ObjectMissing, and
        RangeMissing for a range behind the end.

        Not read as ``with body``: that is urllib3's stream, which may end where it is cut off as if whole.
        """
        where = self.where(key, bucket)
        with self.failures_translated(where["Bucket"]):
            try:
                return self.boto.get_object(**where, **arguments)
            except ClientError as error:
                if code_of(error) in NO_SUCH_KEY:
                    raise ObjectMissing(S3Location(where["Bucket"], key).uri) from error
                if status_of(error) == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                    raise RangeMissing(S3Location(where["Bucket"], key).uri) from error
                raise

    def drained(self, body: Any, size: int | None = None) -> bytes:
        """Return what is left of a body, at most ``size`` bytes; raise StoreUnavailable if it breaks off."""
        try:
            data: bytes = body.read(size)
        except (BotoCoreError, OSError) as error:
            raise StoreUnavailable(
                f"{self.settings.endpoint} closed the connection during a read: {error}"
            ) from error
        return data

    def conditionally(
        self, operation: str, key: str, arguments: Mapping[str, Any], *, absent: frozenset[str] = frozenset()
    ) -> bool:
        """Make one conditional call; False: the condition did not hold. A code of ``absent`` is success."""
        for _ in range(CONFLICTS):
            with self.failures_translated():
                try:
                    getattr(self.boto, operation)(**self.where(key), **arguments)
                except ClientError as error:
                    if code_of(error) in {"PreconditionFailed", "412"}:
                        return False
                    if code_of(error) in absent:
                        return True
                    # 409: a write of the same key was in flight and none won. The server asks to try again.
                    if code_of(error) != "ConditionalRequestConflict":
                        raise
                else:
                    return True
        raise StoreUnavailable(f"{self.settings.endpoint} answered conflict {CONFLICTS} times for {key}")

    def check_region(self, bucket: str) -> None:
        """Raise RegionMistaken when an answer said that the bucket is in another region than the settings."""
        if (region := self._regions.get(bucket)) is not None:
            raise RegionMistaken(f"bucket {bucket} at {self.settings.endpoint}", self.settings.region, region)

    def presigned(self, operation: str, expires: int, params: Mapping[str, Any]) -> str:
        """Return a URL that makes one call for ``expires`` seconds, without further credentials."""
        with self.failures_translated():
            url: str = self.boto.generate_presigned_url(operation, Params=params, ExpiresIn=expires)
        return url

    def _note_region(
        self, request_dict: Mapping[str, Any], response: tuple[Any, Mapping[str, Any]] | None, **_: Any
    ) -> None:
        """Keep the region that a refusal names: botocore signs again with it, and presigned URLs cannot."""
        if response is not None and (region := region_in(response[1])) not in {None, self.settings.region}:
            path = request_dict["url"].removeprefix(self.settings.endpoint.rstrip("/"))
            self._regions[urlsplit(path).path.split("/")[1]] = str(region)


def boto_client(settings: StoreSettings, read_seconds: float) -> Any:
    """Return a boto3 client for one endpoint: SigV4, path addressing, checksums only where required."""
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        # Newer SDKs add a CRC to every upload, which several servers refuse; engines carry a SHA-256.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=3,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=IN_FLIGHT,
    )
    return boto3.session.Session(botocore_session=_session_without_files()).client(
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        aws_session_token=settings.session_token,
        config=config,
    )


def _session_without_files() -> botocore.session.Session:
    """Return a session that reads no file of AWS: a profile that lacks would stop a store that needs none."""
    return botocore.session.Session(session_vars=dict.fromkeys(OF_A_PROFILE, (None, None, None, None)))
