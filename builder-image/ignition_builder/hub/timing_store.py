"""
The timing cache that the store keeps: brought before a build, and what was measured brought back after it.

A build that may do without does not fail for it: trouble becomes a warning before the build, and one line in
the pod's log after it, for then the engine is published. Others may write the same cache meanwhile: whoever
comes second reads it anew, puts both together in a child process, and tries again.
"""

import http.client
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from ignition_builder.compiling.nvidia import cuda_release
from ignition_builder.compiling.timing import FIELD, nothing_to_lock
from ignition_builder.documents import MERGE, Task, TimingCacheTask
from ignition_builder.hub.download import DownloadSource, Item, Link, download
from ignition_builder.hub.gateway import GatewayClient
from ignition_builder.pipeline import LOG_FILE
from ignition_builder.stage_process import Child
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError, TransientError
from ignition_hub.engine.identity import TENSORRT_RTX
from ignition_hub.engine.request import LOCKED, OFF, READ_WRITE, BuildGrant
from ignition_hub.engine.timing_cache import MOST_BYTES, StoredTimingCache, TimingCacheUpload
from ignition_hub.wire.address import Address
from ignition_hub.wire.deadline import Deadline
from ignition_hub.wire.outcomes import Transient, explained, is_passing

WHAT = "the timing cache"
READ_SECONDS = 60.0
WRITE_SECONDS = 120.0
MERGE_SECONDS = 120.0
CALL_SECONDS = 30.0
ATTEMPTS = 3
CHUNK = 1024 * 1024
_LOST = frozenset({http.client.PRECONDITION_FAILED, http.client.CONFLICT, http.client.NOT_FOUND})
"""What the store answers when it holds another version than was seen, another write is under way, or none."""


@dataclass(frozen=True, slots=True)
class TimingStore:
    """The store's timing cache for one build that works in ``folder``."""

    gateway: GatewayClient
    grant: BuildGrant
    tls: ssl.SSLContext
    folder: Path

    def fetched(self) -> TimingCacheTask | None:
        """
        Bring the cache and return how the build is to use it; None for a product that has none.

        Raises RequestError (UnsupportedOption) when it is to be locked and there is none, and for a locked
        one whatever keeps it from coming; IgnitionError (Interrupted) when the pod is to stop.
        """
        request = self.grant.request
        if request.inputs.flavor == TENSORRT_RTX:
            return None
        task = TimingCacheTask(mode=request.timing_cache)
        if task.mode == OFF:
            return task
        if task.mode == READ_WRITE:
            task = replace(task, path_out=str(self.folder / "measured.cache"))
        try:
            return self._with_stored(task, Deadline(READ_SECONDS))
        except (IgnitionError, OSError) as error:
            if task.mode == LOCKED or _is_interruption(error):
                raise
            return replace(task, trouble=f"the store's timing cache could not be read: {error}")

    def kept(self, task: TimingCacheTask | None) -> str | None:
        """Put what the build measured into the store; return why that failed, None when all is well."""
        if task is None or task.path_out is None or not Path(task.path_out).exists():
            return None
        try:
            self._write(Path(task.path_out), task.etag)
        except (IgnitionError, OSError) as error:
            return f"{WHAT} was not saved: {error}"
        return None

    def _with_stored(self, task: TimingCacheTask, deadline: Deadline) -> TimingCacheTask:
        stored = self.gateway.timing_cache(_cuda(), deadline)
        task = replace(task, key=stored.key)
        if stored.url is None:
            if task.mode == LOCKED:
                raise nothing_to_lock()
            return task
        path = self.folder / "stored.cache"
        self._bring(stored, path, deadline)
        return replace(task, path_in=str(path), etag=stored.etag)

    def _bring(self, stored: StoredTimingCache, path: Path, deadline: Deadline) -> None:
        item = Item(WHAT, FIELD, stored.size or 0, MOST_BYTES, lambda _: Link(stored.url or ""))
        source = DownloadSource(self.grant, lambda: self.grant, self.tls, deadline.left)
        download(item, source, path, lambda _: _require_time(deadline))

    def _write(self, path: Path, etag: str | None) -> None:
        deadline, trouble = Deadline(WRITE_SECONDS), ""
        for attempt in range(ATTEMPTS):
            if attempt:
                deadline.pause(attempt)
                etag = self._joined(path, deadline)
            size = path.stat().st_size
            link = self.gateway.timing_cache_upload(_cuda(), size, etag, deadline)
            try:
                if _put(link, path, self.tls, deadline):
                    return
                trouble = "another build wrote it meanwhile"
            except Transient as error:
                # A store may also hang up on who sends what it will not take.
                trouble = str(error)
        raise TransientError(Reason.PublishConflict, f"{ATTEMPTS} attempts failed, the last: {trouble}")

    def _joined(self, path: Path, deadline: Deadline) -> str | None:
        """Put what the store has now into ``path`` as well, and return its ETag; None when it has none."""
        stored = self.gateway.timing_cache(_cuda(), deadline)
        if stored.url is None:
            return None
        others = self.folder / "others.cache"
        self._bring(stored, others, deadline)
        merge = TimingCacheTask(mode=READ_WRITE, path_in=str(others), path_out=str(path))
        log = self.folder / LOG_FILE
        task = Task(
            stage=MERGE,
            request=self.grant.request,
            model="",
            folder=str(self.folder),
            log=str(log),
            timing_cache=merge,
        )
        with Child(MERGE, log) as child:
            child.run(task, lambda *_: None, time.monotonic() + MERGE_SECONDS)
        return stored.etag


def _cuda() -> str:
    release = cuda_release()
    if release is None:
        raise RequestError(
            Reason.UnsupportedOption,
            f"{FIELD}: the CUDA release of this image is unknown",
            "set CUDA_VERSION in the builder's image",
        )
    return release


def _put(link: TimingCacheUpload, path: Path, tls: ssl.SSLContext, deadline: Deadline) -> bool:
    """Send a cache as granted; whether the store took it. Raises Transient, TransientError if refused."""
    target = Address.of(link.url)
    connection = target.connection(tls, deadline.timeout(CALL_SECONDS))
    try:
        with path.open("rb") as file:
            body = _chunks(file, deadline)
            connection.request("PUT", target.target, body=body, headers=dict(link.headers))
            response = connection.getresponse()
            response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Transient(f"{target.place}: {explained(error)}") from error
    finally:
        connection.close()
    if response.status == http.client.OK:
        return True
    if response.status in _LOST:
        return False
    if is_passing(response.status):
        raise Transient(f"{target.place} answered {response.status}")
    raise TransientError(Reason.StoreUnavailable, f"{target.place} answered {response.status}")


def _chunks(file: BinaryIO, deadline: Deadline) -> Iterator[bytes]:
    while data := file.read(CHUNK):
        _require_time(deadline)
        yield data


def _require_time(deadline: Deadline) -> None:
    if deadline.passed:
        message = f"{WHAT} could not be transferred in {deadline.seconds:g} s"
        raise TransientError(Reason.StoreUnavailable, message)


def _is_interruption(error: Exception) -> bool:
    return isinstance(error, IgnitionError) and error.reason is Reason.Interrupted
