"""
Write what lies beside an engine in a layout, so that it is there whole, or is not there.

The last file of a layout is what makes it whole: it is taken away before any other changes, and comes back
when all others are on disk. So a run that is killed leaves the layout of the engine before, no layout, or
that of the engine now. The engine's second name is a hard link: there is one copy.
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from ignition_hub.engine.errors import ContractError, IgnitionError, Reason
from ignition_hub.engine.manifest import BuildFacts
from ignition_hub.engine.pod_annotations import LayoutName
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.gateway import Resolved
from ignition_hub.fetch.place import EnginePaths, disk_errors_named, make_folder, sync_folder, write_whole
from ignition_hub.layouts.files import LayoutFile
from ignition_hub.layouts.served import ServedEngine
from ignition_hub.layouts.table import files_of

NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def layout_of(found: Resolved, alias: str, name: LayoutName) -> tuple[LayoutFile, ...]:
    """Return what lies beside the engine; FetchError where its program could not serve it."""
    if name is LayoutName.PLAIN:
        return ()
    try:
        # Not the whole manifest: what a later release adds to an identity changes nothing here.
        build = BuildFacts.from_json((found.record.get("manifest") or {}).get("build"))
        return files_of(name, ServedEngine.of_build(alias, build))
    except ContractError as error:
        raise FetchError(
            Reason.GatewayUnavailable,
            f"engine {alias}: the gateway's account of it cannot be used for the layout {name}: {error}",
            "Gateway and fetcher have different versions; upgrade both with the chart.",
        ) from error
    except IgnitionError as error:
        raise FetchError(error.reason, f"engine {alias}: {error.message}", f"{error.remedy}.") from error


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
