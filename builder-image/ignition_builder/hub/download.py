"""
Bring one file into the work directory: bounded, hashed as it arrives, resumed where the connection broke.

One stream, hashed while it is written, needs no second pass over the file; nothing has parsed a byte when
the digests are known.
"""

import hashlib
import http.client
import re
import shutil
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ignition_builder.facts import FileDigests
from ignition_builder.report import disk_error
from ignition_hub.engine.errors import IgnitionError, NodeError, Reason, RequestError, TransientError
from ignition_hub.engine.request import BuildGrant
from ignition_hub.wire.address import Address
from ignition_hub.wire.deadline import Deadline
from ignition_hub.wire.outcomes import LinkExpired, Transient, explained, is_passing
from ignition_hub.wire.presigned import is_expired

CHUNK = 1024 * 1024
CALL_SECONDS = 30.0
PATIENCE_SECONDS = 120.0
"""How long to go on without a single new byte."""
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")

Counter = Callable[[float], None]
"""Hears the fraction that has arrived."""


class Link(NamedTuple):
    """Where a file is read; with an ``etag``, only that version."""

    url: str
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """
    One file of a grant: ``what`` and ``field`` name it in messages, ``link`` finds it in a renewed grant.

    ``size`` is what was granted (0: unknown) and ``limit`` the most that is taken, in bytes.
    """

    what: str
    field: str
    size: int
    limit: int
    link: Callable[[BuildGrant], Link]


class Arrival:
    """A file as far as it has arrived; its parts may come over several connections and URLs."""

    def __init__(self, item: Item, file: BinaryIO) -> None:
        self.item = item
        self._file = file
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self.size = 0
        self.total: int | None = None
        self.tag: str | None = None

    def append(self, data: bytes) -> None:
        """Write and hash ``data``; RequestError (ModelTooLarge) above the limit."""
        self.size += len(data)
        check_size(self.item.what, self.size, self.item.limit)
        self._sha256.update(data)
        self._md5.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            # Here, and not further out: there an OSError means the network.
            raise disk_error(error) from error

    def digests(self) -> FileDigests:
        """Return what has arrived in all."""
        return FileDigests(self._sha256.hexdigest(), self._md5.hexdigest(), self.size)


@dataclass(frozen=True, slots=True)
class DownloadSource:
    """Where files come from: ``renew`` gets a grant with fresh URLs; ``patience`` is in seconds."""

    grant: BuildGrant
    renew: Callable[[], BuildGrant]
    tls: ssl.SSLContext
    patience: float = PATIENCE_SECONDS


def download(item: Item, source: DownloadSource, path: Path, count: Counter) -> FileDigests:
    """
    Write one granted file to ``path`` and return its digests; ``count`` hears the fraction that is here.

    Raises RequestError (ModelTooLarge, SourceNotFound, …), NodeError (InsufficientDisk) or TransientError
    (StoreUnavailable).
    """
    check_size(item.what, item.size, item.limit)
    with path.open("wb") as file:
        arrival = Arrival(item, file)
        _fill(arrival, source, count)
    if item.size and arrival.size != item.size:
        raise RequestError(
            Reason.ModelDigestMismatch,
            f"{item.what} has {arrival.size} bytes, but had {item.size} when it was granted",
            "it was replaced in the meantime; the next build uses the new one",
        )
    return arrival.digests()


def check_size(what: str, size: int, limit: int) -> None:
    """Raise RequestError (ModelTooLarge) when something is above the hub's limit; both in bytes."""
    if size > limit:
        raise RequestError(
            Reason.ModelTooLarge,
            f"{what} has {size} bytes or more, but the hub accepts {limit}",
            "raise the hub's limit, or make it smaller",
        )


def check_disk(folder: Path, size: int) -> None:
    """Raise NodeError (InsufficientDisk) unless a build from ``size`` bytes can fit below ``folder``."""
    free = shutil.disk_usage(folder).free
    # The model, its converted weights and the engine are on this volume together.
    if free < 2 * size:
        raise NodeError(
            Reason.InsufficientDisk,
            f"{folder} has {free} bytes free, a model of {size} bytes needs at least {2 * size}",
            "give the BuildPool's builder more ephemeral storage",
        )


def _fill(arrival: Arrival, source: DownloadSource, count: Counter) -> None:
    item, deadline, attempt, renewed = arrival.item, Deadline(source.patience), 0, False
    link = item.link(source.grant)
    while True:
        before = arrival.size
        try:
            for _ in _stream(arrival, link, source.tls, deadline):
                count(arrival.size / arrival.total if arrival.total else 0.0)
        except LinkExpired as error:
            if renewed and arrival.size == before:
                raise RequestError(
                    Reason.SourceForbidden, str(error), "see modelSources and credentials of the EngineStore"
                ) from error
            link, renewed = item.link(source.renew()), True
        except Transient as error:
            # A byte that arrived is a sign of life: patience begins anew.
            if arrival.size > before:
                attempt, deadline = 0, Deadline(source.patience)
            if deadline.passed:
                raise TransientError(
                    Reason.StoreUnavailable, f"{item.what} cannot be read: {error}"
                ) from error
            attempt += 1
            deadline.pause(attempt)
        else:
            return


def _address(url: str, item: Item) -> Address:
    try:
        return Address.of(url)
    except ValueError as error:
        message = f"{item.field}: {error}"
        raise RequestError(
            Reason.InvalidRequest, message, "correct spec.s3.endpoint of the EngineStore"
        ) from error


def _stream(arrival: Arrival, link: Link, tls: ssl.SSLContext, deadline: Deadline) -> Iterator[None]:
    """Append what is missing from one answer; Transient when the connection breaks before the end."""
    source, headers = _address(link.url, arrival.item), {"Accept-Encoding": "identity"}
    # Half of one object and half of another would be neither.
    if tag := f'"{link.etag}"' if link.etag else arrival.tag if arrival.size else None:
        headers["If-Match"] = tag
    if arrival.size:
        headers["Range"] = f"bytes={arrival.size}-"
    try:
        with closing(source.connection(tls, deadline.timeout(CALL_SECONDS))) as connection:
            connection.request("GET", source.target, headers=headers)
            response = connection.getresponse()
            _check(response, arrival, source)
            while data := response.read(CHUNK):
                arrival.append(data)
                yield
    except (OSError, http.client.HTTPException) as error:
        raise Transient(f"{source.place}: {explained(error)}") from error
    if arrival.total is not None and arrival.size < arrival.total:
        raise Transient(f"{source.place}: the connection ended after {arrival.size} of {arrival.total} bytes")


def _check(response: http.client.HTTPResponse, arrival: Arrival, source: Address) -> None:
    status = response.status
    if status == http.client.OK and not arrival.size:
        length = response.headers.get("Content-Length", "")
        arrival.total = int(length) if length.isdigit() else None
        arrival.tag = response.headers.get("ETag")
        check_size(arrival.item.what, arrival.total or 0, arrival.item.limit)
        return
    if status == http.client.PARTIAL_CONTENT:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found and int(found[1]) == arrival.size and int(found[3]) == arrival.total:
            return
        raise Transient(f"{source.place}: answered with another range than requested")
    if status == http.client.OK:
        raise _no_ranges(source)
    raise _refusal(status, source, arrival.item)


def _refusal(status: int, source: Address, item: Item) -> Exception:
    if is_expired(source, status):
        return LinkExpired(f"{source.place} answered {status}: {item.what} may not be read")
    if is_passing(status):
        return Transient(f"{source.place} answered {status}")
    if status == http.client.NOT_FOUND:
        message = f"{source.place} does not have {item.what} (404)"
        return RequestError(Reason.SourceNotFound, message, f"correct {item.field}")
    if status == http.client.PRECONDITION_FAILED:
        return RequestError(
            Reason.ModelDigestMismatch,
            f"{item.what} was replaced while it was read",
            "the next build uses the new one",
        )
    return RequestError(
        Reason.SourceNotFound,
        f"{source.place} answered {status} for {item.what}",
        "redirects are not followed; use the final URL" if 300 <= status < 400 else f"correct {item.field}",
    )


def _no_ranges(source: Address) -> IgnitionError:
    return TransientError(
        Reason.StoreUnavailable,
        f"{source.place} closed the connection and does not support range requests",
        "use a store that supports range requests, as S3 does",
    )
