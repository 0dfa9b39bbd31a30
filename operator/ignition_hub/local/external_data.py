"""
Which files beside an ONNX model hold its weights, without the ``onnx`` package: a cache hit needs no builder.

An ONNX file is a protobuf message. Its fields are walked in a mapped file and everything but the places where
a tensor may stand is stepped over.
"""

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

from ignition_hub.engine.file_kinds import LONGEST, kind_of
from ignition_hub.engine.protobuf import BYTES, fields_of
from ignition_hub.local.errors import wrong

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
                kind = kind_of(data[:LONGEST])
                if kind and kind.for_model:
                    raise _not_onnx(model, f"it is {kind.words}", kind.for_model) from error
                raise _not_onnx(model, str(error)) from error


def _locations(data: mmap.mmap, kind: str, start: int, end: int) -> Iterator[str]:
    inside = _INSIDE[kind]
    for field in fields_of(data, start, end):
        match inside.get(field.number) if field.wire == BYTES else None:
            case None:
                continue
            case "entry":
                parts = fields_of(data, field.value, field.end)
                entry = {part.number: data[part.value : part.end] for part in parts if part.wire == BYTES}
                if entry.get(1) == b"location":
                    yield entry.get(2, b"").decode()
            case other:
                yield from _locations(data, other, field.value, field.end)


def _not_onnx(model: Path, why: str, remedy: str = "export the model to ONNX") -> Exception:
    return wrong("onnx_path", str(model), f"not an ONNX model ({why})", remedy)
