"""
Write what lies beside an engine in a layout, so that it is there whole, or is not there.

The last file of a layout is what makes it whole: it is taken away before any other changes, and comes back
when all others are on disk. So a run that is killed leaves the layout of the engine before, no layout, or
that of the engine now. The engine's second name is a hard link: there is one copy.
"""

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ignition_hub.engine.errors import ContractError, IgnitionError, Reason
from ignition_hub.engine.manifest import BuildFacts
from ignition_hub.engine.pod_annotations import LayoutName
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.gateway import Resolved
from ignition_hub.fetch.place import EnginePaths, disk_errors_named, make_folder, sync_folder, write_whole
from ignition_hub.layouts.files import LayoutFile
from ignition_hub.layouts.served import BEGINNING, ServedEngine
from ignition_hub.layouts.table import files_of

NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def served_engine(found: Resolved, alias: str, name: LayoutName) -> ServedEngine | None:
    """Return the engine as a layout shows it, None for a plain one; FetchError if it cannot be served so."""
    if name is LayoutName.PLAIN:
        return None
    try:
        # Not the whole manifest: what a later release adds to an identity changes nothing here.
        manifest = _object(found.record, "manifest")
        arch = str(_object(manifest, "inputs").get("gpu_arch"))
        engine = ServedEngine.of_build(alias, arch, BuildFacts.from_json(_object(manifest, "build")))
        files_of(name, engine)
    except ContractError as error:
        raise FetchError(
            Reason.GatewayUnavailable,
            f"engine {alias}: the gateway's account of it cannot be used for the layout {name}: {error}",
            "Gateway and fetcher have different versions; upgrade both with the chart.",
        ) from error
    except IgnitionError as error:
        raise FetchError(error.reason, f"engine {alias}: {error.message}", f"{error.remedy}.") from error
    return engine


def files_beside(engine: ServedEngine | None, name: LayoutName, paths: EnginePaths) -> tuple[LayoutFile, ...]:
    """Return what lies beside the engine, which is there."""
    if engine is None:
        return ()
    with disk_errors_named(paths.folder), paths.engine.open("rb") as file:
        return files_of(name, replace(engine, beginning=file.read(BEGINNING)))


def lay_out(files: Sequence[LayoutFile], paths: EnginePaths) -> None:
    """Make ``files`` be what lies beside ``paths.engine``, which is there."""
    with disk_errors_named(paths.folder):
        if not files or all(is_written(file, paths) for file in files):
            return
        *others, last = files
        take_away(last, paths)
        for file in (*others, last):
            write(file, paths)


def is_written(file: LayoutFile, paths: EnginePaths) -> bool:
    """Whether a file is as it should be."""
    path = paths.folder / file.path
    try:
        if file.content is None:
            return path.samefile(paths.engine)
        return path.stat().st_size == len(file.content) and path.read_bytes() == file.content
    except (FileNotFoundError, NotADirectoryError):
        return False


def take_away(file: LayoutFile, paths: EnginePaths) -> None:
    """Remove a file that an earlier run left, for good."""
    path = paths.folder / file.path
    if path.exists():
        path.unlink()
        sync_folder(path.parent)


def write(file: LayoutFile, paths: EnginePaths) -> None:
    """Write one file, on disk when this returns."""
    path = paths.folder / file.path
    make_folder(path.parent)
    if file.content is not None:
        write_whole(path, file.content)
    elif not is_written(file, paths):
        link(paths.engine, path)


def link(engine: Path, path: Path) -> None:
    """Give the engine a second name; FetchError where the volume has no hard links."""
    path.unlink(missing_ok=True)
    try:
        os.link(engine, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        raise FetchError(
            Reason.UnsupportedLayout,
            f"{path} cannot be a hard link of {engine}: {error.strerror}",
            "Let the hub bring the volume, or bring one with a file system that has hard links.",
        ) from error
    sync_folder(path.parent)


def _object(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise ContractError(f"{name}: {value!r:.80} is not an object")
    return value
