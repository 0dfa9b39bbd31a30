"""
Walk the fields of a protobuf message in a mapped file; an ONNX model is one such message.

Builder and laptop look into a model with this before any library does: a model may be larger than the memory
to parse it, and is a stranger's.
"""

from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""The wire types in use; the two for groups have been gone since protobuf 3."""
_LONGEST_VARINT = 10


class Field(NamedTuple):
    """One field of a message: its number, its wire type, and where it, its value and the end of both are."""

    number: int
    wire: int
    start: int
    value: int
    end: int


def fields_of(data: mmap, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message between two places; ValueError where the bytes are none."""
    while start < end:
        tag, at = varint(data, start, end)
        wire, value = tag & 7, at
        if wire == VARINT:
            _, at = varint(data, at, end)
        elif wire == BYTES:
            length, value = varint(data, at, end)
            at = value + length
        elif wire in (FIXED32, FIXED64):
            at += 4 if wire == FIXED32 else 8
        else:
            raise ValueError(f"byte {start} begins no field of a protobuf message")
        if at > end or tag >> 3 == 0:
            raise ValueError(f"the field at byte {start} of {end} does not end in the file")
        yield Field(tag >> 3, wire, start, value, at)
        start = at


def varint(data: mmap, at: int, end: int) -> tuple[int, int]:
    """Return the number at a place and the place behind it; ValueError when it does not end by ``end``."""
    value = 0
    for index in range(min(_LONGEST_VARINT, end - at)):
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise ValueError(f"the number at byte {at} does not end")
