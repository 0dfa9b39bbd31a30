"""
The narrow floating-point types a model can be given, and how fp32 values become theirs.
"""

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import onnx

from ignition_builder.journal import Journal
from ignition_hub.engine.warnings import Warn

FLOAT, DOUBLE = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE
WIDE = frozenset({FLOAT, DOUBLE})
"""The types that are narrowed. TensorRT knows no DOUBLE and reads it as FLOAT (measured on RTX 1.7.1)."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """
    A type of two bytes.

    ``type`` is ONNX's number of it, ``schema`` its name in ONNX's operator definitions, ``largest`` and
    ``smallest`` the magnitudes that values are kept between, ``begins`` the opset from which ONNX lets
    products and sums have it, ``opset`` that from which it lets convolutions and pools.
    """

    precision: str
    type: int
    schema: str
    dtype: Any
    largest: float
    smallest: float
    begins: int
    opset: int


HALF = Narrow("fp16", onnx.TensorProto.FLOAT16, "tensor(float16)", np.dtype("<f2"), 65504.0, 1e-7, 1, 1)
BRAIN = Narrow(
    "bf16",
    onnx.TensorProto.BFLOAT16,
    "tensor(bfloat16)",
    np.dtype(ml_dtypes.bfloat16),
    (2 - 2**-7) * 2.0**127,
    2.0**-133,
    13,
    22,
)


class Rounding:
    """Rounds values to a narrow type, to nearest and ties to even, and warns of what does not fit."""

    def __init__(self, narrow: Narrow, journal: Journal) -> None:
        self._narrow, self._build_log = narrow, journal
        self._warned: set[str] = set()

    def __call__(self, name: str, values: Any) -> bytes:
        """
        Return the little-endian bytes of ``values`` of the tensor ``name``.

        What is finite stays finite: magnitudes beyond the type's largest become it, and count once for a
        tensor as WeightsTruncated. What is not zero does not become zero.
        """
        narrow, size = self._narrow, np.abs(values)
        finite = np.isfinite(values)
        if bool(np.any(finite & (size > narrow.largest))):
            self._warn(name)
        bounded = np.where(finite, np.clip(values, -narrow.largest, narrow.largest), values)
        tiny = (size > 0) & (size < narrow.smallest)
        bounded[tiny] = np.copysign(narrow.smallest, values[tiny])
        return bytes(bounded.astype(narrow.dtype).tobytes())

    def tensor(self, tensor: Any) -> None:
        """Give a tensor whose values lie in the model the narrow type."""
        values = onnx.numpy_helper.to_array(tensor)
        content = self(tensor.name, values)
        name, dims = tensor.name, list(tensor.dims)
        tensor.Clear()
        tensor.name, tensor.data_type, tensor.raw_data = name, self._narrow.type, content
        tensor.dims.extend(dims)

    def _warn(self, name: str) -> None:
        if name in self._warned:
            return
        self._warned.add(name)
        largest = f"{self._narrow.largest:.5g}, the largest {self._narrow.precision}"
        self._build_log.warn(Warn.WeightsTruncated, f"{name or 'a constant'}: values beyond {largest}")
