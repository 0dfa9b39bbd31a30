"""
Protobuf's wire format, written: what ``engine.protobuf`` reads. Only what a small ONNX model takes.
"""

from collections.abc import Sequence
from typing import TypeAlias

from ignition_hub.engine.protobuf import BYTES, VARINT

Value: TypeAlias = "int | str | bytes | Message"
Message: TypeAlias = "Sequence[tuple[int, Value]]"
"""Fields by number, in the order in which they are written; no number is negative."""


def encoded(message: Message) -> bytes:
    """Return the bytes of ``message``."""
    return b"".join(_field(number, value) for number, value in message)


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    data = content if isinstance(content, bytes) else encoded(content)
    return _varint(number << 3 | BYTES) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*groups, value))
