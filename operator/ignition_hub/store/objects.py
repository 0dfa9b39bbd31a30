"""
One bucket as a few verbs; the only place that speaks S3.

Synchronous and thread-safe: callers on an event loop run it in a bounded thread pool. Only plain client calls
of boto3 are used, never its transfer manager, whose native (CRT) variant ignores the endpoint. Every call has
a connect and a read timeout and a bounded number of retries, and every failure leaves as an error of
``store.errors``. Keys are relative to the bucket; ``bucket=`` reads a model from another bucket of the same
endpoint, with the same credentials.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ignition_hub.engine.errors import IgnitionError
from ignition_hub.engine.sources import S3Location
from ignition_hub.store.errors import (
    ObjectMissing,
    ObjectTooLarge,
    RegionMistaken,
    StoreMisconfigured,
    StoreUnavailable,
    code_of,
    region_in,
    translated,
)
from ignition_hub.store.settings import StoreSettings

CHUNK = 4 * 1024 * 1024
"""Bytes read at a time when a whole object passes through."""

READ_SECONDS = 10.0
"""Silence after which a call is given up: pods wait for most of them."""

PATIENT_SECONDS = 300.0
"""The same while a server puts the parts of an upload together, which takes some of them minutes."""

CONFLICTS = 3
"""Attempts at a conditional write that the server answered with 409 (another write was in flight)."""

PAGE = 1000
"""Keys of a listing asked for at once: the most that S3 answers."""

IN_FLIGHT = 32
"""Connections kept to the endpoint, and the most threads that are useful on one store."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What a HEAD tells about an object."""

    etag: str
    size: int
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing tells about an object; ``size`` in bytes."""

    key: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class ListedObject(Listed):
    """The same with the time of its last write, by the clock of the server."""

    modified: datetime


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """A multipart upload that is neither completed nor aborted; ``begun`` by the clock of the server."""

    key: str
    upload_id: str
    begun: datetime


class ObjectStore:
    """The bucket of one EngineStore."""

    def __init__(self, settings: StoreSettings, *, read_seconds: float = READ_SECONDS) -> None:
        self.settings = settings
        self._client = s3_client(settings, read_seconds=read_seconds)
        self._patient = s3_client(settings, read_seconds=PATIENT_SECONDS)
        self._regions: dict[str, str] = {}
        self._is_there = False
        self._client.meta.events.register("needs-retry.s3", self._note_region)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()
        self._patient.close()

    def head(self, key: str, *, bucket: str | None = None) -> ObjectFacts | None:
        """Return an object's ETag, size and metadata; None when it does not exist."""
        where = self._where(key, bucket)
        try:
            answer = self._client.head_object(**where)
        except ClientError as error:
            # The answer to a HEAD has no body: a 404 may also be the bucket's, and a 403 the key's or ours.
            self.check_bucket(bucket)
            if code_of(error) not in {"404", "NoSuchKey"}:
                raise translated(error, self.settings.endpoint, where["Bucket"]) from error
            return None
        except BotoCoreError as error:
            raise translated(error, self.settings.endpoint, where["Bucket"]) from error
        return ObjectFacts(answer["ETag"].strip('"'), answer["ContentLength"], answer.get("Metadata") or {})

    def listed(self, prefix: str, *, most: int, bucket: str | None = None) -> list[Listed]:
        """Return the first ``most`` objects whose keys begin with ``prefix``, in order."""
        entries = self._entries(bucket or self.settings.bucket, Prefix=prefix, MaxKeys=min(most, PAGE))
        return [
            Listed(item["Key"], self._told(item, "ETag").strip('"'), item["Size"])
            for item in islice(entries, most)
        ]

    def every(self, prefix: str, *, after: str = "", page_size: int = PAGE) -> Iterator[ListedObject]:
        """Yield every object whose key begins with ``prefix`` and is behind ``after``, in order, by pages."""
        start = {"StartAfter": after} if after else {}
        for item in self._entries(self.settings.bucket, Prefix=prefix, MaxKeys=page_size, **start):
            etag, modified = (self._told(item, field) for field in ("ETag", "LastModified"))
            yield ListedObject(item["Key"], etag.strip('"'), item["Size"], modified)

    def check_bucket(self, bucket: str | None = None) -> None:
        """Raise StoreMisconfigured or StoreUnavailable unless the bucket is there and opens for us."""
        name = bucket or self.settings.bucket
        try:
            self._client.head_bucket(Bucket=name)
        except ClientError as error:
            # Only an answer with a body says whether it is the bucket, the keys, the region or a permission.
            self._call("list_objects_v2", Bucket=name, MaxKeys=1)
            self._check_region(name)
            raise translated(error, self.settings.endpoint, name, asked_for_bucket=True) from error
        except BotoCoreError as error:
            raise translated(error, self.settings.endpoint, name) from error
        self._check_region(name)

    def get(self, key: str, max_bytes: int, *, bucket: str | None = None) -> bytes:
        """Return a small object; raise ObjectMissing, or ObjectTooLarge beyond ``max_bytes``."""
        return self.get_with_etag(key, max_bytes, bucket=bucket)[0]

    def get_with_etag(self, key: str, max_bytes: int, *, bucket: str | None = None) -> tuple[bytes, str]:
        """Return a small object and the ETag it had when read."""
        answer = self._open(key, bucket)
        with answer["Body"] as body:
            if answer["ContentLength"] > max_bytes:
                raise ObjectTooLarge(key, answer["ContentLength"], max_bytes)
            return self._drained(body), answer["ETag"].strip('"')

    def read_range(self, key: str, start: int, length: int, *, bucket: str | None = None) -> bytes:
        """Return at most ``length`` bytes from ``start``."""
        with self._open(key, bucket, Range=f"bytes={start}-{start + length - 1}")["Body"] as body:
            return self._drained(body)

    def stream(self, key: str, *, bucket: str | None = None) -> Iterator[bytes]:
        """Yield a whole object in chunks."""
        with self._open(key, bucket)["Body"] as body:
            while chunk := self._drained(body, CHUNK):
                yield chunk

    def digest(self, key: str, *, bucket: str | None = None) -> tuple[str, int]:
        """Return the SHA-256 (hex) and the size of an object, by reading all of it once."""
        sha, size = hashlib.sha256(), 0
        for chunk in self.stream(key, bucket=bucket):
            sha.update(chunk)
            size += len(chunk)
        return sha.hexdigest(), size

    def put(self, key: str, data: bytes, *, if_match: str | None = None) -> bool:
        """Write an object; with ``if_match``, only over the version with that ETag (False: it changed)."""
        self._require_bucket()
        if if_match is None:
            self._call("put_object", Key=key, Body=data)
            return True
        if self._conditionally("put_object", key, {"Body": data, "IfMatch": if_match}):
            return True
        self._check_changed(key, if_match)
        return False

    def put_new(self, key: str, data: bytes | BinaryIO) -> bool:
        """Write an object only if none has its key; tell whether this call wrote it."""
        self._require_bucket()
        return self._conditionally("put_object", key, {"Body": data, "IfNoneMatch": "*"})

    def delete(self, key: str) -> None:
        """Delete an object; absent is success."""
        self._call("delete_object", Key=key)

    def delete_version(self, key: str, etag: str) -> bool:
        """
        Delete an object that still has this ETag; False: it has another, absent is success.

        Amazon S3 compares at the moment of the deletion; a server that ignores If-Match there (MinIO does,
        minio/minio issue 21677) is asked for the ETag directly before.
        """
        found = self.head(key)
        if found is None:
            return True
        return found.etag == etag and self._conditionally(
            "delete_object", key, {"IfMatch": etag}, absent=frozenset({"404", "NoSuchKey"})
        )

    def presign_get(
        self, key: str, expires: int, *, bucket: str | None = None, if_match: str | None = None
    ) -> str:
        """
        Return a URL that reads one object for ``expires`` seconds, without further credentials.

        With ``if_match`` only the version with that ETag, and only for a client that sends it quoted as
        If-Match: the signature covers that header.
        """
        params = self._where(key, bucket) | ({"IfMatch": f'"{if_match}"'} if if_match else {})
        url: str = self._client.generate_presigned_url("get_object", Params=params, ExpiresIn=expires)
        return url

    def presign_put(
        self, key: str, size: int, if_match: str | None, expires: int
    ) -> tuple[str, dict[str, str]]:
        """
        Return a URL that writes one object of ``size`` bytes once, and the headers that it takes.

        With ``if_match`` only over the version with that ETag, else only where nothing is. The signature
        covers the headers, so the store itself refuses whoever leaves one out.
        """
        parameter, header, value = (
            ("IfMatch", "If-Match", if_match) if if_match else ("IfNoneMatch", "If-None-Match", "*")
        )
        params = {**self._where(key), "ContentLength": size, parameter: value}
        url: str = self._client.generate_presigned_url("put_object", Params=params, ExpiresIn=expires)
        return url, {"Content-Length": str(size), header: value}

    def start_upload(self, key: str) -> str:
        """Begin a multipart upload and return its id; nothing is visible until it is completed."""
        self._require_bucket()
        return str(self._call("create_multipart_upload", Key=key)["UploadId"])

    def unfinished_uploads(self, prefix: str) -> list[UnfinishedUpload]:
        """Return the first 1,000 multipart uploads of keys that begin with ``prefix``, in no order."""
        found = self._call("list_multipart_uploads", Prefix=prefix).get("Uploads") or []
        return [UnfinishedUpload(item["Key"], item["UploadId"], item["Initiated"]) for item in found]

    def every_upload(self, prefix: str, *, after: str = "") -> Iterator[UnfinishedUpload]:
        """
        Yield the unfinished uploads of keys that begin with ``prefix`` and are behind ``after``, by pages.

        Of a key with more uploads than a page has, those of the page; the others follow once these are gone.
        Pages go on behind a key and never behind an upload of it: versitygw 1.7.0 refuses the marker that it
        answered itself for that.
        """
        while True:
            marker = {"KeyMarker": after} if after else {}
            answer = self._call("list_multipart_uploads", Prefix=prefix, **marker)
            page = answer.get("Uploads") or []
            is_whole = not answer.get("IsTruncated") or page[0]["Key"] == page[-1]["Key"]
            found = page if is_whole else [item for item in page if item["Key"] != page[-1]["Key"]]
            for item in found:
                yield UnfinishedUpload(item["Key"], item["UploadId"], item["Initiated"])
            if not answer.get("IsTruncated"):
                return
            after = found[-1]["Key"]

    def presign_part(self, key: str, upload_id: str, number: int, size: int, expires: int) -> str:
        """
        Return a URL that writes part ``number`` (from 1) of one upload, of ``size`` bytes, and nothing else.

        The signature covers Content-Length, which clients send as it is.
        """
        params = {**self._where(key), "UploadId": upload_id, "PartNumber": number, "ContentLength": size}
        url: str = self._client.generate_presigned_url("upload_part", Params=params, ExpiresIn=expires)
        return url

    def put_part(self, key: str, upload_id: str, number: int, data: bytes) -> str:
        """Write one part ourselves and return its ETag."""
        answer = self._call("upload_part", Key=key, UploadId=upload_id, PartNumber=number, Body=data)
        return str(answer["ETag"])

    def complete_upload(self, key: str, upload_id: str, etags: Sequence[str]) -> bool:
        """
        Make an upload visible if no object has its key yet; tell whether this call did.

        False also when the upload is gone, as after an attempt whose answer was lost: look at the key then.
        """
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, start=1)]
        arguments = {"UploadId": upload_id, "MultipartUpload": {"Parts": parts}, "IfNoneMatch": "*"}
        try:
            return self._conditionally("complete_multipart_upload", key, arguments, client=self._patient)
        except IgnitionError:
            # For an aborted upload radosgw 18.2.7 and moto 5.2.5 answer 500, and s3s-fs 0.14.1 answers 403.
            if not self._upload_is_open(key, upload_id):
                return False
            raise

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts; a finished or unknown one is left alone."""
        where = self._where(key)
        try:
            self._client.abort_multipart_upload(**where, UploadId=upload_id)
        except ClientError as error:
            if code_of(error) != "NoSuchUpload":
                raise translated(error, self.settings.endpoint, where["Bucket"]) from error
        except BotoCoreError as error:
            raise translated(error, self.settings.endpoint, where["Bucket"]) from error

    def _entries(self, bucket: str, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the entries of a listing to its end: a page may be shorter than was asked for."""
        more: dict[str, str] = {}
        while True:
            answer = self._call("list_objects_v2", Bucket=bucket, **arguments, **more)
            yield from answer.get("Contents") or []
            if not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def _told(self, item: Mapping[str, Any], field: str) -> Any:
        """Return a field of a listing's entry; raise StoreMisconfigured where the server leaves it out."""
        if field not in item:
            what = f"{self.settings.endpoint} lists {item['Key']:.200} without its {field}"
            raise StoreMisconfigured(what, "use another server")
        return item[field]

    def _upload_is_open(self, key: str, upload_id: str) -> bool:
        try:
            self._client.list_parts(**self._where(key), UploadId=upload_id, MaxParts=1)
        except ClientError as error:
            return code_of(error) != "NoSuchUpload"
        except BotoCoreError:
            return True
        return True

    def _require_bucket(self) -> None:
        """Look at the bucket before the first write: SeaweedFS 4.53 makes one that is not there."""
        if not self._is_there:
            self.check_bucket()
            self._is_there = True

    def _check_changed(self, key: str, etag: str) -> None:
        """Raise StoreMisconfigured when a write over ``etag`` was refused and the object still has it."""
        found = self.head(key)
        if found is not None and found.etag == etag:
            raise StoreMisconfigured(
                f"{self.settings.endpoint} refused to replace {key} with If-Match: {etag}, which is its ETag",
                "use a server that honours If-Match",
            )

    def _note_region(
        self, request_dict: Mapping[str, Any], response: tuple[Any, Mapping[str, Any]] | None, **_: Any
    ) -> None:
        """Keep the region that a refusal names: botocore signs again with it, and presigned URLs cannot."""
        if response is not None and (region := region_in(response[1])) not in {None, self.settings.region}:
            path = request_dict["url"].removeprefix(self.settings.endpoint.rstrip("/"))
            self._regions[urlsplit(path).path.split("/")[1]] = str(region)

    def _check_region(self, bucket: str) -> None:
        if (region := self._regions.get(bucket)) is not None:
            raise RegionMistaken(f"bucket {bucket} at {self.settings.endpoint}", self.settings.region, region)

    def _where(self, key: str, bucket: str | None = None) -> dict[str, Any]:
        return {"Bucket": bucket or self.settings.bucket, "Key": key}

    def _call(self, operation: str, **arguments: Any) -> Any:
        arguments.setdefault("Bucket", self.settings.bucket)
        try:
            return getattr(self._client, operation)(**arguments)
        except (ClientError, BotoCoreError) as error:
            raise translated(error, self.settings.endpoint, arguments["Bucket"]) from error

    def _open(self, key: str, bucket: str | None, **arguments: Any) -> Any:
        where = self._where(key, bucket)
        try:
            return self._client.get_object(**where, **arguments)
        except ClientError as error:
            if code_of(error) in {"404", "NoSuchKey"}:
                raise ObjectMissing(S3Location(where["Bucket"], key).uri) from error
            raise translated(error, self.settings.endpoint, where["Bucket"]) from error
        except BotoCoreError as error:
            raise translated(error, self.settings.endpoint, where["Bucket"]) from error

    def _drained(self, body: Any, size: int | None = None) -> bytes:
        try:
            data: bytes = body.read(size)
        except (BotoCoreError, OSError) as error:
            raise StoreUnavailable(
                f"{self.settings.endpoint} closed the connection during a read: {error}"
            ) from error
        return data

    def _conditionally(
        self,
        operation: str,
        key: str,
        arguments: Mapping[str, Any],
        *,
        absent: frozenset[str] = frozenset(),
        client: Any = None,
    ) -> bool:
        where = self._where(key)
        for _ in range(CONFLICTS):
            try:
                getattr(client or self._client, operation)(**where, **arguments)
            except ClientError as error:
                if code_of(error) in {"PreconditionFailed", "412"}:
                    return False
                if code_of(error) in absent:
                    return True
                # 409: a write of the same key was in flight and nobody won. The server asks to try again.
                if code_of(error) != "ConditionalRequestConflict":
                    raise translated(error, self.settings.endpoint, where["Bucket"]) from error
            except BotoCoreError as error:
                raise translated(error, self.settings.endpoint, where["Bucket"]) from error
            else:
                return True
        raise StoreUnavailable(f"{self.settings.endpoint} answered conflict {CONFLICTS} times for {key}")


def s3_client(settings: StoreSettings, *, read_seconds: float = READ_SECONDS) -> Any:
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
    return boto3.session.Session().client(
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        aws_session_token=settings.session_token,
        config=config,
    )
