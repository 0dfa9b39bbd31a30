"""
An engine file as memory: mapped to be hashed and deserialised, and given back right after.

A mapping costs no copy, and its pages leave with it; so a process that loads twenty engines holds one at a
time.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ignition_hub.engine.errors import Reason
from ignition_hub.engine.plan_header import PlanError, PlanHeader, read_plan_header
from ignition_hub.runtime.errors import EngineRefused
from ignition_hub.runtime.vouched import Voucher


@dataclass(frozen=True, slots=True)
class PlanFile:
    """An engine file before it is loaded: its size in bytes, its own header, and who vouches for it."""

    path: Path
    size: int
    header: PlanHeader
    voucher: Voucher | None


@contextmanager
def mapped(path: Path) -> Iterator[memoryview]:
    """Give the whole file as memory for as long as the block runs."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        memory.madvise(mmap.MADV_SEQUENTIAL)
        with memoryview(memory) as whole:
            yield whole


def header_of(path: Path) -> tuple[int, PlanHeader]:
    """Return size and plan header of a file; EngineRefused for what is no plan, or not a whole one."""
    try:
        with path.open("rb") as file:
            header = read_plan_header(file)
            size = path.stat().st_size
    except PlanError as error:
        raise EngineRefused(error.reason, f"{path}: {error.message}", error.remedy or GET_ANEW) from error
    except OSError as error:
        raise EngineRefused(
            Reason.EngineNotFound,
            f"{path} cannot be read: {error.strerror}",
            "give the path of an engine file",
        ) from error
    if size - header.ultralytics_prefix != header.size:
        held = size - header.ultralytics_prefix
        raise EngineRefused(
            Reason.PlanRejected,
            f"{path}: the plan has {held} bytes but its header says {header.size}: it is truncated or padded",
            GET_ANEW,
        )
    return size, header


def require_digest(whole: memoryview, found: PlanFile) -> None:
    """Raise EngineRefused (DigestMismatch) unless these are the bytes that were vouched for."""
    voucher = found.voucher
    if voucher is None:
        return
    digest = sha256(whole).hexdigest()
    if digest != voucher.sha256:
        raise EngineRefused(
            Reason.DigestMismatch,
            f"{found.path} has SHA-256 {digest}, but {voucher.document} says {voucher.sha256}",
            GET_ANEW,
        )


GET_ANEW = "fetch or rebuild the engine, and find out who changed the file"
