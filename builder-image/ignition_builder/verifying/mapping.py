"""
Hand onnxruntime the weights of a model that is no file, without reading them.

It could be told the folder they lie in, but it follows no link out of that folder, and people's caches are
full of links.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime import OrtValue

from ignition_builder.checking.inspection import inner_tensors_of
from ignition_builder.checking.weights import is_external, place_of, take_in

_PACKED = frozenset(
    getattr(onnx.TensorProto, name)
    for name in ("UINT4", "INT4", "FLOAT4E2M1", "UINT2", "INT2", "FLOAT6E2M3", "FLOAT6E3M2")
    if hasattr(onnx.TensorProto, name)
)
"""Types of less than a byte, which numpy has no plain array for."""


def take_in_inner_weights(model: Any, folder: Path) -> None:
    """Read into ``model`` what its constants and the bodies of its nodes have in files of ``folder``."""
    for tensor in filter(is_external, inner_tensors_of(model)):
        take_in(tensor, folder)


def mapped_weights(model: Any, folder: Path) -> dict[str, Any]:
    """
    Return the model's weights that lie in files of ``folder``, by name, as OrtValues over mapped arrays.

    They have to live as long as the session. What cannot be mapped is taken into ``model``.
    """
    found = {}
    for tensor in filter(is_external, model.graph.initializer):
        if tensor.data_type in _PACKED or 0 in tensor.dims:
            take_in(tensor, folder)
        else:
            found[tensor.name] = OrtValue.ortvalue_from_numpy_with_onnx_type(
                _mapped(tensor, folder), tensor.data_type
            )
    return found


def _mapped(tensor: Any, folder: Path) -> Any:
    location, offset = place_of(tensor)
    size = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    count = math.prod(tensor.dims)
    values = np.memmap(folder / location, np.dtype(f"u{size}"), mode="r", offset=offset, shape=(count,))
    return values.reshape(tuple(tensor.dims))
