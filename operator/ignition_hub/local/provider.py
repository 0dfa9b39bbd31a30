"""
Where an engine comes from: the local cache, then the artifacts store, then a build.

Everything on the way may be out of order and the engine is still delivered: a cache that cannot be written is
replaced by a folder of this process, a store that does not answer is left out. Each costs one warning.
"""

import atexit
import contextlib
import functools
import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.local.build import Watcher, made
from ignition_hub.local.cache import Cache, Damaged
from ignition_hub.local.engine import EngineSource, LocalEngine
from ignition_hub.local.errors import CacheUnusable, StoreDeclined
from ignition_hub.local.locking import locked
from ignition_hub.local.resolution import ResolvedRequest
from ignition_hub.local.settings import NO_CREDENTIALS, ArtifactsSettings

log = logging.getLogger("ignition_hub.library")


def unwatched(_phase: str, _fraction: float) -> None:
    """Hear nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProvider:
    """
    A cache and, where one is configured, an artifacts store.

    ``only_vouched`` leaves out what a cache took from a store without checking a signature;
    ``may_be_temporary`` allows an engine that lives as long as this process when the cache cannot be written;
    ``may_build_again`` keeps what a build has loaded of full TensorRT for the next one of this process.
    """

    cache: Cache
    artifacts: ArtifactsSettings | None = None
    only_vouched: bool = False
    may_be_temporary: bool = True
    may_build_again: bool = False

    def engine(
        self, resolved: ResolvedRequest, watch: Watcher = unwatched, *, force: bool = False
    ) -> tuple[LocalEngine, EngineSource]:
        """Return the engine of ``resolved`` and where it came from. Raises IgnitionError."""
        if stranger := self.cache.owner_if_another():
            log.warning("%s belongs to user %d, who can run code here through it", self.cache.root, stranger)
        if not force and (hit := self._cached(self.cache, resolved)):
            return hit, "local_cache"
        try:
            return self._obtained(self.cache, resolved, watch, force=force)
        except CacheUnusable as error:
            if not self.may_be_temporary:
                raise
            substitute = folder_of_this_process()
            log.warning(
                "%s; the engine is kept in %s until this process ends", error.message, substitute.root
            )
        if not force and (hit := self._cached(substitute, resolved)):
            return hit, "local_cache"
        return self._obtained(substitute, resolved, watch, force=force)

    def _obtained(
        self, cache: Cache, resolved: ResolvedRequest, watch: Watcher, *, force: bool
    ) -> tuple[LocalEngine, EngineSource]:
        def waiting() -> None:
            log.warning("another process is building %s; waiting for it", resolved.name)

        store = _Store(self.artifacts)
        try:
            with locked(cache.lock(resolved.identity), seconds=resolved.timeout_seconds, waiting=waiting):
                if not force and (hit := self._cached(cache, resolved, warn=True)):
                    return hit, "local_cache"
                with cache.staging(resolved.identity) as folder:
                    if not force and (fetched := store.fetched(cache, resolved, folder, watch)):
                        return fetched, "remote"
                    with log_kept(cache, resolved, folder):
                        finished = made(
                            resolved, cache.root, folder, watch, may_build_again=self.may_build_again
                        )
                    engine = cache.place(resolved.inputs, resolved.identity, finished)
            store.share(engine, watch, force=force)
        finally:
            store.close()
        return engine, "built"

    def _cached(self, cache: Cache, resolved: ResolvedRequest, *, warn: bool = False) -> LocalEngine | None:
        """Return a cache's engine; one that is damaged counts as none, and ``warn`` says so."""
        try:
            found = cache.find(resolved.inputs, resolved.identity)
        except Damaged as error:
            if warn:
                log.warning("%s; rebuilding it", error)
            return None
        return None if found is not None and self.only_vouched and not found.vouched else found


class _Store:
    """The artifacts store for one engine; after its first failure it is left out."""

    def __init__(self, settings: ArtifactsSettings | None) -> None:
        self._settings = settings
        self._artifacts = None
        if settings is not None and not settings.access_key:
            log.warning("%s; continuing without the artifacts store", NO_CREDENTIALS)
        elif settings is not None:
            # Here and not above: boto3 takes longer to load than a hit takes altogether.
            from ignition_hub.local.artifacts import Artifacts  # noqa: PLC0415

            try:
                self._artifacts = Artifacts(settings)
            except StoreDeclined as error:
                log.warning("%s; continuing without the artifacts store", error)

    def fetched(
        self, cache: Cache, resolved: ResolvedRequest, folder: Path, watch: Watcher
    ) -> LocalEngine | None:
        """Return the store's engine, placed in the cache; None when it has none or does not serve us."""
        if self._artifacts is None:
            return None
        try:
            found = self._artifacts.find(resolved.inputs, resolved.identity)
            if found is None:
                return None
            finished = self._artifacts.download(found, folder, watch)
        except StoreDeclined as error:
            log.warning("%s; continuing without the artifacts store", error)
            self.close()
            return None
        return cache.place(resolved.inputs, resolved.identity, finished)

    def share(self, engine: LocalEngine, watch: Watcher, *, force: bool) -> None:
        """Publish an engine that was built here, if the store takes it."""
        if self._artifacts is None or self._settings is None:
            return
        from ignition_hub.local.upload import upload  # noqa: PLC0415

        try:
            uri = upload(engine, self._settings, self._artifacts.keyring, watch, force=force)
        except StoreDeclined as error:
            log.warning("the engine was not uploaded: %s", error)
        else:
            log.info("uploaded to %s", uri)

    def close(self) -> None:
        """Close the connections; nothing is asked of the store after this."""
        if self._artifacts is not None:
            self._artifacts.close()
            self._artifacts = None


@contextlib.contextmanager
def log_kept(cache: Cache, resolved: ResolvedRequest, folder: Path) -> Iterator[None]:
    """Keep the log of a build that TensorRT failed, and say where: its folder is about to go."""
    try:
        yield
    except IgnitionError as error:
        if error.reason is Reason.BuildFailed and (kept := cache.keep_log(resolved.identity, folder)):
            error.remedy = f"{error.remedy}; the log is kept in {kept}".lstrip("; ")
        raise


@functools.cache
def folder_of_this_process() -> Cache:
    """Return a cache that is removed when this process ends."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="ignition-engines-"))
    except OSError as error:
        raise CacheUnusable(f"cannot create a temporary folder ({error.strerror or error})") from error
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Cache(folder, temporary=True)
