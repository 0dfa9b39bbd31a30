"""
Round weights to the levels of int8, a piece at a time on their way into another file.

Symmetric: the largest absolute value of a channel is level 127, and its scale the step between two levels.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx

from ignition_builder.checking.skeleton import refer
from ignition_builder.checking.weights import array_of, is_external, place_of

LARGEST = 127
"""The largest level; the smallest is its negative, as TensorRT's are (NVIDIA documentation)."""
PIECE = 4 * 1024 * 1024
"""Numbers in hand at once, or one channel that is larger."""

_FLOAT = np.dtype("<f4")


def scale_of(largest: Any) -> Any:
    """Return the FLOAT step between two levels of what reaches up to ``largest``, a number or an array."""
    scale = np.asarray(largest, np.float64) / LARGEST
    # What is zero throughout has no step of its own.
    return np.where(scale < np.finfo(np.float32).tiny, 1.0, scale).astype(np.float32)


def quantized_weight(tensor: Any, axis: int | None, folder: Path, data: BinaryIO) -> tuple[Any, Any]:
    """
    Return a FLOAT ``tensor`` as an INT8 one, and its scales: one for each index of ``axis``, or a single one.

    ``folder`` is where the tensor's data lies. What lies there is written to ``data``, an open file of the
    same folder.
    """
    weight = _Weight(tensor, axis, folder)
    scales = scale_of(weight.largest())
    shown = scales[0] if axis is None else scales
    made = onnx.TensorProto(name=tensor.name, data_type=onnx.TensorProto.INT8, dims=tensor.dims)
    if not is_external(tensor):
        made.raw_data = b"".join(weight.levels(scales))
        return made, shown
    start = data.tell()
    for piece in weight.levels(scales):
        data.write(piece)
    refer(made, Path(data.name).name, start, data.tell() - start)
    return made, shown


class _Weight:
    """A weight seen as [before, channels, after] its axis, which is read in pieces of whole channels."""

    def __init__(self, tensor: Any, axis: int | None, folder: Path) -> None:
        self._tensor, self._folder = tensor, folder
        dims = tuple(tensor.dims)
        if axis is None:
            self._shape = (1, 1, math.prod(dims))
        else:
            self._shape = (math.prod(dims[:axis]), dims[axis], math.prod(dims[axis + 1 :]))

    def largest(self) -> Any:
        found = np.zeros(self._shape[1], np.float32)
        for channels, values in self._pieces():
            reached = np.maximum(values.max((0, 2), initial=0), -values.min((0, 2), initial=0))
            np.maximum(found[channels], reached, out=found[channels])
        return found

    def levels(self, scales: Any) -> Iterator[bytes]:
        for channels, values in self._pieces():
            rounded = values / scales[channels][:, None]
            np.rint(rounded, out=rounded)
            yield np.clip(rounded, -LARGEST, LARGEST, out=rounded).astype(np.int8).tobytes()

    def _pieces(self) -> Iterator[tuple[slice, Any]]:
        """Yield which channels, and their numbers as [before, channels, after], in the order they lie in."""
        if not is_external(self._tensor):
            yield slice(None), array_of(self._tensor, self._folder).astype(_FLOAT).reshape(self._shape)
            return
        location, offset = place_of(self._tensor)
        with (self._folder / location).open("rb") as file:
            file.seek(offset)
            for channels, shape in _cuts(*self._shape):
                raw = file.read(math.prod(shape) * _FLOAT.itemsize)
                yield channels, np.frombuffer(raw, _FLOAT).reshape(shape)


def _cuts(before: int, channels: int, after: int) -> Iterator[tuple[slice, tuple[int, int, int]]]:
    if channels * after <= PIECE:
        step = max(1, PIECE // max(1, channels * after))
        for start in range(0, before, step):
            yield slice(None), (min(step, before - start), channels, after)
        return
    step = max(1, PIECE // after)
    for _ in range(before):
        for start in range(0, channels, step):
            stop = min(start + step, channels)
            yield slice(start, stop), (1, stop - start, after)
