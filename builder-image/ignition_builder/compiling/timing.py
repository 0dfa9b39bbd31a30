"""
TensorRT's timing cache: what kernels were measured before, for one product, release and CUDA.

A cache of another TensorRT or GPU is never forced upon a build: wrong timings choose wrong kernels (NVIDIA's
source warns of wrong results). TensorRT-RTX has no timing cache.
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
        self._size_in = 0
        self.is_used = False
        """Whether the cache from the store is in force."""

    def load(self) -> None:
        """Put the cache into the configuration; raises RequestError when it is to be locked and cannot be."""
        if self._task.mode == OFF:
            self._config.flag(FIELD, OFF_FLAG)
            return
        if self._task.mode == LOCKED:
            self._lock()
        if self._task.trouble:
            self._journal.warn(Warn.TimingCacheIgnored, self._task.trouble)
        data = Path(self._task.path_in).read_bytes() if self._task.path_in else b""
        self.is_used = bool(data) and self._put(data)
        if data and not self.is_used:
            self._ignored()
        if not self.is_used:
            self._put(b"")
        self._size_in = len(data) if self.is_used else 0

    def save(self) -> dict[str, Any]:
        """
        Leave the cache in its file and return what became of it, as BuildFacts has it.

        ``missed`` tells whether kernels had to be measured that the cache did not know.
        """
        if self._task.mode == OFF:
            return self._facts(missed=None)
        held = self._config.config.get_timing_cache()
        data = bytes(held.serialize()) if held is not None else b""
        missed = len(data) > self._size_in
        if missed and self.is_used:
            self._journal.warn(
                Warn.TimingCacheMiss, "kernels were measured that the timing cache did not know"
            )
        if self._task.path_out and self._task.mode == READ_WRITE and missed:
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
        cache = self._config.config.create_timing_cache(data)
        return cache is not None and bool(self._config.config.set_timing_cache(cache, False))

    def _ignored(self) -> None:
        said = self._journal.take_errors()
        why = said[0] if said else "TensorRT does not take it"
        if self._task.mode == LOCKED:
            raise RequestError(
                Reason.UnsupportedOption, f"build.timingCache: Locked was asked for: “{why}”", REBUILD
            )
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

    Raises ValueError when the two are of different releases or GPUs.
    """
    cache, other = config.create_timing_cache(first), config.create_timing_cache(second)
    if cache is None or other is None or not cache.combine(other, False):
        raise ValueError("the timing caches are of different releases of TensorRT, or of different GPUs")
    return bytes(cache.serialize())
