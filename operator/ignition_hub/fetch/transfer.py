"""
Move one object into one file: parallel byte ranges, and one SHA-256 that follows the writers.

Threads and ``http.client`` beat the S3 libraries here because bytes go from the socket into one small
buffer and from there into the file, and are hashed while the page is still hot. Nothing is signed: the
URL is.
"""

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ignition_hub.engine.errors import Reason
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.journal import DownloadJournal
from ignition_hub.fetch.part_schedule import DownloadPart, PartSchedule, Stopped, parts_of
from ignition_hub.fetch.range_requests import CONNECTIONS, RangeConnection, RangeSource
from ignition_hub.wire.deadline import Deadline
from ignition_hub.wire.outcomes import Transient

PART_SIZE = 16 * 1024 * 1024
PARTS_AHEAD = 2 * CONNECTIONS
CHUNK = 1024 * 1024

ByteCallback = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Transfer:
    """What to move: the object at ``source`` into the open file ``descriptor``, over ``connections``."""

    source: RangeSource
    descriptor: int
    connections: tuple[RangeConnection, ...]
    deadline: Deadline


def transfer(job: Transfer, journal: DownloadJournal, watch: ByteCallback) -> str:
    """
    Fetch every part the journal does not list and return the SHA-256 of the whole file, in hex.

    The journal also says how long a part is, so that the two cannot disagree about what "part 3" means.

    ``watch`` hears how many bytes are there, again and again. Raises LinkExpired, Transient never, and
    FetchError; all threads have ended when it returns or raises. The connections stay open when it returns.
    """
    parts = parts_of(job.source.size, journal.part_size)
    schedule = PartSchedule(parts, journal.finished, PARTS_AHEAD)
    connections = job.connections[: len(parts) - len(journal.finished)]
    writers = [
        threading.Thread(target=write_parts, args=(job, schedule, journal, connection), daemon=True)
        for connection in connections
    ]
    for writer in writers:
        writer.start()
    try:
        return follow(job, schedule, parts, watch)
    except BaseException as error:
        schedule.fail(error)
        for connection in connections:
            connection.abort()
        raise
    finally:
        for writer in writers:
            writer.join()


def follow(
    job: Transfer, schedule: PartSchedule, parts: tuple[DownloadPart, ...], watch: ByteCallback
) -> str:
    """Hash the file in order, right behind the writers; the hex digest at the end."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(CHUNK))
    for part in parts:
        done = 0
        while done < part.size:
            try:
                there = schedule.bytes_beyond(part, done, job.deadline)
            except TimeoutError as error:
                raise out_of_time(job, schedule) from error
            while done < there:
                count = os.preadv(job.descriptor, [buffer[: min(CHUNK, there - done)]], part.start + done)
                digest.update(buffer[:count])
                done += count
            watch(schedule.bytes_written)
        schedule.digested(part)
    return digest.hexdigest()


def write_parts(
    job: Transfer, schedule: PartSchedule, journal: DownloadJournal, connection: RangeConnection
) -> None:
    """Be one writer: claim parts until there are none; a failure goes to the schedule, for everybody."""
    buffer = memoryview(bytearray(CHUNK))
    try:
        while (part := schedule.claim()) is not None:
            write_part(job, schedule, connection, part, buffer)
            journal.finish(part.index)
    except Stopped:
        connection.disconnect()
    except BaseException as error:  # noqa: BLE001  (a thread's edge: the main thread raises it)
        connection.disconnect()
        schedule.fail(error)


def write_part(
    job: Transfer, schedule: PartSchedule, connection: RangeConnection, part: DownloadPart, buffer: memoryview
) -> None:
    """Bring one part, going on after a failure from the byte it reached, until the deadline."""
    done, attempt = 0, 0
    while done < part.size:
        try:
            with contextlib.closing(
                connection.read(job.source, part.start + done, part.stop, buffer)
            ) as chunks:
                for count in chunks:
                    write_at(job.descriptor, buffer[:count], part.start + done)
                    done, attempt = done + count, 0
                    schedule.wrote(part, done)
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
