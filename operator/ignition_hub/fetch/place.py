"""
Bring one engine to its final path, so that the path holds the whole verified engine or nothing.

Bytes go to a hidden file beside it; only after the digest was computed over the whole file, and the file
is on disk, does a rename make it visible. ``engine.json`` follows: what the engine is, without the URL.
"""

import contextlib
import errno
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ignition_hub.engine.errors import Reason
from ignition_hub.engine.names import ENGINE_FILE, MODEL_FOLDER, RECORD_FILE
from ignition_hub.fetch.budget import FetchBudget
from ignition_hub.fetch.chunk_pool import CHUNK
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.gateway import Resolved, ResolvedModel
from ignition_hub.fetch.journal import DownloadJournal
from ignition_hub.fetch.lines import say
from ignition_hub.fetch.range_requests import CONNECTIONS, RangeSource
from ignition_hub.fetch.settings import MountedEngine
from ignition_hub.fetch.transfer import ByteCallback, DiskError, SpareFailed, Transfer, transfer
from ignition_hub.wire.outcomes import LinkExpired

READ_ONLY = 0o444
SMALLEST_PART = 1024 * 1024
PART_SIZE = 16 * 1024 * 1024
"""The largest. Smaller engines have smaller ones: all connections carry them, and a kill loses little."""
PARTS_OF_A_CONNECTION = 4
RESERVED_AT_ONCE = 64 * 1024 * 1024
RESERVE_SECONDS = 0.02
"""How long a file system may take to reserve space before the rest is left to the writing."""
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NO_PREALLOCATION = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class EnginePaths:
    """The paths of one alias: the final file, what is written before it is final, and the record."""

    folder: Path
    mounted: MountedEngine | None = field(default=None, kw_only=True)
    """The engine as the kubelet mounted it, where the pod has its image."""

    @property
    def engine(self) -> Path:
        """The engine, whole and verified."""
        return self.folder / ENGINE_FILE

    @property
    def record(self) -> Path:
        """The gateway's answer without the URL."""
        return self.folder / RECORD_FILE

    @property
    def partial(self) -> Path:
        """The engine on its way."""
        return self.folder / f".{ENGINE_FILE}.partial"

    @property
    def journal(self) -> Path:
        """Which of its parts are there."""
        return self.folder / f".{ENGINE_FILE}.partial.json"

    @property
    def lock(self) -> Path:
        """What a fetcher locks while it writes here: other pods may have the same volume."""
        return self.folder / f".{ENGINE_FILE}.lock"

    @property
    def model(self) -> Path:
        """The folder of the ONNX model, whole and verified, where there is no engine."""
        return self.folder / MODEL_FOLDER

    @property
    def staging(self) -> Path:
        """The folder of that model on its way."""
        return self.folder / f".{MODEL_FOLDER}.partial"


def place(found: Resolved, paths: EnginePaths, budget: FetchBudget, watch: ByteCallback) -> bool:
    """
    Make ``paths.engine`` be the engine ``found`` describes; False when it already was.

    Raises LinkExpired when the URL has to be asked for again (what arrived stays), or FetchError.
    """
    with disk_errors_named(paths.folder):
        make_folder(paths.folder)
        fetched = not is_there(paths.engine, found)
        if fetched:
            download(found, paths, budget, watch)
        write_record(found, paths)
    return fetched


def make_folder(folder: Path) -> None:
    """Make ``folder`` readable for the containers' users, whatever this process's umask is."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)


def is_there(path: Path, found: Resolved) -> bool:
    """Whether ``path`` holds exactly the wanted bytes; the digest is computed, never remembered."""
    return has_size(path, found.size) and digest_of(path) == found.sha256


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(CHUNK))
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()


def download(found: Resolved, paths: EnginePaths, budget: FetchBudget, watch: ByteCallback) -> None:
    """Fetch, verify and publish; parts from an earlier run are used, but never believed."""
    journal = DownloadJournal(
        paths.journal, sha256=found.sha256, size=found.size, part_size=part_size_of(found.size)
    )
    resumed = bool(journal.finished) and has_size(paths.partial, found.size)
    if not resumed:
        start_over(paths, journal)
    with open_partial(paths, found.size) as descriptor:
        source = RangeSource(found.source, budget.tls, found.size)
        job = Transfer(source, descriptor, budget.connections, budget.deadline)
        spare = spare_of(job, found, budget)
        digest = fetched_digest(job, spare, journal, watch)
        if digest != found.sha256 and (resumed or spare):
            # A node that lost power may have kept the journal and lost pages, and a cache is believed in
            # nothing. One clean run decides.
            journal.forget()
            digest = transfer(job, journal, watch)
            if budget.node_cache and spare and digest == found.sha256:
                budget.node_cache.doubt(source, digest, budget.deadline)
        if digest != found.sha256:
            start_over(paths, journal)
            raise wrong_bytes(found, digest)
        os.fchmod(descriptor, READ_ONLY)
        os.fsync(descriptor)
        require_same(paths.partial, descriptor)
    paths.partial.replace(paths.engine)
    sync_folder(paths.folder)
    journal.forget()


def spare_of(job: Transfer, found: Resolved, budget: FetchBudget) -> Transfer | None:
    """Return how the same file comes out of the node's cache, None where it does not."""
    if budget.node_cache is None:
        return None
    nearer = budget.node_cache.source_of(job.source, found.sha256, budget.deadline, say)
    return None if nearer is None else replace(job, source=nearer)


def fetched_digest(
    job: Transfer, spare: Transfer | None, journal: DownloadJournal, watch: ByteCallback
) -> str:
    """Return the digest of the file: fetched out of the node's cache, as far as that gives it."""
    if spare is not None:
        try:
            return transfer(spare, journal, watch)
        except (SpareFailed, LinkExpired, FetchError) as error:
            say(f"the cache of this node is used no further: {error}")
    return transfer(job, journal, watch)


def part_size_of(size: int) -> int:
    """Return how long the parts of an engine of ``size`` bytes are, in whole MiB."""
    wanted = -(-size // (CONNECTIONS * PARTS_OF_A_CONNECTION * SMALLEST_PART)) * SMALLEST_PART
    return min(PART_SIZE, wanted)


def start_over(paths: EnginePaths, journal: DownloadJournal) -> None:
    """Remove what an earlier run left."""
    journal.forget()
    paths.partial.unlink(missing_ok=True)


@contextlib.contextmanager
def open_partial(paths: EnginePaths, size: int) -> Iterator[int]:
    """Open the partial file with all its space reserved; InsufficientDisk when there is not enough."""
    descriptor = os.open(paths.partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        require_space(paths.folder, size - os.fstat(descriptor).st_blocks * 512)
        reserve(descriptor, size)
        yield descriptor
    finally:
        os.close(descriptor)


def require_same(partial: Path, descriptor: int) -> None:
    """Raise FetchError unless ``partial`` still names the open file: of no other is the digest known."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(partial.lstat(), os.fstat(descriptor)):
            return
    raise FetchError(
        Reason.InvalidRequest,
        f"{partial.parent} has another writer: {partial.name} is not the file any more that was verified",
        "Nothing was installed. Let the container start again; pods that share a volume of a file system "
        "without locks need aliases of their own.",
    )


def require_room(mount: Path, missing: int) -> None:
    """Refuse before the first byte of any engine when ``missing`` more bytes do not fit."""
    with disk_errors_named(mount):
        make_folder(mount)
        require_space(mount, missing)


def missing_bytes(found: Resolved, paths: EnginePaths) -> int:
    """Return how many more bytes an engine will take, as far as sizes tell."""
    with disk_errors_named(paths.folder):
        if is_mounted(found, paths) or has_size(paths.engine, found.size):
            return 0
        return missing_of(paths.partial, found.size)


def is_mounted(found: Resolved, paths: EnginePaths) -> bool:
    """Whether the pod's image is that of the engine which was chosen."""
    return paths.mounted is not None and paths.mounted.sha256 == found.sha256


def missing_of(partial: Path, size: int) -> int:
    """Return how many more bytes a file on its way will take."""
    with contextlib.suppress(FileNotFoundError):
        return max(0, size - partial.stat().st_blocks * 512)
    return size


def require_space(folder: Path, missing: int) -> None:
    """Refuse before the first byte when ``missing`` bytes do not fit."""
    volume = os.statvfs(folder)
    free = volume.f_bavail * volume.f_frsize
    if missing > free:
        raise FetchError(
            Reason.InsufficientDisk,
            f"{missing} more bytes are needed in {folder}, {free} are free",
            "Free ephemeral storage on the node, or schedule the pod on a node with more.",
        )


def reserve(descriptor: int, size: int) -> None:
    """
    Give the file its final size, with blocks behind it where the file system has them at hand.

    A disk notes an extent. Memory is found page by page, as it is when it is written: no gain but a delay.
    """
    os.ftruncate(descriptor, size)
    until = time.monotonic() + RESERVE_SECONDS
    try:
        for start in range(0, size, RESERVED_AT_ONCE):
            os.posix_fallocate(descriptor, start, min(RESERVED_AT_ONCE, size - start))
            if time.monotonic() > until:
                return
    except OSError as error:
        if error.errno not in NO_PREALLOCATION:
            raise


def write_record(found: Resolved | ResolvedModel, paths: EnginePaths) -> None:
    """Write ``engine.json``."""
    write_whole(paths.record, f"{json.dumps(found.record, indent=2, sort_keys=True)}\n".encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file: whole, or the older one stays."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), READ_ONLY)
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a crash of the node."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def disk_errors_named(folder: Path) -> Iterator[None]:
    """Translate what the disk says into this program's own errors."""
    try:
        yield
    except (DiskError, OSError) as error:
        cause = error.cause if isinstance(error, DiskError) else error
        if cause.errno in NO_SPACE:
            remedy = "Free ephemeral storage on the node, or raise the pod's ephemeral-storage limit."
            raise FetchError(
                Reason.InsufficientDisk, f"{folder} is full: {cause.strerror}", remedy
            ) from error
        remedy = "The mount must be writable for the fetcher's user (65532)."
        raise FetchError(Reason.InvalidRequest, f"{folder} cannot be written: {cause}", remedy) from error


def wrong_bytes(found: Resolved, digest: str) -> FetchError:
    """Build the error for bytes that are not the signed ones."""
    return FetchError(
        Reason.DigestMismatch,
        f"{found.file_name}: the store sent SHA-256 {digest}, the signed manifest says {found.sha256}",
        "Nothing was installed. Request a rebuild and check who can write to the bucket.",
    )


def has_size(path: Path, size: int) -> bool:
    """Whether there is a file of just this size, in bytes."""
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False
