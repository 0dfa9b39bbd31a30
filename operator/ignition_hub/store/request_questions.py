"""
Whether a server does what the hub relies on of the client's requests, each verb alone and writers at once.
"""

import contextlib
import io
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from ignition_hub.store.errors import StoreUnavailable
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.question import Folder, Seen, verdict

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


def new(folder: Folder) -> Seen:
    """Ask whether a second PutObject with If-None-Match is refused."""
    key, store = folder.key("new"), folder.store
    first, second = store.put_new(key, b"first"), store.put_new(key, b"second")
    return verdict(
        first and not second and store.get(key, 9) == b"first",
        "a second write is refused",
        "ignored: a second write replaced the first",
    )


def replaced(folder: Folder) -> Seen:
    """Ask whether If-Match takes the right ETag and refuses a stale one."""
    key, store = folder.key("replaced"), folder.store
    store.put(key, b"first")
    etag = store.get_with_etag(key, 9)[1]
    right = store.put(key, b"second", if_match=etag)
    stale = store.put(key, b"third", if_match=etag)
    return verdict(
        right and not stale,
        "the right ETag is written over, a stale one refused",
        "ignored: a stale ETag was written over",
    )


def completed(folder: Folder) -> Seen:
    """Ask whether a second CompleteMultipartUpload with If-None-Match is refused."""
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
    return verdict(kept, "a second upload is refused", "ignored: a second upload replaced the first")


def small_at_once(folder: Folder) -> Seen:
    """Ask whether of writers of a small object at the same time one wins."""
    return _at_once(folder, "small", lambda: [b"%d" % writer for writer in range(WRITERS)])


def overlapping(folder: Folder) -> Seen:
    """Ask whether of writers one wins who are all about to send their last bytes."""

    def bodies() -> list[_NearlySent]:
        all_of_them = threading.Barrier(OVERLAPPING, timeout=TOGETHER_SECONDS)
        return [_NearlySent(bytes([writer]) * LARGE, all_of_them) for writer in range(OVERLAPPING)]

    return _at_once(folder, "large", bodies)


def _at_once(folder: Folder, name: str, bodies: Callable[[], Sequence[bytes | BinaryIO]]) -> Seen:
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


def aborted(folder: Folder) -> Seen:
    """Ask whether an aborted upload is gone."""
    key, store = folder.key("aborted"), folder.store
    upload = store.start_upload(key)
    etag = store.put_part(key, upload, 1, b"part")
    store.abort_upload(key, upload)
    gone = not store.complete_upload(key, upload, [etag]) and store.head(key) is None
    return verdict(gone, "an aborted upload is gone", "an aborted upload was completed")


def listed(folder: Folder) -> Seen:
    """Ask whether a listing of short pages goes on to its end."""
    names = [folder.key(f"listed/{number}") for number in range(3)]
    for name in names:
        folder.store.put(name, b"")
    found = [each.key for each in folder.store.every(folder.key("listed/"), page_size=1)]
    return verdict(
        found == names, "pages go on to the end", f"{len(found)} of {len(names)} objects are listed"
    )
