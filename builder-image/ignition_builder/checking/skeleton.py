"""
Read an ONNX file without its weights: each large one becomes a reference to the bytes where they lie.

Parsing a model whole takes twice its size in memory, the checker as much again. An ONNX file is a protobuf
message, so its fields are walked here in a mapped file, and what is large is replaced by what ONNX calls
external data: a file, an offset and a length. Everything after that sees a small model.
"""

import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.file_kinds import LONGEST, kind_of
from ignition_hub.engine.protobuf import BYTES, VARINT, Field, fields_of, varint

LARGE = 16 * 1024
"""Bytes from which a weight is left in the file; below lie the constants that shape inference reads."""

_MODEL_GRAPH = 7
_GRAPH_INITIALIZER = 5
_TENSOR_TYPE, _TENSOR_RAW_DATA, _TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 2, 9, 13, 14
_TYPED_DATA = {onnx.TensorProto.FLOAT: 4, onnx.TensorProto.DOUBLE: 10}
"""Fields of numbers that protobuf packs as they lie in raw data: fixed size, little-endian."""


FieldReducer = Callable[[mmap.mmap, Field, str], bytes]
"""Makes less of a large field of the graph; takes the mapped file, the field and the file's name."""


def load_skeleton(path: Path) -> Any:
    """Return the ModelProto of ``path`` with large weights left there; RequestError (InvalidModel)."""
    return load_less(path, {})


def load_less(path: Path, parts: Mapping[int, FieldReducer]) -> Any:
    """Return a skeleton of which ``parts`` make less still, by the numbers of the graph's fields."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            content = b"".join(_model(data, path.name, {_GRAPH_INITIALIZER: _tensor, **parts}))
        return onnx.ModelProto.FromString(content)
    except (ValueError, DecodeError) as error:
        raise _another(path) or not_onnx(str(error)) from error


def not_onnx(why: str, remedy: str = "export the model to ONNX") -> RequestError:
    """Build the error for a file that is something else."""
    return RequestError(Reason.InvalidModel, f"the file is not an ONNX model ({why})", remedy)


def _another(path: Path) -> RequestError | None:
    """Return the error for a file whose first bytes tell what it is."""
    with path.open("rb") as file:
        kind = kind_of(file.read(LONGEST))
    return not_onnx(f"it is {kind.words}", kind.for_model) if kind and kind.for_model else None


def _model(data: mmap.mmap, location: str, parts: Mapping[int, FieldReducer]) -> Iterator[bytes]:
    for field in fields_of(data, 0, len(data)):
        if field.number == _MODEL_GRAPH and field.wire == BYTES:
            graph = b"".join(_graph(data, field, location, parts))
            yield _message(_MODEL_GRAPH, graph)
        else:
            yield data[field.start : field.end]


def _graph(
    data: mmap.mmap, graph: Field, location: str, parts: Mapping[int, FieldReducer]
) -> Iterator[bytes]:
    for field in fields_of(data, graph.value, graph.end):
        large = field.end - field.value >= LARGE
        if field.number in parts and field.wire == BYTES and large:
            yield _message(field.number, parts[field.number](data, field, location))
        else:
            yield data[field.start : field.end]


def _tensor(data: mmap.mmap, tensor: Field, location: str) -> bytes:
    fields = list(fields_of(data, tensor.value, tensor.end))
    values = _values(data, fields)
    if values is None or values.end - values.value < LARGE:
        return data[tensor.value : tensor.end]
    reference = onnx.TensorProto(data_location=onnx.TensorProto.EXTERNAL)
    refer(reference, location, values.value, values.end - values.value)
    rest = b"".join(data[field.start : field.end] for field in fields if field is not values)
    return rest + bytes(reference.SerializeToString())


def _values(data: mmap.mmap, fields: Sequence[Field]) -> Field | None:
    """Return the one field with a tensor's bytes; None when they lie in another file or several fields."""
    if any(field.number == _TENSOR_EXTERNAL_DATA for field in fields):
        return None
    if _number(data, fields, _TENSOR_DATA_LOCATION) == onnx.TensorProto.EXTERNAL:
        return None
    numbers = (_TENSOR_RAW_DATA, _TYPED_DATA.get(_number(data, fields, _TENSOR_TYPE)))
    found = [field for field in fields if field.number in numbers]
    return found[0] if len(found) == 1 and found[0].wire == BYTES else None


def _number(data: mmap.mmap, fields: Sequence[Field], number: int) -> int:
    """Return the last value of a numeric field, as protobuf does; 0 when there is none."""
    values = [field.value for field in fields if field.number == number and field.wire == VARINT]
    return varint(data, values[-1], len(data))[0] if values else 0


def refer(tensor: Any, location: str, offset: int, length: int) -> None:
    """Let ``tensor`` name the ``length`` bytes at ``offset`` of the file ``location`` as its data."""
    tensor.ClearField("external_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))


def _message(number: int, content: bytes) -> bytes:
    return _encoded(number << 3 | BYTES) + _encoded(len(content)) + content


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
