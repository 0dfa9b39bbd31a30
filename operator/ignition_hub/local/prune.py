"""
What is in a local cache, and how it is emptied.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.manifest import BUILT_AT, Manifest
from ignition_hub.local.cache import Cache
from ignition_hub.local.locking import locked_if_free
from ignition_hub.local.timing import clear_timing_caches

IDENTITY_DIGITS = 16


@dataclass(frozen=True, slots=True)
class CachedEngine:
    """One engine of a cache: its folder, its manifest, the bytes on disk, and its age in seconds."""

    folder: Path
    manifest: Manifest
    size: int
    age: float

    @property
    def engine(self) -> Path:
        """The engine file."""
        key = self.manifest.engine.key.split("/")
        return self.folder / key[-2] / key[-1]


def entries(cache: Cache) -> list[CachedEngine]:
    """Return every engine of a cache, by name of the model and then newest first."""
    found = list(_entries(cache))
    return sorted(found, key=lambda entry: (entry.manifest.inputs.model.name, entry.age, entry.folder.name))


def chosen(cache: Cache, *, model_name: str | None = None, older_than: float = 0.0) -> list[CachedEngine]:
    """Return the engines of a model, or of all, that are older than so many seconds."""
    return [
        entry
        for entry in entries(cache)
        if model_name in (None, entry.manifest.inputs.model.name) and entry.age >= older_than
    ]


def clear(cache: Cache, *, model_name: str | None = None, older_than: float = 0.0) -> list[CachedEngine]:
    """
    Remove chosen engines and return those that went; one that is being built is left alone.

    Whoever chooses nothing removes the timing caches too. Raises CacheUnusable for what cannot be removed.
    """
    gone = []
    for entry in chosen(cache, model_name=model_name, older_than=older_than):
        with locked_if_free(cache.lock(entry.manifest.identity)) as free:
            if free:
                _remove(cache, entry)
                gone.append(entry)
    if model_name is None and not older_than:
        clear_timing_caches(cache.root)
    _sweep(cache)
    return gone


def _entries(cache: Cache) -> Iterator[CachedEngine]:
    for path in (cache.root / "engines").glob("*/*/*.trt.json"):
        try:
            manifest = Manifest.from_bytes(path.read_bytes())
        except (OSError, ContractError):
            continue  # not ours, or a release that wrote otherwise: left as it is
        folder = path.parent
        if manifest.identity[:IDENTITY_DIGITS] == folder.name:
            age = max(0.0, time.time() - _built_at(manifest, path))
            yield CachedEngine(folder, manifest, _size(folder), age)


def _built_at(manifest: Manifest, path: Path) -> float:
    try:
        built_at = datetime.strptime(manifest.built_at, BUILT_AT)
        return built_at.replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return path.stat().st_mtime


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # somebody else clears
            total += path.stat().st_size if path.is_file() else 0
    return total


def _remove(cache: Cache, entry: CachedEngine) -> None:
    try:
        _remove_files(entry)
    except OSError as error:
        raise cache.unusable(error) from error


def _remove_files(entry: CachedEngine) -> None:
    # The manifest first: without it the engine does not exist, whatever happens after.
    for manifest in entry.folder.glob("*.trt.json"):
        manifest.unlink()
    for build in entry.folder.iterdir():
        if build.is_dir() and not build.is_symlink() and _is_a_build(build):
            shutil.rmtree(build)
    for folder in (entry.folder, entry.folder.parent):
        with contextlib.suppress(OSError):  # somebody keeps something of their own in it
            folder.rmdir()


def _is_a_build(folder: Path) -> bool:
    name = folder.name
    return len(name) == IDENTITY_DIGITS and all(digit in "0123456789abcdef" for digit in name)


def _sweep(cache: Cache) -> None:
    """Remove what killed and failed builds left, and what is remembered of files that are gone."""
    for left in (cache.root / "tmp").glob("*-*"):
        with locked_if_free(cache.root / "locks" / f"{left.name.partition('-')[0]}.lock") as free:
            if free:
                shutil.rmtree(left, ignore_errors=True)
    for log in (cache.root / "logs").glob("*.log"):
        log.unlink(missing_ok=True)
    cache.digests.forget_the_gone()
