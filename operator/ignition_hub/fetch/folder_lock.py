"""
One fetcher at a time in the folder of an engine: pods may share a volume, and each file there has one name.

The lock is on a hidden file that goes with it. The kernel frees the lock of a fetcher that is killed. Where
the file system has no locks the fetcher goes on without one: ``place`` publishes no file that was exchanged.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from ignition_hub.engine.errors import Reason
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.lines import say
from ignition_hub.fetch.place import EnginePaths, disk_errors_named, make_folder
from ignition_hub.wire.deadline import Deadline

NO_LOCKS = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS})
HELD = frozenset({errno.EWOULDBLOCK, errno.EACCES, errno.ESTALE})
"""Of an open file: SMB says the second of one that a client on another node has locked."""
LONGEST_PAUSE_AFTER = 4
"""The attempt: later ones come as often, so that a pod starts soon after the one it waits for."""


@contextlib.contextmanager
def alone_in(paths: EnginePaths, deadline: Deadline) -> Iterator[None]:
    """Hold the folder of an engine for the block; FetchError where another pod has it until the deadline."""
    with disk_errors_named(paths.folder):
        make_folder(paths.folder)
        descriptor = lock(paths, deadline)
    try:
        yield
    finally:
        # Before the lock is free: whoever gets it then finds that the file is none any more, and looks again.
        with contextlib.suppress(OSError):
            paths.lock.unlink()
        os.close(descriptor)


def lock(paths: EnginePaths, deadline: Deadline) -> int:
    """Return the open file that is locked, as soon as it is."""
    attempt = 0
    while (descriptor := lock_now(paths.lock)) is None:
        if deadline.passed:
            raise held_too_long(paths.folder, deadline)
        if attempt == 0:
            say(f"{paths.folder.name}: waiting: another pod fetches into the same volume")
        attempt += 1
        deadline.pause(min(attempt, LONGEST_PAUSE_AFTER))
    return descriptor


def lock_now(path: Path) -> int | None:
    """Lock the file at ``path``, which is made where there is none; None while another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        locked = is_locked(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    if not locked:
        os.close(descriptor)
    return descriptor if locked else None


def is_locked(path: Path, descriptor: int) -> bool:
    """Lock an open file; False where another process holds it, or has removed it since it was opened."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in HELD | NO_LOCKS:
            raise
        return error.errno in NO_LOCKS


def held_too_long(folder: Path, deadline: Deadline) -> FetchError:
    """Build the error for a folder that another pod holds at the deadline."""
    return FetchError(
        Reason.DeadlineExceeded,
        f"another pod fetches into the same volume and held {folder} for {deadline.seconds:.0f} s",
        "The next start of this container finds what that pod fetched; see its log.",
    )
