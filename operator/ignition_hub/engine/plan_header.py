"""
Read the header of a TensorRT plan: which flavor and version made it, and, for TensorRT-RTX, for which GPUs.

The builder checks its own engine with it, the gateway what was uploaded. No TensorRT is needed: NVIDIA's
own check of an engine needs a GPU and answers the same for a good engine and a wrong version (measured on
RTX 1.7.1).

The headers are little-endian (measured on TensorRT 8.6.0 to 10.15.1, RTX 1.6.1 and 1.7.1)::

    0  magic ftrt | vtrt   4  u32 0   8  u64 entries   16  u64 file size   24  u8 x 4 version   28  tag
    32 TensorRT: entries     RTX: u32 mask of compute capabilities, 64: entries

8.5 writes what 8.6 has inside: a header that names a format, then an engine that begins with the version
(header read from the code of libnvinfer 8.5.3.1, the engine measured within a plan of 8.6.0)::

    0  magic ptrt   4  u32 0   8  u32 format, 232   12  u32 0   16  u64 bytes that follow
    24 four times: u32 type, 0x00018002, and the u8 of one part of the version

What is read here may be the only check of it: 8.6.0 loads a plan whose four bytes of version are all changed
(run on an H200), so whoever loads a plan looks at its header first.
"""

import struct
from typing import NamedTuple, Protocol

from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.file_kinds import LONGEST, kind_of
from ignition_hub.engine.identity import TENSORRT, TENSORRT_RTX

ULTRALYTICS_MAX_BYTES = 1 << 20
"""Longest metadata that is skipped in front of a plan."""

_FIXED = struct.Struct("<4sIQQ4B4s")
_OLD_MAGIC, _OLD_SIZE = b"ptrt", 44
_NUMBER = struct.Struct("<IB")
_IS_NUMBER = 0x00018002
_OLD = struct.Struct("<4sIIIQ")
_FORMATS = {232: "8.5"}
"""The release that writes a format; 213 is TensorRT 8.4 (from NVIDIA's words in reports of people)."""
_CAPABILITIES = {0x01: "sm_75", 0x02: "sm_80", 0x04: "sm_86", 0x08: "sm_89", 0x10: "sm_120", 0x20: "sm_121"}


class Readable(Protocol):
    """Whatever gives bytes from its start: a file, or an object in a bucket."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, none at the end."""


class PlanError(IgnitionError):
    """The bytes are no plan that TensorRT 8.5 or later, or TensorRT-RTX, writes."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(Reason.PlanRejected, message, remedy)


class PlanHeader(NamedTuple):
    """
    What a plan says about itself.

    ``version`` has four parts; for 8.5 it has two where the engine does not tell the others. ``size`` is the
    plan's size in bytes by its own account, without the ``ultralytics_prefix`` bytes of metadata that
    Ultralytics puts in front; ``capabilities`` are the architectures an RTX plan holds code for, empty for
    TensorRT.
    """

    flavor: str
    version: str
    size: int
    capabilities: tuple[str, ...]
    ultralytics_prefix: int

    def is_of(self, release: str) -> bool:
        """Tell whether ``release`` may have written it: a header counts each part in one byte."""
        told = [int(part) for part in self.version.split(".")]
        asked = [int(part) % 256 for part in release.split(".")]
        parts = min(len(told), len(asked))
        return told[:parts] == asked[:parts]


def read_plan_header(stream: Readable) -> PlanHeader:
    """
    Read a header from the start of ``stream``; the first 64 bytes are enough, more for Ultralytics' files.

    Raises PlanError when the bytes are not a plan, and says what they are where that can be told.
    """
    start = _read(stream, _FIXED.size)
    prefix = _ultralytics_prefix(start)
    start += _read(stream, prefix)
    head = start[prefix:]
    if len(head) < _FIXED.size:
        raise _no_plan(start, prefix)
    if head.startswith(_OLD_MAGIC):
        return _old_header(head + _read(stream, _OLD_SIZE - len(head)), prefix)
    magic, serialization, _entries, size, *version, tag = _FIXED.unpack(head)
    flavor = _flavor(magic, tag)
    if flavor is None:
        raise _no_plan(start + _read(stream, LONGEST - len(head)), prefix)
    if serialization != 0:
        raise PlanError(f"serialization version {serialization} of the plan is not known; only 0 is")
    capabilities = _capabilities(stream) if flavor == TENSORRT_RTX else ()
    return PlanHeader(flavor, ".".join(map(str, version)), size, capabilities, prefix)


def _old_header(head: bytes, prefix: int) -> PlanHeader:
    _, serialization, kind, _, rest = _OLD.unpack_from(head)
    release = _FORMATS.get(kind)
    if serialization != 0 or release is None:
        raise PlanError(
            f"the plan was written by a TensorRT older than 8.5, or not by a release (format {kind})",
            "rebuild it",
        )
    return PlanHeader(TENSORRT, _told_version(head[_OLD.size :]) or release, _OLD.size + rest, (), prefix)


def _told_version(engine: bytes) -> str:
    """Return the version at the start of an engine, empty when it does not begin so."""
    told = list(_NUMBER.iter_unpack(engine[: len(engine) // _NUMBER.size * _NUMBER.size]))
    if len(told) < 4 or any(kind != _IS_NUMBER for kind, _ in told):
        return ""
    return ".".join(str(part) for _, part in told)


def _flavor(magic: bytes, tag: bytes) -> str | None:
    if magic == b"vtrt" and tag == b"vtrt":
        return TENSORRT_RTX
    # The tag of a TensorRT plan differs by release and platform, so it decides nothing.
    if magic == b"ftrt":
        return TENSORRT
    return None


def _no_plan(start: bytes, prefix: int) -> PlanError:
    head = start[prefix:]
    # The whole start comes first: what looks like metadata may be the time stamp of a gzip file.
    kind = kind_of(start) or kind_of(head)
    if kind and kind.for_engine:
        return PlanError(f"not a TensorRT plan: it is {kind.words}", kind.for_engine)
    if len(head) < _FIXED.size:
        return PlanError(f"not a TensorRT plan: {len(start)} bytes are fewer than a header has")
    return PlanError(
        f"not a TensorRT plan: it starts with {head[:4]!r}", "a plan starts with b'ftrt' or b'vtrt'"
    )


def _capabilities(stream: Readable) -> tuple[str, ...]:
    raw = _read(stream, 4)
    if len(raw) < 4:
        raise PlanError("the header of the TensorRT-RTX plan is cut off")
    mask = int.from_bytes(raw, "little")
    return tuple(arch for bit, arch in _CAPABILITIES.items() if mask & bit)


def _ultralytics_prefix(head: bytes) -> int:
    """Return the length of Ultralytics' metadata: an int32 length and that many bytes of JSON."""
    length = int.from_bytes(head[:4], "little")
    is_metadata = head[4:5] == b"{" and 0 < length <= ULTRALYTICS_MAX_BYTES
    return 4 + length if is_metadata else 0


def _read(stream: Readable, size: int) -> bytes:
    """Read ``size`` bytes, fewer only at the end: a socket may give them in pieces."""
    data = bytearray()
    while len(data) < size and (chunk := stream.read(size - len(data))):
        data += chunk
    return bytes(data)
