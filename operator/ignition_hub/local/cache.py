"""
The local cache: the store's own tree on disk, written so that nothing half-done is ever visible.

An engine exists when its manifest does, which is renamed into place last. What is being made lies below
``tmp/``; the first to build an identity again sweeps what a killed process left there. ::

    <root>/engines/<model>/<identity>/<engine sha256>/<name>.trt, build.log
                                      <name>.trt.json                        the manifest
    <root>/locks/<identity>.lock      <root>/tmp/<identity>-…/      <root>/digests/…
    <root>/logs/<identity>.log        of a build that failed
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.identity import EngineInputs, identity_of
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.naming import StorePaths
from ignition_hub.local.digests import DigestCache
from ignition_hub.local.engine import LocalEngine
from ignition_hub.local.errors import CacheUnusable

LOG_FILE = "build.log"
DIGESTS = "digests"
PROVENANCE_SUFFIX = ".intoto.json"
UNVOUCHED_SUFFIX = ".unsigned"
"""Marks an engine that was taken from a store although nobody vouched for it."""


class Damaged(Exception):
    """An engine is in the cache and is not what its manifest says."""


@dataclass(frozen=True, slots=True)
class Finished:
    """
    An engine in a staging folder, ready for its place; ``manifest_bytes`` as published or made.

    ``provenance`` is the signed statement of a store's engine; ``vouched`` is false where none was checked.
    """

    engine: Path
    manifest_bytes: bytes
    log: Path | None = None
    provenance: bytes | None = None
    vouched: bool = True


@dataclass(frozen=True, slots=True)
class Cache:
    """The tree below ``root``; ``temporary`` when it lives only as long as this process."""

    root: Path
    temporary: bool = False

    @property
    def digests(self) -> DigestCache:
        """What is remembered of files' digests."""
        return DigestCache(self.root / DIGESTS)

    def paths(self, inputs: EngineInputs, identity: str) -> StorePaths:
        """Return the names of one identity's files, relative to ``root``."""
        return StorePaths("", inputs, identity)

    def lock(self, identity: str) -> Path:
        """Return the file whose lock belongs to who builds ``identity``."""
        return self.root / "locks" / f"{identity[:16]}.lock"

    def owner_if_another(self) -> int | None:
        """Return the user whom the folder belongs to, if it is neither ours nor root's."""
        try:
            owner = self.root.stat().st_uid
        except OSError:
            return None
        return None if owner in (0, os.geteuid()) else owner

    def find(self, inputs: EngineInputs, identity: str) -> LocalEngine | None:
        """
        Return the engine of an identity; None when there is none. Raises Damaged when it cannot be used.

        The engine's digest is compared with the manifest's once, and again when the file has changed.
        """
        paths = self.paths(inputs, identity)
        try:
            manifest = Manifest.from_bytes((self.root / paths.manifest).read_bytes())
            engine = self.root / paths.engine(manifest.engine.sha256)
            size = engine.stat().st_size
            if (manifest.identity, identity_of(manifest.inputs)) != (identity, identity):
                raise Damaged(f"{self.root / paths.manifest} belongs to another identity")
            if size != manifest.engine.size or self.digests.sha256(engine) != manifest.engine.sha256:
                raise Damaged(f"{engine} does not match its manifest")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ContractError) as error:
            raise Damaged(f"{self.root / paths.manifest} cannot be read ({error})") from error
        vouched = not engine.with_name(engine.name + UNVOUCHED_SUFFIX).exists()
        return LocalEngine(engine, manifest, self.temporary, vouched)

    @contextlib.contextmanager
    def staging(self, identity: str) -> Iterator[Path]:
        """
        Give a folder to work in, gone when the block ends; who holds the identity's lock may call this.

        Raises CacheUnusable when there can be none.
        """
        parent = self.root / "tmp"
        try:
            # Under the lock nobody else is at work on this identity: what lies here was left by the killed.
            for left in parent.glob(f"{identity[:16]}-*"):
                shutil.rmtree(left, ignore_errors=True)
            parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f"{identity[:16]}-", dir=parent))
        except OSError as error:
            raise self.unusable(error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def place(self, inputs: EngineInputs, identity: str, finished: Finished) -> LocalEngine:
        """Move a finished engine to where it is found, its manifest last; CacheUnusable when that fails."""
        manifest = Manifest.from_bytes(finished.manifest_bytes)
        paths = self.paths(inputs, identity)
        engine = self.root / paths.engine(manifest.engine.sha256)
        try:
            engine.parent.mkdir(parents=True, exist_ok=True)
            _move(finished.engine, engine)
            if finished.log is not None and finished.log.exists():
                _move(finished.log, engine.with_name(LOG_FILE))
            if finished.provenance is not None:
                _write(
                    finished.engine.parent,
                    engine.with_name(engine.name + PROVENANCE_SUFFIX),
                    finished.provenance,
                )
            _mark(engine.with_name(engine.name + UNVOUCHED_SUFFIX), wanted=not finished.vouched)
            _write(finished.engine.parent, self.root / paths.manifest, finished.manifest_bytes)
        except OSError as error:
            raise self.unusable(error) from error
        return LocalEngine(engine, manifest, self.temporary, finished.vouched)

    def keep_log(self, identity: str, folder: Path) -> Path | None:
        """Move the log out of a staging folder and return where it is now; None when that cannot be done."""
        kept = self.root / "logs" / f"{identity[:16]}.log"
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            (folder / LOG_FILE).replace(kept)
        except OSError:
            return None
        return kept

    def unusable(self, error: OSError) -> CacheUnusable:
        """Return what an error of the file system means."""
        return CacheUnusable(f"the engine cache {self.root} cannot be written ({error.strerror or error})")


def _mark(path: Path, *, wanted: bool) -> None:
    if wanted:
        path.touch()
    else:
        path.unlink(missing_ok=True)


def _move(source: Path, target: Path) -> None:
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.replace(target)
    _sync_folder(target.parent)


def _write(staging: Path, target: Path, data: bytes) -> None:
    fresh = staging / f"{target.name}.part"
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(target)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
