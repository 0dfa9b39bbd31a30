"""
One build at a time for one identity, between processes of one machine.

The lock is the kernel's (``flock``): a process that is killed gives it back. Lock files stay where they are;
to remove one would let two processes hold what they take for the same lock.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.local.errors import CacheUnusable

if TYPE_CHECKING:
    from filelock import FileLock

PATIENCE = 2.0
"""Seconds of waiting before somebody is told."""

POLL = 0.2


@contextmanager
def locked(path: Path, *, seconds: float, waiting: Callable[[], None]) -> Iterator[None]:
    """
    Hold the lock at ``path`` while the block runs; ``waiting`` is called once when it takes a while.

    Raises CacheUnusable where no lock can be made, IgnitionError (DeadlineExceeded) after ``seconds``.
    """
    lock = _taken(path, min(PATIENCE, seconds))
    if lock is None:
        waiting()
        lock = _taken(path, max(0.0, seconds - PATIENCE))
    if lock is None:
        raise IgnitionError(
            Reason.DeadlineExceeded,
            f"another process is still building this engine after {seconds:.0f} s",
            "wait for it, or raise the timeout",
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock at ``path`` while the block runs, if nobody else does; tell whether that is so."""
    lock = _taken(path, 0.0)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


def _taken(path: Path, seconds: float) -> "FileLock | None":
    # Here and not above: a hit takes no lock, and this takes longer to load than a hit.
    from filelock import FileLock, Timeout  # noqa: PLC0415

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, thread_local=False)
        lock.acquire(timeout=seconds, poll_interval=POLL)
    except Timeout:
        return None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CacheUnusable(f"{path.parent.parent} cannot be written ({reason})") from error
    return lock
