"""
Which files beside an ONNX model hold its weights, without the ``onnx`` package: a cache hit needs no builder.

An ONNX file is a protobuf message. Its fields are walked in a mapped file and everything but the places where
a tensor may stand is stepped over.
"""

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

from ignition_hub.local.errors import wrong

_MESSAGE = 2
_LONGEST_VARINT = 10

_TENSOR, _ENTRY = "tensor", "entry"
_INSIDE: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: _TENSOR, 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: _TENSOR, 6: "graph", 10: _TENSOR, 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {13: _ENTRY},
}
"""Which field of which ONNX message leads towards external data (onnx.proto)."""


def external_files(model: Path) -> tuple[str, ...]:
    """
    Return the names of the external data files of a model, relative to it, sorted.

    Raises RequestError for bytes that are no protobuf message; OSError when the file cannot be read.
    """
    with model.open("rb") as file:
        if model.stat().st_size == 0:
            raise _not_onnx(model, "it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            # The usual model has no such tensor, and one search tells.
            if data.find(b"location") < 0:
                return ()
            try:
                return tuple(sorted(set(_locations(data, "model", 0, len(data)))))
            except (ValueError, RecursionError) as error:
                raise _not_onnx(model, str(error)) from error


def _locations(data: mmap.mmap, kind: str, start: int, end: int) -> Iterator[str]:
    inside = _INSIDE[kind]
    for number, value, stop in _messages(data, start, end):
        match inside.get(number):
            case None:
                continue
            case "entry":
                entry = {field: data[at:to] for field, at, to in _messages(data, value, stop)}
                if entry.get(1) == b"location":
                    yield entry.get(2, b"").decode()
            case other:
                yield from _locations(data, other, value, stop)


def _messages(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, first byte and end of every length-delimited field; ValueError where none begins."""
    at = start
    while at < end:
        tag, value = _varint(data, at, end)
        wire = tag & 7
        if wire == _MESSAGE:
            length, value = _varint(data, value, end)
            at = value + length
            if at > end:
                raise ValueError(f"the field at byte {value} does not end in the file")
            yield tag >> 3, value, at
        elif wire == 0:
            _, at = _varint(data, value, end)
        elif wire in (1, 5):
            at = value + (8 if wire == 1 else 4)
        else:
            raise ValueError(f"byte {at} begins no field of a protobuf message")


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = 0
    for index in range(min(_LONGEST_VARINT, end - at)):
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise ValueError(f"the number at byte {at} does not end")


def _not_onnx(model: Path, why: str) -> Exception:
    return wrong("onnx_path", str(model), f"not an ONNX model ({why})", "export the model to ONNX")
