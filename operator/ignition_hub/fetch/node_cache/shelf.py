"""
The engines that a node keeps: whole and verified, at most so many bytes, the longest unused going first.

While one is being fetched, its beginning can be read: as much as is there without a gap.

An engine is kept under the path of its object and its digest together. A pod that shows the URL of one object
and names the digest of another finds nothing, and what it fetches with a wrong digest is not kept.
"""

import contextlib
import hashlib
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ignition_hub.fetch.budget import fetch_budget
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.gateway import Resolved
from ignition_hub.fetch.node_cache.settings import CacheSettings
from ignition_hub.fetch.place import EnginePaths, is_there, place
from ignition_hub.wire.outcomes import LinkExpired

FILL_SECONDS = 3600.0
FAILED_SECONDS = 10.0
"""How long an engine that could not be fetched is not tried again."""
CHECKED_SECONDS = 60.0
STALLED_SECONDS = 20.0
"""How long a reader waits for the next byte of an engine that is being fetched."""
MOST_FILLS = 4
"""How many engines are fetched at a time, each over connections of its own."""


class NoRoom(Exception):
    """The engine cannot be kept now: too large, or what is kept is in use."""


class NotHere(Exception):
    """The bytes of the engine are not here, and do not come."""


@dataclass(slots=True)
class KeptEngine:
    """
    One engine on the shelf: ``ready`` once it is verified.

    Before that, ``done`` of its ``size`` bytes have arrived, ``readable`` of them without a gap.
    """

    key: str
    size: int
    paths: EnginePaths
    done: int = 0
    readable: int = 0
    ready: bool = False
    readers: int = 0
    checked_at: float = float("-inf")
    failure: str = ""
    failed_at: float = 0.0

    @property
    def is_filling(self) -> bool:
        """Whether it is being fetched."""
        return not self.ready and not self.failure

    def open(self) -> BinaryIO:
        """Open the file for reading, under the name that it has now; it keeps its bytes under another."""
        try:
            return self.paths.partial.open("rb")
        except FileNotFoundError:
            return self.paths.engine.open("rb")

    @property
    def is_free(self) -> bool:
        """Whether it may go."""
        return self.ready and self.readers == 0

    @property
    def is_forgotten(self) -> bool:
        """Whether it failed long enough ago to be tried again."""
        return bool(self.failure) and time.monotonic() - self.failed_at > FAILED_SECONDS


class EngineShelf:
    """The engines that are kept; every method may be called by several threads."""

    def __init__(self, settings: CacheSettings, tell: Callable[[str], None]) -> None:
        self._settings, self._tell = settings, tell
        self._lock = threading.Lock()
        self._moved = threading.Condition(self._lock)
        self._checking = threading.Lock()
        self._kept: OrderedDict[str, KeptEngine] = OrderedDict()

    def want(self, found: Resolved) -> KeptEngine:
        """Return the engine, which begins to be fetched when it is not here; NoRoom when it cannot be."""
        key = key_of(found)
        with self._lock:
            for forgotten in [kept for kept in self._kept.values() if kept.is_forgotten]:
                del self._kept[forgotten.key]
            if (kept := self._kept.get(key)) is None:
                self._make_room(found.size)
                kept = KeptEngine(key, found.size, EnginePaths(self._settings.folder / key))
                self._kept[key] = kept
                threading.Thread(target=self._fill, args=(kept, found), daemon=True).start()
            self._kept.move_to_end(key)
            return kept

    @contextlib.contextmanager
    def reading(self, found: Resolved) -> Iterator[KeptEngine | None]:
        """Give an engine, which stays until the end of the block; None when it is not here."""
        with self._lock:
            kept = self._kept.get(key_of(found))
            if kept is not None and kept.failure:
                kept = None
            if kept:
                kept.readers += 1
        try:
            yield kept
        finally:
            with self._lock:
                if kept:
                    kept.readers -= 1

    def bytes_beyond(self, kept: KeptEngine, count: int) -> int:
        """Wait until more than ``count`` bytes can be read from the beginning; return how many can."""
        with self._moved:
            self._moved.wait_for(lambda: kept.readable > count or kept.failure, STALLED_SECONDS)
            if kept.failure or kept.readable <= count:
                raise NotHere(kept.failure or f"no more than {kept.readable} bytes are here")
            return kept.readable

    def doubt(self, found: Resolved) -> None:
        """
        Read an engine again that a pod found wrong, and remove it if it is.

        One at a time, and not again within ``CHECKED_SECONDS``: reading takes the node's CPU.
        """
        if self._checking.acquire(blocking=False):
            try:
                self._check(found)
            finally:
                self._checking.release()

    def _check(self, found: Resolved) -> None:
        with self.reading(found) as kept:
            if kept is None or not kept.ready or time.monotonic() - kept.checked_at < CHECKED_SECONDS:
                return
            kept.checked_at = time.monotonic()
            is_right = is_there(kept.paths.engine, found)
        with self._lock:
            if not is_right and self._kept.get(kept.key) is kept:
                self._remove(kept)

    def _make_room(self, size: int) -> None:
        if sum(kept.is_filling for kept in self._kept.values()) >= MOST_FILLS:
            raise NoRoom(f"{MOST_FILLS} engines are being fetched already")
        free = self._settings.max_bytes - sum(kept.size for kept in self._kept.values())
        going = []
        for kept in [kept for kept in self._kept.values() if kept.is_free]:
            if size <= free:
                break
            free += kept.size
            going.append(kept)
        if size > free:
            raise NoRoom(f"{size} bytes do not fit into {self._settings.max_bytes}, of which some are in use")
        for kept in going:
            self._remove(kept)

    def _remove(self, kept: KeptEngine) -> None:
        del self._kept[kept.key]
        shutil.rmtree(kept.paths.folder, ignore_errors=True)
        self._tell(f"removed {kept.key}, {kept.size} bytes")

    def _fill(self, kept: KeptEngine, found: Resolved) -> None:
        def note(done: int, without_gap: int) -> None:
            with self._moved:
                kept.done, kept.readable = done, without_gap
                self._moved.notify_all()

        try:
            with fetch_budget(FILL_SECONDS, self._settings.store_tls) as budget:
                place(found, kept.paths, budget, note)
        except (FetchError, LinkExpired) as error:
            self._tell(f"{kept.key} is not kept: {error}")
            with self._lock:
                shutil.rmtree(kept.paths.folder, ignore_errors=True)
                kept.size, kept.failure, kept.failed_at = 0, str(error), time.monotonic()
                self._moved.notify_all()
        else:
            self._tell(f"keeps {kept.key}, {kept.size} bytes")
            with self._lock:
                kept.ready = True


def key_of(found: Resolved) -> str:
    """Return the name under which an engine is kept."""
    path = found.source.target.partition("?")[0]
    return hashlib.sha256(f"{path} {found.sha256} {found.size}".encode()).hexdigest()
