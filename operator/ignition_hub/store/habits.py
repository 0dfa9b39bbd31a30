"""
What a server does with the requests that the hub relies on: asked before it is trusted.

Several servers take a condition and ignore it, or look at it before they write and not while they write: one
request after the other shows neither. So each verb is asked on its own, and of writers at the same time
exactly one may win. The gateway asks once for each bucket and publishes in turns where a condition cannot be
relied on; ``ignition store check`` asks by hand. Synchronous; a few seconds on a near server.
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from ignition_hub.engine.enums import StrEnum
from ignition_hub.engine.errors import IgnitionError, TransientError
from ignition_hub.store import request_questions, url_questions
from ignition_hub.store.errors import (
    NotImplementedThere,
    StoreBusy,
    StoreMisconfigured,
)
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.question import Folder, Seen
from ignition_hub.wire.back_off import BackOff

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
How often the same is asked of a server that fails, and until how long after the first time began: what it
answers each time is a habit.
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
    folder = Folder(store, f"{_probes(store)}{secrets.token_hex(8)}/")
    store.put(folder.key("written"), b"")
    try:
        _check_that_conditions_are_known(folder)
        found = _found(folder, asked)
        return Habits(tuple(found[relied] for relied in asked))
    finally:
        _clear(store, folder.prefix)


def _found(folder: Folder, asked: Sequence[Relied]) -> dict[Relied, Habit]:
    """Ask together what nothing disturbs; then, each alone, what only writers at the same time show."""
    races = [relied for relied in asked if relied in RACES]
    others = [relied for relied in asked if relied not in RACES]
    with ThreadPoolExecutor(ABREAST) as pool:
        checked = pool.submit(_check_that_objects_stay, folder)
        found = dict(zip(others, pool.map(lambda relied: _habit(relied, folder), others), strict=True))
        checked.result()
    return found | {relied: _habit(relied, folder) for relied in races}


def _check_that_conditions_are_known(folder: Folder) -> None:
    """Refuse a server that answers 501 to conditions, as Backblaze B2 is said to: no turn helps."""
    try:
        folder.store.put_new(folder.key("conditional"), b"")
    except NotImplementedThere:
        raise
    except IgnitionError:
        return  # one of its habits, which is asked for with the others


def _check_that_objects_stay(folder: Folder) -> None:
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


def _abort_if_it_can(folder: Folder, key: str, upload: str) -> None:
    with contextlib.suppress(IgnitionError):  # s3rver 3.7.1 aborts none, and keys may lack the right to it
        _tried(lambda _: folder.store.abort_upload(key, upload), folder)


def _habit(relied: Relied, folder: Folder) -> Habit:
    try:
        return Habit(relied, *_tried(_ASKED[relied], folder))
    except StoreBusy:
        raise
    except IgnitionError as error:
        # What a server cannot do at all is one of its habits; one that is away answers this neither.
        folder.store.check_bucket()
        return Habit(relied, False, f"failed: {error.message}")


_Answer = TypeVar("_Answer")


def _tried(ask: Callable[[Folder], _Answer], folder: Folder) -> _Answer:
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


_ASKED: Mapping[Relied, Callable[[Folder], Seen]] = {
    Relied.NEW: request_questions.new,
    Relied.REPLACED: request_questions.replaced,
    Relied.COMPLETED: request_questions.completed,
    Relied.SMALL_AT_ONCE: request_questions.small_at_once,
    Relied.OVERLAPPING: request_questions.overlapping,
    Relied.ABORTED: request_questions.aborted,
    Relied.LISTED: request_questions.listed,
    Relied.SIGNED: url_questions.signed,
    Relied.LENGTH_SIGNED: url_questions.length_signed,
    Relied.CONDITION_SIGNED: url_questions.condition_signed,
    Relied.UNSIGNED: url_questions.unsigned,
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
