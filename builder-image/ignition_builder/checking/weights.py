"""
Move the weights of a model from where they lie into one file beside a new model, a piece at a time.

TensorRT maps such a file instead of reading it, which saves one copy of all weights while it parses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx

from ignition_builder.checking.skeleton import refer
from ignition_hub.engine.errors import Reason, RequestError

CHUNK = 4 * 1024 * 1024
"""Numbers, or bytes, in hand at once."""
ALIGNMENT = 4096
"""ONNX asks for whole pages, so that a reader can map one weight."""


@dataclass(frozen=True, slots=True)
class Change:
    """``dtype`` is the type a tensor's bytes have; ``store`` turns its name and some values into bytes."""

    dtype: Any
    store: Callable[[str, Any], bytes]


def is_external(tensor: Any) -> bool:
    """Whether the tensor's data lies in a file."""
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def external_size(model: Any, location: str | None = None) -> int:
    """Return how many bytes of the model's weights lie in files, or in the one file ``location``."""
    return sum(
        _length(tensor) or _needed(tensor)
        for tensor in model.graph.initializer
        if is_external(tensor) and location in (None, place_of(tensor)[0])
    )


def weight_files(model: Any, path: Path) -> tuple[str, ...]:
    """Return the files that the weights of ``model``, which lies in ``path``, are in: itself and its data."""
    places = {place_of(tensor)[0] for tensor in model.graph.initializer if is_external(tensor)}
    return tuple(str(path.parent / name) for name in sorted({path.name, *places}))


def place_of(tensor: Any) -> tuple[str, int]:
    """Return the file and the offset of a tensor's external data."""
    info = onnx.external_data_helper.ExternalDataInfo(tensor)
    return str(info.location), int(info.offset or 0)


def array_of(tensor: Any, folder: Path) -> Any:
    """
    Return the numbers of a tensor; ``folder`` is where the model lies.

    Read here, because onnx refuses a file with a second name (run: 1.23.2), and a model in a
    folder of hard links is as good as another. Whose file it is was asked by ``check_tensor``.
    """
    if not is_external(tensor):
        return onnx.numpy_helper.to_array(tensor)
    whole = onnx.TensorProto()
    whole.CopyFrom(tensor)
    take_in(whole, folder)
    return onnx.numpy_helper.to_array(whole)


def take_in(tensor: Any, folder: Path) -> None:
    """Move the external data of ``tensor`` into it."""
    location, offset = place_of(tensor)
    with (folder / location).open("rb") as file:
        file.seek(offset)
        tensor.raw_data = file.read(_length(tensor) or _needed(tensor))
    tensor.ClearField("external_data")
    tensor.data_location = onnx.TensorProto.DEFAULT


def check_length(tensor: Any, folder: Path) -> None:
    """Raise RequestError (InvalidModel) unless a tensor's external data is in its file to the last byte."""
    location, offset = place_of(tensor)
    there = max(0, (folder / location).stat().st_size - offset)
    declared, needed = _length(tensor), _needed(tensor)
    if declared > there or (declared or there) < needed:
        raise RequestError(
            Reason.InvalidModel,
            f"tensor {tensor.name}: its shape {list(tensor.dims)} needs {needed} bytes, "
            f"{min(declared or there, there)} are there",
            "the file is truncated, or its weights belong to another model",
        )


def write_model(model: Any, source: Path, target: Path, changes: dict[str, Change]) -> None:
    """
    Write ``model`` to ``target`` and its external weights beside it.

    ``source`` is the folder the weights lie in now; ``changes`` says for some tensors, by name, how to store
    their values anew; the others are copied.
    """
    data_path = target.with_name(target.name + ".data")
    with data_path.open("wb") as data:
        for tensor in model.graph.initializer:
            if is_external(tensor):
                data.write(b"\0" * (-data.tell() % ALIGNMENT))
                start = data.tell()
                _copy(tensor, source, data, changes.get(tensor.name))
                refer(tensor, data_path.name, start, data.tell() - start)
    target.write_bytes(model.SerializeToString())


def _copy(tensor: Any, source: Path, data: BinaryIO, change: Change | None) -> None:
    location, offset = place_of(tensor)
    kind = change.dtype if change else np.dtype("u1")
    # Read and not mapped: pages of a mapped file would count as this process's memory.
    with (source / location).open("rb") as file:
        file.seek(offset)
        left = _needed_as(tensor, kind) if change else (_length(tensor) or _needed(tensor))
        while left:
            raw = file.read(min(left, CHUNK))
            if not raw:
                raise RequestError(Reason.InvalidModel, f"tensor {tensor.name}: its data is truncated")
            left -= len(raw)
            data.write(change.store(tensor.name, np.frombuffer(raw, dtype=kind)) if change else raw)


def _length(tensor: Any) -> int:
    return int(onnx.external_data_helper.ExternalDataInfo(tensor).length or 0)


def _needed_as(tensor: Any, kind: Any) -> int:
    return int(np.prod(tensor.dims, dtype=object) if tensor.dims else 1) * int(kind.itemsize)


def _needed(tensor: Any) -> int:
    """Return the bytes a tensor's shape asks for; types of less than a byte are packed."""
    name = onnx.TensorProto.DataType.Name(tensor.data_type)
    count = int(np.prod(tensor.dims, dtype=object)) if tensor.dims else 1
    bits = next((bits for prefix, bits in _PACKED if name in prefix), 0)
    if bits:
        return -(-count * bits // 8)
    return count * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


_PACKED = ((("INT4", "UINT4", "FLOAT4E2M1"), 4), (("INT2", "UINT2"), 2))
