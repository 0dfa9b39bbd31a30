"""
Bring the model into the work directory: bounded, hashed as it arrives, resumed where the connection broke.

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
from typing import BinaryIO

from ignition_builder.facts import Digests
from ignition_builder.report import disk_error
from ignition_hub.engine.errors import IgnitionError, NodeError, Reason, RequestError, TransientError
from ignition_hub.engine.request import BuildGrant
from ignition_hub.wire.address import Address
from ignition_hub.wire.deadline import Deadline
from ignition_hub.wire.outcomes import LinkExpired, Transient, explained, is_passing

CHUNK = 1024 * 1024
CALL_SECONDS = 30.0
PATIENCE_SECONDS = 120.0
"""How long to go on without a single new byte."""
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")

Counter = Callable[[float], None]
"""Hears the fraction that has arrived."""


class Model:
    """The model's file as far as it has arrived; its parts may come over several connections and URLs."""

    def __init__(self, path: Path, file: BinaryIO, limit: int) -> None:
        self.path = path
        self._file, self.limit = file, limit
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self.size = 0
        self.total: int | None = None
        self.tag: str | None = None

    def append(self, data: bytes) -> None:
        """Write and hash ``data``; RequestError (ModelTooLarge) above the limit."""
        self.size += len(data)
        check_size(self.size, self.limit)
        self._sha256.update(data)
        self._md5.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            # Here, and not further out: there an OSError means the network.
            raise disk_error(error) from error

    def digests(self) -> Digests:
        """Return what has arrived in all."""
        return Digests(self._sha256.hexdigest(), self._md5.hexdigest(), self.size)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the model comes from: ``renew`` gets a grant with a fresh URL; ``patience`` is in seconds."""

    grant: BuildGrant
    renew: Callable[[], BuildGrant]
    tls: ssl.SSLContext
    patience: float = PATIENCE_SECONDS


def download(source: Source, path: Path, count: Counter) -> Digests:
    """
    Write the granted model to ``path`` and return its digests; ``count`` hears the fraction that is here.

    Raises RequestError (ModelTooLarge, SourceNotFound, …), NodeError (InsufficientDisk) or TransientError
    (StoreUnavailable).
    """
    grant = source.grant
    check_size(grant.model_size, grant.max_model_bytes)
    _check_disk(path.parent, grant.model_size)
    with path.open("wb") as file:
        model = Model(path, file, grant.max_model_bytes)
        _fill(model, source, count)
    if grant.model_size and model.size != grant.model_size:
        raise RequestError(
            Reason.ModelDigestMismatch,
            f"the model has {model.size} bytes, it had {grant.model_size} when it was granted",
            "it was replaced meanwhile; the next build takes the new one",
        )
    return model.digests()


def check_size(size: int, limit: int) -> None:
    """Raise RequestError (ModelTooLarge) when a model is above the hub's limit; both in bytes."""
    if size > limit:
        raise RequestError(
            Reason.ModelTooLarge,
            f"the model has {size} bytes or more, the hub accepts {limit}",
            "raise the hub's limit, or make the model smaller",
        )


def _fill(model: Model, source: Source, count: Counter) -> None:
    url, deadline, attempt, renewed = source.grant.model_url, Deadline(source.patience), 0, False
    while True:
        before = model.size
        try:
            for _ in _stream(model, _address(url), source.tls, deadline):
                count(model.size / model.total if model.total else 0.0)
        except LinkExpired as error:
            if renewed and model.size == before:
                raise RequestError(
                    Reason.SourceForbidden, str(error), "see modelSources and credentials of the EngineStore"
                ) from error
            url, renewed = source.renew().model_url, True
        except Transient as error:
            # A byte that arrived is a sign of life: patience begins anew.
            if model.size > before:
                attempt, deadline = 0, Deadline(source.patience)
            if deadline.passed:
                raise TransientError(Reason.StoreUnavailable, f"the model cannot be read: {error}") from error
            attempt += 1
            deadline.pause(attempt)
        else:
            return


def _address(url: str) -> Address:
    try:
        return Address.of(url)
    except ValueError as error:
        raise RequestError(Reason.InvalidRequest, f"source.uri: {error}", "use s3:// or https://") from error


def _stream(model: Model, source: Address, tls: ssl.SSLContext, deadline: Deadline) -> Iterator[None]:
    """Append what is missing from one answer; Transient when the connection breaks before the end."""
    headers = {"Accept-Encoding": "identity"}
    if model.size:
        headers["Range"] = f"bytes={model.size}-"
        if model.tag:
            # Half of one object and half of another would be neither.
            headers["If-Match"] = model.tag
    try:
        with closing(source.connection(tls, deadline.timeout(CALL_SECONDS))) as connection:
            connection.request("GET", source.target, headers=headers)
            response = connection.getresponse()
            _check(response, model, source)
            while data := response.read(CHUNK):
                model.append(data)
                yield
    except (OSError, http.client.HTTPException) as error:
        raise Transient(f"{source.place}: {explained(error)}") from error
    if model.total is not None and model.size < model.total:
        raise Transient(f"{source.place}: the connection ended after {model.size} of {model.total} bytes")


def _check(response: http.client.HTTPResponse, model: Model, source: Address) -> None:
    status = response.status
    if status == http.client.OK and not model.size:
        length = response.headers.get("Content-Length", "")
        model.total = int(length) if length.isdigit() else None
        model.tag = response.headers.get("ETag")
        check_size(model.total or 0, model.limit)
        return
    if status == http.client.PARTIAL_CONTENT:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found and int(found[1]) == model.size and int(found[3]) == model.total:
            return
        raise Transient(f"{source.place}: answered another range than was asked for")
    if status == http.client.OK:
        raise _no_ranges(source)
    raise _refusal(status, source)


def _refusal(status: int, source: Address) -> Exception:
    if status == http.client.FORBIDDEN:
        return LinkExpired(f"{source.place} answered 403: the model may not be read")
    if is_passing(status):
        return Transient(f"{source.place} answered {status}")
    if status == http.client.NOT_FOUND:
        return RequestError(
            Reason.SourceNotFound, f"{source.place} has no such model (404)", "correct source.uri"
        )
    if status == http.client.PRECONDITION_FAILED:
        return RequestError(
            Reason.ModelDigestMismatch,
            "the model was replaced while it was read",
            "the next build takes the new one",
        )
    return RequestError(
        Reason.SourceNotFound,
        f"{source.place} answered {status} for the model",
        "redirects are not followed; use the final URL" if 300 <= status < 400 else "correct source.uri",
    )


def _no_ranges(source: Address) -> IgnitionError:
    return TransientError(
        Reason.StoreUnavailable,
        f"{source.place} broke the connection and answers no byte ranges",
        "keep the model in a store that answers ranges, as S3 does",
    )


def _check_disk(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    # The model, its converted weights and the engine are on this volume together.
    if free < 2 * size:
        raise NodeError(
            Reason.InsufficientDisk,
            f"{folder} has {free} bytes free, a model of {size} bytes needs at least {2 * size}",
            "give the BuildPool's builder more ephemeral storage",
        )
