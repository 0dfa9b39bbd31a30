"""
A stand-in S3 server in memory, whose oddities are those of real servers; it checks no signature.

    with odd_store(literal_if_match=True) as settings:
        ObjectStore(settings)

Each switch names what it was seen on. The real server of the tests is ``s3server``.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ignition_hub.store.settings import StoreSettings
from loopbackserver import LoopbackServer


@dataclass(slots=True)
class Oddities:
    """What the server does unlike Amazon S3."""

    refusal: tuple[int, str, str] | None = None
    """Refuse everything: status, code and message (Garage 2.5.0 names a wrong secret in the message)."""
    fails: Callable[[str, str], int | None] | None = None
    """The status that a request is refused with, by method and key; none: it is served."""
    region: str = ""
    """Take no other region, and say so (Garage 2.5.0, versitygw 1.7.0)."""
    page: int = 1000
    """Answer shorter pages than were asked for (radosgw 18.2.7)."""
    lists_etags: bool = True
    """False: s3s-fs 0.14.1."""
    literal_if_match: bool = False
    """Compare If-Match with the bare ETag (radosgw 18.2.7)."""
    matches_nothing: bool = False
    """Refuse every If-Match."""
    ignores_conditions: bool = False
    """Garage 2.5.0, s3rver 3.7.1."""
    lacks_conditions: bool = False
    """Answer 501 to every request with a condition (Backblaze B2)."""
    completes_over: bool = False
    """Ignore conditions at CompleteMultipartUpload alone (radosgw 18.2.7, gofakes3 1.2.0)."""
    gone_upload: tuple[int, str] = (404, "NoSuchUpload")
    """radosgw 18.2.7 and moto 5.2.5 answer 500, s3s-fs 0.14.1 answers 403."""
    upload_marker: str = "behind"
    """Where ListMultipartUploads begins: ``from`` KeyMarker (rclone 1.76.0), or ``nothing`` (moto 5.2.5)."""
    mixes_uploads: bool = False
    """List the uploads of a page in no order of their keys (Garage 2.5.0)."""
    cuts_off: bool = False
    """Close the connection before the last byte of an object (rclone 1.76.0, while it is written again)."""
    gone_parts: tuple[int, str] = (404, "NoSuchUpload")
    """Of ListParts: radosgw 18.2.7 says NoSuchKey, and S3Proxy 4.1.0 answers 200 with a list of none."""
    loses_forms: bool = False
    """Close the connection of a PUT whose Content-Type is that of a form (S3Proxy 4.1.0)."""
    refused_aborts: tuple[int, str] | None = None
    """Abort no upload: s3rver 3.7.1 answers 405, and keys may lack the right to it."""
    aborts_objects: bool = False
    """Remove the object of a key whose upload is aborted (S3Mock 5.2.0)."""
    makes_buckets: bool = False
    """Make a bucket at the first write to it (SeaweedFS 4.53, s3s-fs 0.14.1)."""
    pause: Callable[[str, bytes], float] | None = None
    """Seconds between looking and writing, by key and bytes: conditions are not atomic (S3Mock 5.2.0)."""
    read_only: bool = False
    """Let nothing be written, as a policy of the bucket may."""
    refuses_signed_urls: bool = False
    """Refuse what is signed in its query (a proxy that changes it on the way)."""
    before: Callable[[str, str], object] | None = None
    """Called with the method and the key of a request before it is answered."""


@dataclass(slots=True)
class OddStore:
    """What the server holds, to be looked at by tests."""

    oddities: Oddities
    endpoint: str = ""
    buckets: set[str] = field(default_factory=lambda: {"engines"})
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    upload_keys: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    lock: threading.Lock = field(default_factory=threading.Lock)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and key of every request, in the order in which they came; without a key the bucket's."""

    def create_bucket(self, name: str) -> None:
        """Make a bucket."""
        self.buckets.add(name)

    def settings(self, **changes: Any) -> StoreSettings:
        """Return the settings that open the server's bucket."""
        values = {"bucket": "engines", "prefix": "ignition", "access_key": "a", "secret_key": "b"}
        return StoreSettings(endpoint=self.endpoint, **{**values, **changes})


@contextlib.contextmanager
def odd_store(**oddities: Any) -> Iterator[OddStore]:
    """Run a server with these oddities until the block ends."""
    with LoopbackServer(_Handler) as server:
        server.odd_store = store = OddStore(Oddities(**oddities), server.url)  # type: ignore[attr-defined]
        yield store


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def store(self) -> OddStore:
        return self.server.odd_store  # type: ignore[attr-defined,no-any-return]

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def answer(self, status: int, body: str | bytes = b"", **headers: str) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def refuse(self, status: int, code: str, message: str = "", more: str = "") -> None:
        self.answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>")

    def serve(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.store.asked.append((self.command, key))
        if self.store.oddities.before is not None:
            self.store.oddities.before(self.command, key)
        if not (self.fails(key) or self.is_refused(bucket)):
            verb = {"HEAD": "GET"}.get(self.command, self.command)
            getattr(self, f"{verb}_object" if key else "GET_bucket")((bucket, key), query, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve  # noqa: N815

    def fails(self, key: str) -> bool:
        fails = self.store.oddities.fails
        if status := fails and fails(self.command, key):
            self.refuse(status, {503: "SlowDown"}.get(status, "InternalError"), "not now")
        return bool(status)

    def is_refused(self, bucket: str) -> bool:
        odd, region = self.store.oddities, self.store.oddities.region
        if odd.makes_buckets and self.command in {"PUT", "POST"}:
            self.store.buckets.add(bucket)
        if odd.loses_forms and self.headers.get_content_subtype() == "x-www-form-urlencoded":
            self.close_connection = True
        elif odd.refusal:
            self.refuse(*odd.refusal)
        elif region and f"/{region}/s3/" not in self.headers.get("Authorization", ""):
            self.refuse(400, "AuthorizationHeaderMalformed", "another region", f"<Region>{region}</Region>")
        elif odd.read_only and self.command in {"PUT", "POST"}:
            self.refuse(403, "AccessDenied", "read only")
        elif odd.refuses_signed_urls and "X-Amz-Signature" in self.path:
            self.refuse(403, "SignatureDoesNotMatch")
        elif odd.lacks_conditions and {"If-None-Match", "If-Match"} & {*self.headers}:
            self.refuse(501, "NotImplemented", "A header you provided implies what is not implemented")
        elif bucket not in self.store.buckets:
            self.refuse(404, "NoSuchBucket", "no such bucket")
        else:
            return False
        return True

    def GET_bucket(self, where: tuple[str, str], query: dict[str, str], body: bytes) -> None:
        self.list_uploads(query) if "uploads" in query else self.list_objects(where, query)

    def list_uploads(self, query: dict[str, str]) -> None:
        marker, prefix = query.get("key-marker", ""), query.get("prefix", "")
        begins = {"behind": marker.__lt__, "from": marker.__le__, "nothing": bool}
        is_listed = begins[self.store.oddities.upload_marker]
        keys = ((self.store.upload_keys[name], name) for name in self.store.uploads)
        found = sorted((key, name) for key, name in keys if key.startswith(prefix) and is_listed(key))
        page = found[: self.store.oddities.page]
        if self.store.oddities.mixes_uploads:
            page.reverse()
        rows = "".join(
            f"<Upload><Key>{key}</Key><UploadId>{name}</UploadId><Initiated>2026-01-01T00:00:00Z</Initiated></Upload>"
            for key, name in page
        )
        truncated = f"<IsTruncated>{str(len(page) < len(found)).lower()}</IsTruncated>"
        self.answer(200, f"<ListMultipartUploadsResult>{truncated}{rows}</ListMultipartUploadsResult>")

    def list_objects(self, where: tuple[str, str], query: dict[str, str]) -> None:
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        here = (key for bucket, key in self.store.objects if bucket == where[0])
        keys = sorted(key for key in here if key.startswith(prefix) and key > after)
        page = keys[: min(int(query.get("max-keys", 1000)), self.store.oddities.page)]
        rows = "".join(f"<Contents><Key>{key}</Key>{self.facts((where[0], key))}</Contents>" for key in page)
        more = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if len(page) < len(keys) else ""
        truncated = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
        self.answer(200, f"<ListBucketResult>{truncated}{more}{rows}</ListBucketResult>")

    def facts(self, where: tuple[str, str]) -> str:
        data = self.store.objects[where]
        etag = f'<ETag>"{_etag(data)}"</ETag>' if self.store.oddities.lists_etags else ""
        return f"{etag}<Size>{len(data)}</Size><LastModified>2026-01-01T00:00:00Z</LastModified>"

    def GET_object(self, where: tuple[str, str], query: dict[str, str], body: bytes) -> None:
        if "uploadId" in query:
            self.list_parts(query["uploadId"])
        elif (data := self.store.objects.get(where)) is None:
            self.refuse(404, "NoSuchKey", "no such key")
        else:
            self.send_object(data, self.store.oddities.cuts_off)

    def send_object(self, data: bytes, cut: bool) -> None:
        self.close_connection, headers = cut, {"ETag": f'"{_etag(data)}"'}
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if asked and int(asked[1]) >= len(data):
            self.refuse(416, "InvalidRange", "The requested range is not satisfiable")
            return
        whole = len(data)
        if asked:
            data = data[int(asked[1]) : int(asked[2]) + 1]
            headers["Content-Range"] = f"bytes {asked[1]}-{int(asked[1]) + len(data) - 1}/{whole}"
        headers["Content-Length"] = str(len(data) + cut)
        self.answer(206 if asked else 200, data, **headers)

    def list_parts(self, name: str) -> None:
        upload, gone = self.store.uploads.get(name), self.store.oddities.gone_parts
        if upload is None and gone[0] != 200:
            self.refuse(*gone)
        else:
            rows = "".join(f"<Part><PartNumber>{number}</PartNumber></Part>" for number in upload or ())
            self.answer(200, f"<ListPartsResult>{rows}</ListPartsResult>")

    def DELETE_object(self, where: tuple[str, str], query: dict[str, str], body: bytes) -> None:
        if "uploadId" in query and self.store.oddities.refused_aborts:
            self.refuse(*self.store.oddities.refused_aborts)
            return
        if "uploadId" in query:
            self.store.uploads.pop(query["uploadId"], None)
        if "uploadId" not in query or self.store.oddities.aborts_objects:
            self.store.objects.pop(where, None)
        self.answer(204)

    def PUT_object(self, where: tuple[str, str], query: dict[str, str], body: bytes) -> None:
        if "uploadId" not in query:
            self.write(where, body)
        elif (upload := self.store.uploads.get(query["uploadId"])) is None:
            self.refuse(404, "NoSuchUpload")
        else:
            upload[int(query["partNumber"])] = body
            self.answer(200, ETag=f'"{_etag(body)}"')

    def POST_object(self, where: tuple[str, str], query: dict[str, str], body: bytes) -> None:
        if "uploads" in query:
            name = f"upload-{next(self.store.numbers)}"
            self.store.uploads[name] = {}
            self.store.upload_keys[name] = where[1]
            self.answer(200, f"<R><UploadId>{name}</UploadId></R>")
        elif (upload := self.store.uploads.get(query["uploadId"])) is None:
            self.refuse(*self.store.oddities.gone_upload)
        else:
            data = b"".join(part for _, part in sorted(upload.items()))
            if self.write(where, data, "<R/>", ignores=self.store.oddities.completes_over):
                del self.store.uploads[query["uploadId"]]

    def write(self, where: tuple[str, str], data: bytes, body: str = "", *, ignores: bool = False) -> bool:
        odd = self.store.oddities
        with self.store.lock if odd.pause is None else contextlib.nullcontext():
            if not (ignores or odd.ignores_conditions) and not self.condition_holds(where):
                self.refuse(412, "PreconditionFailed")
                return False
            if odd.pause is not None:
                time.sleep(odd.pause(where[1], data))
            self.store.objects[where] = data
        self.answer(200, body, ETag=f'"{_etag(data)}"')
        return True

    def condition_holds(self, where: tuple[str, str]) -> bool:
        there, odd = self.store.objects.get(where), self.store.oddities
        if self.headers.get("If-None-Match") == "*" and there is not None:
            return False
        if (wanted := self.headers.get("If-Match")) is None:
            return True
        stripped = wanted if odd.literal_if_match else wanted.strip('"')
        return there is not None and stripped == _etag(there) and not odd.matches_nothing


def _etag(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()
