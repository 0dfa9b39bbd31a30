"""
What a builder and the gateway say to each other: the bodies and answers of ``/v1/builds/self``.

Both sides use these records; what a body may hold beyond its types is the gateway's to check. The answer to
the first call is a ``BuildGrant``, those about a timing cache are in ``timing_cache``.
"""

from dataclasses import dataclass, field

from ignition_hub.engine.codec import MAY_BE_MISSING, Record
from ignition_hub.engine.manifest import BuildFacts

PART_BYTES = 16 * 1024 * 1024
"""The size of a part where a builder names none."""


@dataclass(frozen=True, slots=True)
class ProgressReport(Record):
    """The body of ``progress``: what a builder does now, and how far it is, in percent."""

    phase: str
    percent: float


@dataclass(frozen=True, slots=True)
class Upload(Record):
    """The body of ``upload``: an engine about to be uploaded; sizes are bytes."""

    size: int
    sha256: str
    part_size: int = field(default=PART_BYTES, metadata=MAY_BE_MISSING)

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.size // self.part_size)

    def bytes_of(self, number: int) -> int:
        """How many bytes part ``number`` has, from 1: all the same, but the last what remains."""
        return min(self.part_size, self.size - (number - 1) * self.part_size)


@dataclass(frozen=True, slots=True)
class UploadPart(Record):
    """One part of an upload: its number from 1 and the URL to PUT it to."""

    number: int
    url: str


@dataclass(frozen=True, slots=True)
class StartedUpload(Record):
    """The answer to ``upload``: a multipart upload that the gateway began."""

    upload_id: str
    key: str
    parts: tuple[UploadPart, ...]


@dataclass(frozen=True, slots=True)
class Completion(Record):
    """The body of ``complete``: an uploaded engine, as the builder describes it."""

    upload_id: str
    key: str
    sha256: str
    size: int
    etags: tuple[str, ...]
    facts: BuildFacts
    log: str = field(default="", metadata=MAY_BE_MISSING)


@dataclass(frozen=True, slots=True)
class Failure(Record):
    """The body of ``failed``: why there is no engine, in the words of the builder."""

    reason: str
    message: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class TimingCacheRead(Record):
    """The body of ``timing-cache``: the CUDA release whose cache is asked for."""

    cuda: str


@dataclass(frozen=True, slots=True)
class TimingCacheWrite(Record):
    """The body of ``timing-cache/upload``: ``size`` bytes over the version ``etag``, None for the first."""

    cuda: str
    size: int
    etag: str | None
