"""
One bucket as a few verbs; with ``client``, the only place that speaks S3.

Synchronous and thread-safe: callers on an event loop run it in a bounded thread pool. Every failure
leaves as an error of ``store.errors``. Keys are relative to the bucket; ``bucket=`` reads a model from
another bucket of the same endpoint, with the same credentials.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from ignition_hub.engine.errors import IgnitionError
from ignition_hub.store.client import NO_SUCH_KEY, NO_SUCH_UPLOAD, READ_SECONDS, S3Client
from ignition_hub.store.errors import ObjectTooLarge, RangeMissing, StoreMisconfigured, code_of
from ignition_hub.store.settings import StoreSettings

CHUNK = 4 * 1024 * 1024
"""Bytes read at a time when a whole object passes through."""

PATIENT_SECONDS = 300.0
"""Silence after which completing an upload is given up: some servers take minutes to join its parts."""

PAGE = 1000
"""Keys of a listing asked for at once: the most that S3 answers."""


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
        self._client = S3Client(settings, read_seconds=read_seconds)
        self._patient = S3Client(settings, read_seconds=PATIENT_SECONDS)
        self._is_there = False

    def close(self) -> None:
        """Close every connection."""
        self._client.close()
        self._patient.close()

    def head(self, key: str, *, bucket: str | None = None) -> ObjectFacts | None:
        """Return an object's ETag, size and metadata; None when it does not exist."""
        with self._client.failures_translated(bucket):
            try:
                answer = self._client.boto.head_object(**self._client.where(key, bucket))
            except ClientError as error:
                # The answer to a HEAD has no body: a 404 may be the bucket's, and a 403 the key's or ours.
                self.check_bucket(bucket)
                if code_of(error) not in NO_SUCH_KEY:
                    raise
                return None
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
        with self._client.failures_translated(name, asked_for_bucket=True):
            try:
                self._client.boto.head_bucket(Bucket=name)
            except ClientError:
                # Only an answer with a body tells the bucket, the keys, the region and a permission apart.
                self._client.call("list_objects_v2", Bucket=name, MaxKeys=1)
                self._client.check_region(name)
                raise
        self._client.check_region(name)

    def get(self, key: str, max_bytes: int, *, bucket: str | None = None) -> bytes:
        """Return a small object; raise ObjectMissing, or ObjectTooLarge beyond ``max_bytes``."""
        return self.get_with_etag(key, max_bytes, bucket=bucket)[0]

    def get_with_etag(self, key: str, max_bytes: int, *, bucket: str | None = None) -> tuple[bytes, str]:
        """Return a small object and the ETag it had when read."""
        answer = self._client.opened(key, bucket)
        with closing(answer["Body"]) as body:
            if answer["ContentLength"] > max_bytes:
                raise ObjectTooLarge(key, answer["ContentLength"], max_bytes)
            return self._client.drained(body), answer["ETag"].strip('"')

    def read_range(self, key: str, start: int, length: int, *, bucket: str | None = None) -> bytes:
        """Return at most ``length`` bytes from ``start``, none behind the end."""
        try:
            answer = self._client.opened(key, bucket, Range=f"bytes={start}-{start + length - 1}")
        except RangeMissing:
            return b""
        with closing(answer["Body"]) as body:
            return self._client.drained(body)

    def stream(self, key: str, *, bucket: str | None = None) -> Iterator[bytes]:
        """Yield a whole object in chunks."""
        with closing(self._client.opened(key, bucket)["Body"]) as body:
            while chunk := self._client.drained(body, CHUNK):
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
            self._client.call("put_object", Key=key, Body=data)
            return True
        if self._client.conditionally("put_object", key, {"Body": data, "IfMatch": if_match}):
            return True
        self._check_changed(key, if_match)
        return False

    def put_new(self, key: str, data: bytes | BinaryIO) -> bool:
        """Write an object only if none has its key; tell whether this call wrote it."""
        self._require_bucket()
        return self._client.conditionally("put_object", key, {"Body": data, "IfNoneMatch": "*"})

    def delete(self, key: str) -> None:
        """Delete an object; absent is success."""
        self._client.call("delete_object", Key=key)

    def delete_version(self, key: str, etag: str) -> bool:
        """
        Delete an object that still has this ETag; False: it has another, absent is success.

        Amazon S3 compares at the moment of the deletion; a server that ignores If-Match there (MinIO does,
        minio/minio issue 21677) is asked for the ETag directly before.
        """
        found = self.head(key)
        if found is None:
            return True
        return found.etag == etag and self._client.conditionally(
            "delete_object", key, {"IfMatch": etag}, absent=NO_SUCH_KEY
        )

    def presign_get(
        self, key: str, expires: int, *, bucket: str | None = None, if_match: str | None = None
    ) -> str:
        """
        Return a URL that reads one object for ``expires`` seconds, without further credentials.

        With ``if_match`` only the version with that ETag, and only for a client that sends it quoted as
        If-Match: the signature covers that header.
        """
        params = self._client.where(key, bucket) | ({"IfMatch": f'"{if_match}"'} if if_match else {})
        return self._client.presigned("get_object", expires, params)

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
        params = {**self._client.where(key), "ContentLength": size, parameter: value}
        headers = {"Content-Length": str(size), header: value}
        return self._client.presigned("put_object", expires, params), headers

    def start_upload(self, key: str) -> str:
        """Begin a multipart upload and return its id; nothing is visible until it is completed."""
        self._require_bucket()
        return str(self._client.call("create_multipart_upload", Key=key)["UploadId"])

    def unfinished_uploads(self, prefix: str) -> list[UnfinishedUpload]:
        """Return the first 1,000 multipart uploads of keys that begin with ``prefix``, in no order."""
        found = self._client.call("list_multipart_uploads", Prefix=prefix).get("Uploads") or []
        return [UnfinishedUpload(item["Key"], item["UploadId"], item["Initiated"]) for item in found]

    def every_upload(self, prefix: str, *, after: str = "") -> Iterator[UnfinishedUpload]:
        """
        Yield the unfinished uploads of keys that begin with ``prefix`` and are behind ``after``, by pages.

        Of a key with more uploads than a page has, those of the page; the others follow once these are gone.
        Pages go on behind a key and never behind an upload of it: versitygw 1.7.0 refuses the marker that it
        answered itself for that.
        """
        is_last = False
        while not is_last:
            page, is_last = self._page_of_uploads(prefix, after)
            is_whole = is_last or page[0]["Key"] == page[-1]["Key"]
            found = page if is_whole else [item for item in page if item["Key"] != page[-1]["Key"]]
            for item in found:
                yield UnfinishedUpload(item["Key"], item["UploadId"], item["Initiated"])
                after = item["Key"]

    def _page_of_uploads(self, prefix: str, after: str) -> tuple[list[Any], bool]:
        """Return the next unfinished uploads of keys behind ``after``, and whether they are the last."""
        # The blank, which no key of the hub has: rclone 1.76.0 begins at the marker and not behind it.
        marker = {"KeyMarker": f"{after} "} if after else {}
        answer = self._client.call("list_multipart_uploads", Prefix=prefix, **marker)
        # moto 5.2.5 takes no marker, and Garage 2.5.0 has a page in the order of its uploads' ids.
        behind = (item for item in answer.get("Uploads") or [] if item["Key"] > after)
        page = sorted(behind, key=lambda item: str(item["Key"]))
        is_last = not answer.get("IsTruncated")
        if not (page or is_last):
            what = (
                f"{self.settings.endpoint} lists no more uploads behind {after:.200}, and says there are some"
            )
            raise StoreMisconfigured(what, "use another server")
        return page, is_last

    def presign_part(self, key: str, upload_id: str, number: int, size: int, expires: int) -> str:
        """
        Return a URL that writes part ``number`` (from 1) of one upload, of ``size`` bytes, and nothing else.

        The signature covers Content-Length, which clients send as it is.
        """
        part = {"UploadId": upload_id, "PartNumber": number, "ContentLength": size}
        return self._client.presigned("upload_part", expires, self._client.where(key) | part)

    def put_part(self, key: str, upload_id: str, number: int, data: bytes) -> str:
        """Write one part ourselves and return its ETag."""
        answer = self._client.call("upload_part", Key=key, UploadId=upload_id, PartNumber=number, Body=data)
        return str(answer["ETag"])

    def complete_upload(self, key: str, upload_id: str, etags: Sequence[str]) -> bool:
        """
        Make an upload visible if no object has its key yet; tell whether this call did.

        False also when the upload is gone, as after an attempt whose answer was lost: look at the key then.
        """
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, start=1)]
        arguments = {"UploadId": upload_id, "MultipartUpload": {"Parts": parts}, "IfNoneMatch": "*"}
        try:
            return self._patient.conditionally("complete_multipart_upload", key, arguments)
        except IgnitionError:
            # For an aborted upload radosgw 18.2.7 and moto 5.2.5 answer 500, and s3s-fs 0.14.1 answers 403.
            if not self._upload_is_open(key, upload_id):
                return False
            raise

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts; a finished or unknown one is left alone."""
        with self._client.failures_translated():
            try:
                self._client.boto.abort_multipart_upload(**self._client.where(key), UploadId=upload_id)
            except ClientError as error:
                if code_of(error) != "NoSuchUpload":
                    raise

    def _entries(self, bucket: str, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the entries of a listing to its end: a page may be shorter than was asked for."""
        more: dict[str, str] = {}
        while True:
            answer = self._client.call("list_objects_v2", Bucket=bucket, **arguments, **more)
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
            answer = self._client.boto.list_parts(**self._client.where(key), UploadId=upload_id, MaxParts=1)
        except ClientError as error:
            return code_of(error) not in NO_SUCH_UPLOAD
        except BotoCoreError:
            return True
        # S3Proxy 4.1.0 lists an aborted upload as one without parts.
        return bool(answer.get("Parts"))

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
