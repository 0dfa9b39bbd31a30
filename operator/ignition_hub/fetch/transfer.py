"""
Move one object into one file: parallel byte ranges, and one SHA-256 that follows the writers.

Threads and ``http.client`` beat the S3 libraries here because bytes go from the socket into one small
chunk and from there into the file, and the digest takes them out of the same chunk. Nothing is signed: the
URL is.
"""

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ignition_hub.engine.errors import Reason
from ignition_hub.fetch.chunk_pool import CHUNK, ChunkPool
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.journal import DownloadJournal
from ignition_hub.fetch.part_schedule import DownloadPart, PartSchedule, Stopped, parts_of
from ignition_hub.fetch.range_requests import CONNECTIONS, RangeConnection, RangeSource
from ignition_hub.wire.deadline import Deadline
from ignition_hub.wire.outcomes import Transient

PARTS_AHEAD = 2 * CONNECTIONS
BYTES_AHEAD = 32 * 1024 * 1024
"""How far writers lead the digest where the wire is not slower: few connections, and nothing is read back."""

ByteCallback = Callable[[int, int], None]
"""Hears how many bytes of a file are there, and how many of them from its beginning without a gap."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What to move: the object at ``source`` into the open file ``descriptor``, over ``connections``."""

    source: RangeSource
    descriptor: int
    connections: tuple[RangeConnection, ...]
    deadline: Deadline


@dataclass(frozen=True, slots=True)
class Shared:
    """What the threads of one transfer share."""

    job: Transfer
    schedule: PartSchedule
    journal: DownloadJournal
    pool: ChunkPool


def transfer(job: Transfer, journal: DownloadJournal, watch: ByteCallback) -> str:
    """
    Fetch every part the journal does not list and return the SHA-256 of the whole file, in hex.

    The journal also says how long a part is, so that the two cannot disagree about what "part 3" means.

    ``watch`` hears how far that is, again and again. Raises LinkExpired, Transient never, and
    FetchError; all threads have ended when it returns or raises. The connections stay open when it returns.
    """
    parts = parts_of(job.source.size, journal.part_size)
    ahead = min(PARTS_AHEAD, max(2, BYTES_AHEAD // journal.part_size))
    schedule = PartSchedule(parts, journal.finished, ahead, PARTS_AHEAD)
    shared = Shared(job, schedule, journal, ChunkPool())
    wanted = len(parts) - len(journal.finished)
    connections = job.connections[: min(wanted, job.source.most_connections)]
    writers = [
        threading.Thread(target=write_parts, args=(shared, rank, connection), daemon=True)
        for rank, connection in enumerate(connections)
    ]
    for writer in writers:
        writer.start()
    try:
        return follow(shared, parts, watch)
    except BaseException as error:
        schedule.fail(error)
        for connection in connections:
            connection.abort()
        raise
    finally:
        for writer in writers:
            writer.join()


def follow(shared: Shared, parts: tuple[DownloadPart, ...], watch: ByteCallback) -> str:
    """Hash the file in order, right behind the writers; the hex digest at the end."""
    digest, schedule, pool = hashlib.sha256(), shared.schedule, shared.pool
    for part in parts:
        done = 0
        while done < part.size:
            try:
                there = schedule.bytes_beyond(part, done, shared.job.deadline)
            except TimeoutError as error:
                raise out_of_time(shared.job, schedule) from error
            while done < there:
                chunk = next_chunk(shared, part.start + done, part.start + there)
                digest.update(chunk)
                done += len(chunk)
                pool.give_back(chunk)
            watch(schedule.bytes_written, part.start + done)
        pool.drop_before(part.stop)
        schedule.digested(part)
    return digest.hexdigest()


def next_chunk(shared: Shared, start: int, stop: int) -> memoryview:
    """Return bytes of the file from ``start``, not beyond ``stop``: those that were kept, or read back."""
    if (kept := shared.pool.kept_at(start)) is not None:
        return kept
    buffer = shared.pool.take()[: min(room_from(start), stop - start)]
    return buffer[: os.preadv(shared.job.descriptor, [buffer], start)]


def room_from(start: int) -> int:
    """Return how long a chunk from ``start`` is: chunks end at the same places however a part was cut."""
    return CHUNK - start % CHUNK


def write_parts(shared: Shared, rank: int, connection: RangeConnection) -> None:
    """Be one writer: claim parts until there are none; a failure goes to the schedule, for everybody."""
    schedule = shared.schedule
    try:
        while (part := schedule.claim(rank)) is not None:
            write_part(shared, connection, part)
            shared.journal.finish(part.index)
    except Stopped:
        connection.disconnect()
    except BaseException as error:  # noqa: BLE001  (a thread's edge: the main thread raises it)
        connection.disconnect()
        schedule.fail(error)


def write_part(shared: Shared, connection: RangeConnection, part: DownloadPart) -> None:
    """Bring one part, going on after a failure from the byte it reached, until the deadline."""
    job, schedule = shared.job, shared.schedule
    done, attempt = 0, 0
    while done < part.size:
        try:
            for count in write_answer(shared, connection, part, done):
                done, attempt = done + count, 0
        except Transient as error:
            connection.disconnect()
            schedule.leave_if_stopped()
            if job.source.is_spare:
                raise SpareFailed(str(error)) from error
            schedule.trouble = error
            attempt += 1
            job.deadline.pause(attempt)
            if job.deadline.passed:
                raise out_of_time(job, schedule) from error


def write_answer(shared: Shared, connection: RangeConnection, part: DownloadPart, done: int) -> Iterator[int]:
    """Ask for the bytes of a part after the first ``done`` and write them; yields the bytes of each chunk."""
    at = part.start + done

    def chunk_to_fill() -> memoryview:
        return shared.pool.take()[: room_from(at)]

    answer = connection.read(shared.job.source, at, part.stop, chunk_to_fill)
    with contextlib.closing(answer) as chunks:
        for chunk in chunks:
            write_at(shared.job.descriptor, chunk, at)
            shared.pool.keep(at, chunk)
            at += len(chunk)
            shared.schedule.wrote(part, at - part.start)
            if connection.lags:
                shared.schedule.widen()
            yield len(chunk)


def write_at(descriptor: int, data: memoryview, offset: int) -> None:
    """Write all of ``data`` at ``offset``; an OSError here is the disk's, never the network's."""
    while data:
        try:
            count = os.pwrite(descriptor, data, offset)
        except OSError as error:
            raise DiskError(error) from error
        data, offset = data[count:], offset + count


class SpareFailed(Exception):
    """The bytes did not come from where they need not come from."""


class DiskError(Exception):
    """Writing the file failed; ``cause`` is the operating system's error."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def out_of_time(job: Transfer, schedule: PartSchedule) -> FetchError:
    """Build the error for a download that is not whole at the deadline: a store that is away, or slow."""
    if schedule.trouble is not None:
        return FetchError(
            Reason.StoreUnavailable,
            f"{schedule.trouble} (the last answer in {job.deadline.seconds:.0f} s)",
            "Check that this pod can reach the EngineStore's endpoint (DNS, NetworkPolicy, certificate).",
        )
    return FetchError(
        Reason.DeadlineExceeded,
        f"{schedule.bytes_written} of {job.source.size} bytes arrived in {job.deadline.seconds:.0f} s",
        "The next start of this container resumes from there; raise the deadline if the network is slow.",
    )
