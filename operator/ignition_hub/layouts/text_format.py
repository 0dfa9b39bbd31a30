"""
Protobuf's text format, as far as a configuration needs it.

Triton reads it with protobuf's C++ library, which refuses what is not UTF-8 in a string only when it looks
at the message: every byte that is no printable ASCII is written as an escape, which all readers know.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

INDENT = "  "


@dataclass(frozen=True, slots=True)
class Word:
    """A member of an enumeration, which stands without quotes."""

    name: str


Value: TypeAlias = "str | int | bool | Word | Message"
Message: TypeAlias = "Sequence[tuple[str, Value]]"
"""Fields in the order in which they are written; a repeated field is there once for each of its values."""


def text_of(message: Message) -> bytes:
    """Return ``message`` in text format, one field a line."""
    return "".join(f"{line}\n" for line in _lines(message)).encode("ascii")


def _lines(message: Message) -> Iterator[str]:
    for name, value in message:
        if isinstance(value, (str, int, Word)):
            yield f"{name}: {_scalar(value)}"
        else:
            yield f"{name} {{"
            yield from (f"{INDENT}{line}" for line in _lines(value))
            yield "}"


def _scalar(value: str | int | Word) -> str:
    if isinstance(value, Word):
        return value.name
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else str(value)


def quoted(text: str) -> str:
    """Return ``text`` as a literal of text format; UnicodeEncodeError for half of a surrogate pair."""
    return f'"{"".join(_escaped(byte) for byte in text.encode())}"'


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in '"\\':
        return f"\\{character}"
    # Always three digits: a digit of the text may follow.
    return character if 0x20 <= byte < 0x7F else f"\\{byte:03o}"
