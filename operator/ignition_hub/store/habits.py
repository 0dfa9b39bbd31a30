"""
What a server does with the requests that the hub relies on: asked before it is trusted.

Several servers take a condition and ignore it, or look at it before they write and not while they write: one
request after the other shows neither. So each verb is asked on its own, and of writers at the same time
exactly one may win. The gateway asks once for each bucket and publishes in turns where a condition cannot be
relied on; ``ignition store check`` asks by hand. Synchronous; a few seconds on a near server.
"""

import contextlib
import http.client
import io
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import BinaryIO, TypeVar

from ignition_hub.engine.enums import StrEnum
from ignition_hub.engine.errors import IgnitionError, TransientError
from ignition_hub.store.client import READ_SECONDS
from ignition_hub.store.errors import (
    NotImplementedThere,
    StoreBusy,
    StoreMisconfigured,
    StoreUnavailable,
    unavailable,
)
from ignition_hub.store.objects import ObjectStore
from ignition_hub.wire.address import Address
from ignition_hub.wire.back_off import BackOff
from ignition_hub.wire.outcomes import is_passing

ROUNDS, SECONDS = 20, 1.0
"""
How often writers at the same time are tried, and how long at most: a server that looks before it writes, as
versitygw 1.7.0 does by its defaults, keeps them apart most of the time.
"""
WRITERS = 8
"""Of one small object."""
OVERLAPPING, LARGE, LAST = 4, 128 * 1024, 32 * 1024
"""Writers of one larger object, its bytes, and how many of them each keeps until the others are as far."""
TOGETHER_SECONDS = 0.5
"""How long they wait for each other: a server may take one request after the other."""
URL_SECONDS = 60
NOT_REACHED = "not reached with a signed URL from here"
"""What was seen of a server that answered no request but those of the client."""
LEFT_BEHIND = timedelta(hours=1)
"""Age at which the objects of a probe that was cut off are removed by the next."""


class Relied(StrEnum):
    """What the hub relies on."""

    NEW = "PutObject, If-None-Match"
    REPLACED = "PutObject, If-Match"
    COMPLETED = "CompleteMultipartUpload, If-None-Match"
    SMALL_AT_ONCE = "Small writes at the same time"
    OVERLAPPING = "Writes that overlap"
    ABORTED = "AbortMultipartUpload"
    LISTED = "ListObjectsV2, short pages"
    SIGNED = "Presigned GET and PUT"
    LENGTH_SIGNED = "Presigned PUT, Content-Length"
    CONDITION_SIGNED = "Presigned PUT, If-None-Match"
    UNSIGNED = "GetObject without a signature"


CONDITIONAL = (Relied.NEW, Relied.REPLACED, Relied.COMPLETED, Relied.SMALL_AT_ONCE, Relied.OVERLAPPING)
"""Where one of these does not hold, engines are published one at a time."""
RACES = frozenset({Relied.SMALL_AT_ONCE, Relied.OVERLAPPING})
"""What other requests at the same time would disturb."""
TRIES, TRIED_SECONDS = 3, 5.0
"""
How often the same is asked of a server that fails, and how long at most after the first time: what it answers
each time is a habit.
"""
BETWEEN_TRIES = BackOff(first=0.5)
ABREAST = 8
"""Requests at once, of all that is no race: a probe takes seconds of a server that answers late."""


@dataclass(frozen=True, slots=True)
class Habit:
    """Whether the server does what the hub relies on, and what it was seen to do."""

    relied: Relied
    holds: bool
    seen: str


@dataclass(frozen=True, slots=True)
class Habits:
    """What was found of one server, in the order of ``Relied``."""

    all: tuple[Habit, ...]

    @property
    def are_conditional(self) -> bool:
        """Tell whether conditions keep two writers apart."""
        return all(habit.holds for habit in self.all if habit.relied in CONDITIONAL)

    @property
    def broken(self) -> tuple[Habit, ...]:
        """What does not hold."""
        return tuple(habit for habit in self.all if not habit.holds)


def habits_of(store: ObjectStore, asked: Sequence[Relied] = tuple(Relied)) -> Habits:
    """
    Ask a bucket, with objects below ``probes/`` that are removed at the end, and return what it does.

    All of it writes 12 MiB at most. Raise StoreMisconfigured when the bucket does not exist, does not open or
    may not be written, when its server has no conditions at all, or when published engines would not stay in
    it. Raise StoreUnavailable also while the server asks for fewer requests: that is no habit.
    """
    store.check_bucket()
    folder = _Folder(store, f"{_probes(store)}{secrets.token_hex(8)}/")
    store.put(folder.key("written"), b"")
    try:
        _check_that_conditions_are_known(folder)
        found = _found(folder, asked)
        return Habits(tuple(found[relied] for relied in asked))
    finally:
        _clear(store, folder.prefix)


@dataclass(frozen=True, slots=True)
class _Folder:
    """Where one probe writes."""

    store: ObjectStore
    prefix: str

    def key(self, name: str) -> str:
        return f"{self.prefix}{name}"


def _found(folder: _Folder, asked: Sequence[Relied]) -> dict[Relied, Habit]:
    """Ask together what nothing disturbs; then, each alone, what only writers at the same time show."""
    races = [relied for relied in asked if relied in RACES]
    others = [relied for relied in asked if relied not in RACES]
    with ThreadPoolExecutor(ABREAST) as pool:
        checked = pool.submit(_check_that_objects_stay, folder)
        found = dict(zip(others, pool.map(lambda relied: _habit(relied, folder), others), strict=True))
        checked.result()
    return found | {relied: _habit(relied, folder) for relied in races}


def _check_that_conditions_are_known(folder: _Folder) -> None:
    """Refuse a server that answers 501 to conditions, as Backblaze B2 does: no turn makes it publish."""
    try:
        folder.store.put_new(folder.key("conditional"), b"")
    except NotImplementedThere:
        raise
    except IgnitionError:
        return  # one of its habits, which is asked for with the others


def _check_that_objects_stay(folder: _Folder) -> None:
    """Refuse a server that removes an object with an upload to its key, as S3Mock 5.2.0 does."""
    key, store = folder.key("stays"), folder.store
    store.put(key, b"published")
    upload = store.start_upload(key)
    store.put_part(key, upload, 1, b"part")
    _abort_if_it_can(folder, key, upload)
    if store.head(key) is None:
        raise StoreMisconfigured(
            f"{store.settings.endpoint} removes an object when an upload to its key is aborted",
            "engines that are published would go: use another server",
        )


def _abort_if_it_can(folder: _Folder, key: str, upload: str) -> None:
    try:
        _tried(lambda _: folder.store.abort_upload(key, upload), folder)
    except StoreBusy:
        raise
    except IgnitionError:
        return  # s3rver 3.7.1 aborts none, and keys may lack the right to it


def _habit(relied: Relied, folder: _Folder) -> Habit:
    try:
        return Habit(relied, *_tried(_ASKED[relied], folder))
    except StoreBusy:
        raise
    except IgnitionError as error:
        # What a server cannot do at all is one of its habits; one that is away answers this neither.
        folder.store.check_bucket()
        return Habit(relied, False, f"failed: {error.message}")


_Answer = TypeVar("_Answer")


def _tried(ask: Callable[[_Folder], _Answer], folder: _Folder) -> _Answer:
    """Ask again after a failure that may pass, with keys that no attempt has written; raise the last one."""
    until = time.monotonic() + TRIED_SECONDS
    for failures in range(1, TRIES):
        try:
            return ask(folder)
        except TransientError:
            pause = BETWEEN_TRIES.delay(failures)
            if time.monotonic() + pause > until:
                raise
        time.sleep(pause)
        folder = replace(folder, prefix=f"{folder.prefix}again/")
    return ask(folder)


_Seen = tuple[bool, str]
"""Whether it holds, and what was seen."""


def _new(folder: _Folder) -> _Seen:
    key, store = folder.key("new"), folder.store
    first, second = store.put_new(key, b"first"), store.put_new(key, b"second")
    return _verdict(
        first and not second and store.get(key, 9) == b"first",
        "a second write is refused",
        "ignored: a second write replaced the first",
    )


def _replaced(folder: _Folder) -> _Seen:
    key, store = folder.key("replaced"), folder.store
    store.put(key, b"first")
    etag = store.get_with_etag(key, 9)[1]
    right = store.put(key, b"second", if_match=etag)
    stale = store.put(key, b"third", if_match=etag)
    return _verdict(
        right and not stale,
        "the right ETag is written over, a stale one refused",
        "ignored: a stale ETag was written over",
    )


def _completed(folder: _Folder) -> _Seen:
    key, store = folder.key("completed"), folder.store
    uploads = [store.start_upload(key) for _ in range(2)]
    etags = [
        store.put_part(key, upload, 1, data)
        for upload, data in zip(uploads, (b"first", b"second"), strict=True)
    ]
    for upload, etag in zip(uploads, etags, strict=True):
        store.complete_upload(key, upload, [etag])
    kept = store.get(key, 9) == b"first"
    store.abort_upload(key, uploads[1])
    return _verdict(kept, "a second upload is refused", "ignored: a second upload replaced the first")


def _small_at_once(folder: _Folder) -> _Seen:
    return _at_once(folder, "small", lambda: [b"%d" % writer for writer in range(WRITERS)])


def _overlapping(folder: _Folder) -> _Seen:
    def bodies() -> list[_NearlySent]:
        all_of_them = threading.Barrier(OVERLAPPING, timeout=TOGETHER_SECONDS)
        return [_NearlySent(bytes([writer]) * LARGE, all_of_them) for writer in range(OVERLAPPING)]

    return _at_once(folder, "large", bodies)


def _at_once(folder: _Folder, name: str, bodies: Callable[[], Sequence[bytes | BinaryIO]]) -> _Seen:
    until, rounds = time.monotonic() + SECONDS, 0
    while rounds < ROUNDS and (not rounds or time.monotonic() < until):
        rounds += 1
        contents, key = bodies(), folder.key(f"{name}-{rounds}")
        with ThreadPoolExecutor(len(contents)) as pool:
            won = sum(pool.map(lambda data, key=key: _wins(folder.store, key, data), contents))
        if not won:
            raise StoreUnavailable(f"of {len(contents)} writers none was told that it wrote")
        if won != 1:
            return False, f"not atomic: of {len(contents)} writers {won} were told that they wrote"
    return True, f"of {len(contents)} writers one wins, {rounds} times of {rounds}"


class _NearlySent(io.BytesIO):
    """Bytes whose sender waits before the last of them until all the others are as far."""

    def __init__(self, data: bytes, all_of_them: threading.Barrier) -> None:
        super().__init__(data)
        self._last, self._end, self._all = len(data) - LAST, len(data), all_of_them

    def read(self, size: int | None = -1, /) -> bytes:
        # What signs a request reads all at once, or to the end: it stops nowhere in between.
        if self._last <= self.tell() < self._end:
            self._last = self._end
            with contextlib.suppress(threading.BrokenBarrierError):
                self._all.wait()
        return super().read(size)


def _wins(store: ObjectStore, key: str, data: bytes | BinaryIO) -> bool:
    try:
        return store.put_new(key, data)
    except StoreUnavailable:
        # A server may cut off or fail who loses while it still sends: moto 5.2.5 answers some of them 500.
        return False


def _aborted(folder: _Folder) -> _Seen:
    key, store = folder.key("aborted"), folder.store
    upload = store.start_upload(key)
    etag = store.put_part(key, upload, 1, b"part")
    store.abort_upload(key, upload)
    gone = not store.complete_upload(key, upload, [etag]) and store.head(key) is None
    return _verdict(gone, "an aborted upload is gone", "an aborted upload was completed")


def _listed(folder: _Folder) -> _Seen:
    names = [folder.key(f"listed/{number}") for number in range(3)]
    for name in names:
        folder.store.put(name, b"")
    found = [each.key for each in folder.store.every(folder.key("listed/"), page_size=1)]
    return _verdict(
        found == names, "pages go on to the end", f"{len(found)} of {len(names)} objects are listed"
    )


def _signed(folder: _Folder) -> _Seen:
    key = folder.key("signed")
    url, headers = folder.store.presign_put(key, 5, None, URL_SECONDS)
    for status in (
        _lasting_status(url, b"bytes", headers),
        _lasting_status(folder.store.presign_get(key, URL_SECONDS)),
    ):
        if not _is_success(status):
            return False, f"refused with {status}" if status else NOT_REACHED
    return True, "taken as they were signed"


def _length_signed(folder: _Folder) -> _Seen:
    key = folder.key("length")
    url, headers = folder.store.presign_put(key, 5, None, URL_SECONDS)
    _is_answered(url, b"longer than that", {**headers, "Content-Length": "16"})
    return _only_as_signed(folder, key, url, headers, "another length")


def _condition_signed(folder: _Folder) -> _Seen:
    key = folder.key("condition")
    url, headers = folder.store.presign_put(key, 5, None, URL_SECONDS)
    _is_answered(url, b"bytes", {name: value for name, value in headers.items() if name != "If-None-Match"})
    return _only_as_signed(folder, key, url, headers, "a request without its condition")


def _only_as_signed(folder: _Folder, key: str, url: str, headers: Mapping[str, str], what: str) -> _Seen:
    if folder.store.head(key) is not None:
        return False, f"{what} is written all the same"
    # A server that is not reached refuses too: what was signed has to be taken.
    is_taken = _is_success(_lasting_status(url, b"bytes", headers))
    return _verdict(is_taken, f"{what} is refused", "the request that was signed is refused")


def _unsigned(folder: _Folder) -> _Seen:
    key = folder.key("unsigned")
    folder.store.put(key, b"secret")
    url = folder.store.presign_get(key, URL_SECONDS)
    if not _is_success(_lasting_status(url)):
        return False, "the URL that was signed is refused"
    return _verdict(
        not _is_answered(url.partition("?")[0]), "refused", "answered: signatures are not checked"
    )


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


def _verdict(holds: bool, right: str, wrong: str) -> _Seen:
    return holds, right if holds else wrong


_ASKED: Mapping[Relied, Callable[[_Folder], _Seen]] = {
    Relied.NEW: _new,
    Relied.REPLACED: _replaced,
    Relied.COMPLETED: _completed,
    Relied.SMALL_AT_ONCE: _small_at_once,
    Relied.OVERLAPPING: _overlapping,
    Relied.ABORTED: _aborted,
    Relied.LISTED: _listed,
    Relied.SIGNED: _signed,
    Relied.LENGTH_SIGNED: _length_signed,
    Relied.CONDITION_SIGNED: _condition_signed,
    Relied.UNSIGNED: _unsigned,
}


def _probes(store: ObjectStore) -> str:
    return f"{store.settings.prefix}/probes/".lstrip("/")


def _clear(store: ObjectStore, prefix: str) -> None:
    """Remove what this probe wrote, and what an earlier one left that was cut off."""
    oldest = datetime.now(timezone.utc) - LEFT_BEHIND
    written = [
        one.key for one in store.every(_probes(store)) if one.key.startswith(prefix) or one.modified < oldest
    ]
    with ThreadPoolExecutor(ABREAST) as pool:
        list(pool.map(store.delete, written))
