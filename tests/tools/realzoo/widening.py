"""
Write a model of bf16 or DOUBLE in fp32, which onnxruntime computes: bf16 is rounded to after every node.

Made without looking at the check's own emulation, so that an error there does not hide itself.
"""

from collections import ChainMap
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDENED = frozenset({TensorProto.BFLOAT16, TensorProto.DOUBLE})
ROUNDED = TensorProto.BFLOAT16
TYPE_NUMBERS = frozenset({"to", "dtype"})


class UntypedError(Exception):
    """ONNX cannot tell the type of a value."""


def in_fp32(model: Any) -> Any:
    """Return ``model``, with its weights inside, in fp32; UntypedError where that is not to be done."""
    model = onnx.shape_inference.infer_shapes(model)
    if model.functions:
        raise UntypedError("a model with functions of its own")
    _rewrite(model.graph, ChainMap())
    return model


def _rewrite(graph: Any, outer: ChainMap[str, int]) -> None:
    kinds = outer.new_child(_kinds(graph))
    nodes: list[Any] = []
    for node in graph.node:
        _rewrite_attributes(node, kinds)
        nodes.append(node)
        nodes.extend(_rounding(node, kinds))
    for tensor in graph.initializer:
        if tensor.data_type in WIDENED:
            tensor.CopyFrom(_wide(tensor))
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type in WIDENED:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    del graph.value_info[:]
    del graph.node[:]
    graph.node.extend(nodes)


def _kinds(graph: Any) -> dict[str, int]:
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    kinds |= {
        value.name: value.type.tensor_type.elem_type
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.HasField("tensor_type")
    }
    return {name: kind for name, kind in kinds.items() if kind}


def _rewrite_attributes(node: Any, kinds: ChainMap[str, int]) -> None:
    for attribute in node.attribute:
        if attribute.name in TYPE_NUMBERS and attribute.i in WIDENED:
            attribute.i = TensorProto.FLOAT
        if attribute.HasField("t") and attribute.t.data_type in WIDENED:
            attribute.t.CopyFrom(_wide(attribute.t))
        if attribute.HasField("g"):
            _rewrite(attribute.g, kinds)


def _rounding(node: Any, kinds: ChainMap[str, int]) -> Iterator[Any]:
    """Yield what rounds the outputs of a node that are of bf16, which keep their names."""
    for index, name in enumerate(node.output):
        if not name:
            continue
        if name not in kinds:
            raise UntypedError(f"{name} of node {node.name} ({node.op_type})")
        if kinds[name] == ROUNDED:
            node.output[index] = f"{name}__exact"
            narrow = f"{name}__narrow"
            yield helper.make_node("Cast", [node.output[index]], [narrow], to=ROUNDED)
            yield helper.make_node("Cast", [narrow], [name], to=TensorProto.FLOAT)


def _wide(tensor: Any) -> Any:
    with np.errstate(over="ignore"):
        return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)
