"""
An engine that the kubelet mounted as an image: verified where it is, and shown where the pod expects it.

The mount is read-only for every container, so the bytes that were verified are those that run. Nothing is
copied: ``model.engine`` is a symbolic link into the image, made after the digest was computed.
"""

from ignition_hub.engine.errors import Reason
from ignition_hub.engine.names import ENGINE_FILE
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.gateway import Resolved
from ignition_hub.fetch.place import (
    EnginePaths,
    digest_of,
    disk_errors_named,
    has_size,
    make_folder,
    sync_folder,
    write_record,
)
from ignition_hub.fetch.settings import MountedEngine

REMEDY = (
    "Nothing was installed. Check who can push to the registry of the EngineStore, and create the pod again."
)


def place_mounted(found: Resolved, paths: EnginePaths) -> None:
    """Make ``paths.engine`` lead to the mounted engine; FetchError unless that has the signed digest."""
    mounted = paths.mounted
    assert mounted is not None
    require_signed(found, mounted)
    with disk_errors_named(paths.folder):
        make_folder(paths.folder)
        link = paths.folder / f".{ENGINE_FILE}.link"
        link.unlink(missing_ok=True)
        link.symlink_to(mounted.path)
        link.replace(paths.engine)
        for unfinished in (paths.partial, paths.journal):
            unfinished.unlink(missing_ok=True)
        sync_folder(paths.folder)
        write_record(found, paths)


def require_signed(found: Resolved, mounted: MountedEngine) -> None:
    """Raise FetchError unless the mounted file is the engine that ``found`` describes."""
    try:
        if not has_size(mounted.path, found.size):
            raise FetchError(
                Reason.DigestMismatch,
                f"{found.file_name}: the mounted image holds no {ENGINE_FILE} of {found.size} bytes",
                REMEDY,
            )
        digest = digest_of(mounted.path)
    except OSError as error:
        raise FetchError(
            Reason.DigestMismatch, f"{found.file_name}: the mounted image cannot be read: {error}", REMEDY
        ) from error
    if digest != found.sha256:
        raise FetchError(
            Reason.DigestMismatch,
            f"{found.file_name}: the mounted image holds SHA-256 {digest}, the signed manifest says "
            f"{found.sha256}",
            REMEDY,
        )


def another_than_mounted(found: Resolved, mounted: MountedEngine) -> str:
    """Say why an image that is there is not used."""
    return (
        f"the pod mounts the image of engine {mounted.sha256[:16]}, and engine {found.sha256[:16]} was "
        "chosen since: it is downloaded"
    )
