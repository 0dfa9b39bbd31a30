"""
TensorRT's timing cache: what kernels were measured before, for one product, release and CUDA.

A cache of another TensorRT or GPU is never forced upon a build: wrong timings choose wrong kernels (NVIDIA's
source warns of wrong results). TensorRT-RTX has no timing cache.

What TensorRT answers about a cache does not tell whether it is used: a cache that is damaged is taken in
appearance, a fresh one is made in its place and the log alone says so (run on 8.6.0). So what is in force is
looked at, never the answer.
"""

from pathlib import Path
from typing import Any, BinaryIO

from ignition_builder.compiling.bridge import Sink
from ignition_builder.compiling.settled import Settled, members_of
from ignition_builder.journal import Journal
from ignition_builder.whole import whole_file
from ignition_builder.work import TimingCacheTask
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.request import LOCKED, OFF, READ_WRITE
from ignition_hub.engine.warnings import Warn

NEEDED_TO_LOCK = ("EDITABLE_TIMING_CACHE", "ERROR_ON_TIMING_CACHE_MISS")
FIELD = "build.timingCache"
OFF_FLAG = "DISABLE_TIMING_CACHE"
REBUILD = "build once with build.timingCache: ReadWrite, then lock it"


class TimingCache:
    """The timing cache of one build: brought into its configuration, and taken out again when it is over."""

    def __init__(self, config: Settled, task: TimingCacheTask, journal: Journal) -> None:
        self._config, self._task, self._journal = config, task, journal
        self._cache: Any = None
        """Held here: TensorRT refers to it."""
        self._size_in = 0
        self._is_taken = False
        self._ignored_before = journal.warnings[Warn.TimingCacheIgnored]

    @property
    def is_used(self) -> bool:
        """Whether the cache from the store is in force."""
        return self._is_taken and not self._was_ignored

    @property
    def _was_ignored(self) -> bool:
        return self._journal.warnings[Warn.TimingCacheIgnored] > self._ignored_before

    def load(self) -> None:
        """Put the cache into the configuration; raises RequestError when it is to be locked and cannot be."""
        if self._task.mode == OFF:
            self._config.flag(FIELD, OFF_FLAG)
            return
        if self._task.mode == LOCKED:
            self._lock()
        if self._task.trouble:
            self._journal.warn(Warn.TimingCacheIgnored, self._task.trouble)
            self._ignored_before += 1
        data = Path(self._task.path_in).read_bytes() if self._task.path_in else b""
        self._is_taken = bool(data) and self._put(data)
        if data and not self.is_used:
            self._ignored()
        if not self.is_used:
            self._put(b"")
        self._size_in = len(_content(self._cache))

    def save(self) -> dict[str, Any]:
        """
        Leave the cache in its file and return what became of it, as BuildFacts has it.

        ``missed`` tells whether kernels had to be measured that the cache did not know.
        """
        if self._task.mode == OFF:
            return self._facts(missed=None)
        data = _content(self._config.config.get_timing_cache())
        missed = len(data) > self._size_in
        if missed and self.is_used:
            self._journal.warn(
                Warn.TimingCacheMiss, "kernels were measured that the timing cache did not know"
            )
        if self._task.path_out and self._task.mode == READ_WRITE and (missed or self._was_ignored):
            with whole_file(Path(self._task.path_out)) as file:
                _write(file, data)
        return self._facts(missed=missed)

    def _facts(self, *, missed: bool | None) -> dict[str, Any]:
        task, used = self._task, self.is_used
        which = {"key": task.key, "etag": task.etag if used else None}
        return {"mode": task.mode, "used": used, "missed": missed, **which}

    def _lock(self) -> None:
        flags = members_of(self._config.trt, "BuilderFlag")
        for name in NEEDED_TO_LOCK:
            if name not in flags:
                raise RequestError(
                    Reason.UnsupportedOption,
                    f"build.timingCache: Locked was asked for, and {self._config.release} has no {name}",
                    "use TensorRT 10.8 or newer, or build.timingCache: ReadOnly",
                )
            self._config.flag(FIELD, name)
        if self._task.path_in is None:
            raise nothing_to_lock()

    def _put(self, data: bytes) -> bool:
        """Put a cache in force; return whether it holds what ``data`` does."""
        config = self._config.config
        self._cache = config.create_timing_cache(data)
        taken = self._cache is not None and bool(config.set_timing_cache(self._cache, False))
        return taken and not self._journal.errors and _holds(config, self._cache, data)

    def _ignored(self) -> None:
        """Say that the cache is not used, and why; TensorRT's own words where it has any."""
        said, heard = self._journal.take_errors(), self._journal.first_warnings.get(Warn.TimingCacheIgnored)
        why = said[0] if said else heard or "TensorRT does not take it"
        if self._task.mode == LOCKED:
            raise RequestError(
                Reason.UnsupportedOption, f"build.timingCache: Locked was asked for: “{why}”", REBUILD
            )
        if not self._was_ignored:
            self._journal.warn(Warn.TimingCacheIgnored, why)


def nothing_to_lock() -> RequestError:
    """Return the refusal to lock a cache that nobody has filled yet."""
    return RequestError(
        Reason.UnsupportedOption,
        f"{FIELD}: Locked was asked for, and the store has no timing cache for this product and release",
        REBUILD,
    )


def _write(file: BinaryIO, data: bytes) -> None:
    sink = Sink(file)
    sink.write(data)
    if sink.error is not None:
        raise sink.error


def merged(config: Any, first: bytes, second: bytes) -> bytes:
    """
    Return a timing cache that knows what either knows; ``config`` is any builder configuration.

    Raises ValueError when it would lose something: the two are of different releases or GPUs, or one is
    damaged. What the result holds decides, and not what TensorRT answers: 8.6.0 answered False to a
    combination that had grown from 2,491 to 4,467 bytes (run).
    """
    cache, other = config.create_timing_cache(first), config.create_timing_cache(second)
    if cache is None or other is None or not (_holds(config, cache, first) and _holds(config, other, second)):
        raise ValueError("one of the timing caches is not of this TensorRT, or it is damaged")
    most = max(len(_content(cache)), len(_content(other)))
    answered = bool(cache.combine(other, False))
    both = _content(cache)
    knows_either = len(both) > most or (answered and len(both) == most)
    if not knows_either or not _holds(config, config.create_timing_cache(both), both):
        raise ValueError("the timing caches are of different releases of TensorRT, or of different GPUs")
    return both


def _holds(config: Any, cache: Any, data: bytes) -> bool:
    """Whether ``cache``, made from ``data``, is not the fresh one that stands in for damaged data."""
    fresh = len(_content(config.create_timing_cache(b"")))
    return len(_content(cache)) > fresh or len(data) <= fresh


def _content(cache: Any) -> bytes:
    return bytes(cache.serialize()) if cache is not None else b""
