"""
Build an engine on this machine, with the builder that also runs in a cluster.
"""

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from ignition_hub.engine.errors import NodeError, Reason, RequestError
from ignition_hub.engine.manifest import BUILT_AT, EngineFile, Manifest
from ignition_hub.engine.naming import StorePaths
from ignition_hub.engine.pinned import pinned_files
from ignition_hub.engine.request import CALIBRATION, INPUTS, PLUGIN, READ_WRITE
from ignition_hub.local.cache import DIGESTS, Finished
from ignition_hub.local.digests import DigestCache, sha256_of
from ignition_hub.local.errors import CacheUnusable
from ignition_hub.local.installed import check_builder
from ignition_hub.local.model_folder import gathered
from ignition_hub.local.resolution import ResolvedRequest, check_buildable
from ignition_hub.local.timing import TimingFiles, timing_files

if TYPE_CHECKING:
    from ignition_builder.documents import TimingCacheTask
    from ignition_builder.files import Files
    from ignition_builder.pipeline import Built

Watcher = Callable[[str, float], None]
"""Hears a phase as people read it, and the fraction of the whole that is done, 0 to 1."""


def made(
    resolved: ResolvedRequest, root: Path, folder: Path, watch: Watcher, *, may_build_again: bool = False
) -> Finished:
    """
    Build ``resolved`` inside ``folder`` and return it with its manifest.

    No child process is left behind, but for one that has loaded full TensorRT where this program
    ``may_build_again``; it ends with the program, or when no build comes.

    ``root`` is the cache that keeps the kernels' timings, where TensorRT measures any. Raises what the truth
    table or the builder says, CacheUnusable when the folder's disk is full, RequestError
    (ModelDigestMismatch) when a file it is built from was changed meanwhile.
    """
    check_buildable(resolved)
    check_builder(resolved.inputs.flavor)
    # Here and not above: a hit must not load the builder, nor need it.
    from ignition_builder.compiling.nvidia import cuda_release  # noqa: PLC0415
    from ignition_builder.pipeline import build  # noqa: PLC0415

    _check_room(folder, resolved.model.size)
    model = gathered(resolved.model, folder)
    try:
        with timing_files(root, resolved.inputs, folder, cuda_release()) as timing:
            built = build(
                resolved.request(),
                model,
                folder,
                watch,
                files=_files(resolved),
                timing_cache=_task(timing),
                may_build_again=may_build_again,
            )
    except NodeError as error:
        if error.reason is Reason.InsufficientDisk:
            raise CacheUnusable(error.message) from error
        raise
    _require_unchanged(resolved, model, folder, DigestCache(root / DIGESTS))
    return Finished(built.path, _manifest(resolved, built).to_bytes(), built.log)


def _manifest(resolved: ResolvedRequest, built: "Built") -> Manifest:
    paths = StorePaths("", resolved.inputs, resolved.identity)
    return Manifest(
        identity=resolved.identity,
        inputs=resolved.inputs,
        engine=EngineFile(paths.engine(built.sha256), built.sha256, built.size),
        provenance_key=paths.provenance(built.sha256),
        built_at=datetime.now(timezone.utc).strftime(BUILT_AT),
        build=built.facts,
    )


def _files(resolved: ResolvedRequest) -> "Files":
    from ignition_builder.files import DataFile, Files  # noqa: PLC0415

    named = resolved.files
    return Files(
        data=tuple(DataFile(part.name, part.sha256, part.size) for part in resolved.model.data),
        calibration=named.calibration,
        inputs=named.inputs,
        plugins=named.plugins,
    )


def _task(timing: TimingFiles | None) -> "TimingCacheTask | None":
    from ignition_builder.documents import TimingCacheTask  # noqa: PLC0415

    if timing is None:
        return None
    kept = str(timing.kept) if timing.kept.exists() else None
    return TimingCacheTask(mode=READ_WRITE, path_in=kept, path_out=str(timing.measured), key=timing.key)


def _require_unchanged(resolved: ResolvedRequest, model: Path, folder: Path, digests: DigestCache) -> None:
    """Raise RequestError unless every file still is what the identity says: the build read it after that."""
    for named, read, sha256 in _files_of(resolved, model):
        # Nothing is remembered of what goes with ``folder``.
        digest = sha256_of if folder in read.parents else digests.sha256
        try:
            same = digest(read) == sha256
        except OSError:
            same = False
        if not same:
            message = f"{named} changed during the build"
            raise RequestError(Reason.ModelDigestMismatch, message, "build again without changing the file")


def _files_of(resolved: ResolvedRequest, model: Path) -> Iterator[tuple[Path, Path, str]]:
    """Yield each file as its user knows it and as the builder read it, with the SHA-256 it has to have."""
    yield resolved.model.path, model, resolved.model.sha256
    for part in resolved.model.data:
        yield resolved.model.path.parent / part.name, model.parent / part.name, part.sha256
    named, single = resolved.files, {CALIBRATION: resolved.files.calibration, INPUTS: resolved.files.inputs}
    for file in pinned_files(resolved.inputs.options, resolved.inputs.verification):
        path = named.plugins.get(file.name) if file.role == PLUGIN else single[file.role]
        if path is not None:
            yield path, path, file.sha256


def _check_room(folder: Path, model_size: int) -> None:
    """Raise CacheUnusable when there is no room even for the converted model: a build can take an hour."""
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < model_size:
        raise CacheUnusable(f"{folder.parent} has {free} bytes free, and the model alone has {model_size}")
