"""
TensorRT's timing cache: what kernels were measured before, for one product, release and CUDA.

A cache of another TensorRT or GPU is never forced upon a build: wrong timings choose wrong kernels (NVIDIA's
source warns of wrong results). TensorRT-RTX has no timing cache.

Neither what TensorRT answers about a cache nor what it logs tells whether it is used (run on 8.6.0 and
8.5.3.1 with an H200): in the place of one that is damaged it makes a fresh one, and of a good one as well it
says that the timing cache will not be used, and uses it. So what a cache holds is looked at, and nothing
else.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ignition_builder.atomic_file import whole_file
from ignition_builder.compiling.callbacks import Sink
from ignition_builder.compiling.checked_config import Settled, members_of
from ignition_builder.documents import TimingCacheTask
from ignition_builder.journal import Journal
from ignition_builder.messages import quoted
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
        self._config, self._task, self._build_log = config, task, journal
        self._cache: Any = None
        """Held here: TensorRT refers to it."""
        self._size_in = 0
        self._replaces = False
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
            self._build_log.warn(Warn.TimingCacheIgnored, self._task.trouble)
        data = Path(self._task.path_in).read_bytes() if self._task.path_in else b""
        self.is_used = bool(data) and self._put(data)
        said = self._build_log.take_errors()
        if data and not self.is_used:
            self._ignore(said)
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
            self._build_log.warn(
                Warn.TimingCacheMiss, "kernels were measured that are not in the timing cache"
            )
        if self._task.path_out and self._task.mode == READ_WRITE and (missed or self._replaces):
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
                    f"build.timingCache: Locked was requested, but {self._config.release} has no {name}",
                    "use TensorRT 10.8 or newer, or build.timingCache: ReadOnly",
                )
            self._config.flag(FIELD, name)
        if self._task.path_in is None:
            raise nothing_to_lock()

    def _put(self, data: bytes) -> bool:
        """Put a cache in force if it holds what ``data`` does; without data, a fresh one."""
        config = self._config.config
        cache = config.create_timing_cache(data)
        if data and not _holds(config, cache, data):
            return False
        # One is put once: a second is added to the first, and that is answered with False (run on 8.6.0).
        if not config.set_timing_cache(cache, False):
            return False
        self._cache = cache
        return True

    def _ignore(self, said: Sequence[str]) -> None:
        """Go on without the cache, and say why; TensorRT's own words where it has any."""
        why = said[0] if said else "TensorRT creates a new one in its place"
        if self._task.mode == LOCKED:
            raise RequestError(
                Reason.UnsupportedOption, f"build.timingCache: Locked was requested: “{quoted(why)}”", REBUILD
            )
        self._replaces = True
        self._build_log.warn(Warn.TimingCacheIgnored, quoted(why))


def nothing_to_lock() -> RequestError:
    """Return the refusal to lock a cache that nobody has filled yet."""
    return RequestError(
        Reason.UnsupportedOption,
        f"{FIELD}: Locked was requested, but the store has no timing cache for this product and release",
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
    damaged. 8.6.0 answers False to every combination and makes it all the same (run): a cache of 2,075 bytes
    and one of 1,763 became one of 3,635 both ways. So each is added to the other, and one of them must grow.
    """
    caches = [(first, second), (second, first)]
    made = [_combined(config, one, other) for one, other in caches]
    largest = max((both for both, _ in made), key=len)
    is_one = first == second or any(grew for _, grew in made)
    if not is_one or not _holds(config, config.create_timing_cache(largest), largest):
        raise ValueError("the timing caches are of different releases of TensorRT, or of different GPUs")
    return largest


def _combined(config: Any, data: bytes, added: bytes) -> tuple[bytes, bool]:
    """Return the cache in ``data`` with another added to it, and whether that was taken."""
    cache, other = config.create_timing_cache(data), config.create_timing_cache(added)
    if not (_holds(config, cache, data) and _holds(config, other, added)):
        raise ValueError("one of the timing caches is not from this TensorRT, or it is corrupted")
    before = len(_content(cache))
    answered = bool(cache.combine(other, False))
    both = _content(cache)
    return both, answered or len(both) > before


def _holds(config: Any, cache: Any, data: bytes) -> bool:
    """Whether ``cache``, made from ``data``, is not the fresh one that stands in for damaged data."""
    fresh = _content(config.create_timing_cache(b""))
    return len(_content(cache)) > len(fresh) or data == fresh


def _content(cache: Any) -> bytes:
    return bytes(cache.serialize()) if cache is not None else b""
