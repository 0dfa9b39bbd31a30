"""
Names of dimensions that are no names: exporters write ``?`` for every size they do not know.

ONNX and TensorRT take two dimensions of one name for one size, so an image of free height and width, both
called ``?``, could only be square (seen in models of PaddlePaddle; measured on RTX 1.7.1).
"""

from collections.abc import Iterator
from typing import Any

PLACEHOLDERS = frozenset({"?", "*", "-1", "None"})


def forget_placeholders(model: Any) -> bool:
    """Let dimensions with a placeholder for a name be free each by itself; tell whether there were any."""
    found = [size for size in _sizes(model.graph) if size.dim_param in PLACEHOLDERS]
    for size in found:
        size.ClearField("dim_param")
    return bool(found)


def _sizes(graph: Any) -> Iterator[Any]:
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield from value.type.tensor_type.shape.dim
