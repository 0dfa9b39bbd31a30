"""
Let onnxruntime run a bf16 model on a CPU: each operator computes in fp32, on and into values rounded to bf16.

onnxruntime has few operators for bf16 and can cast to and from it. It does the same by itself for fp16.
"""

from pathlib import Path
from typing import Any

import onnx

from ignition_builder.checking.inspection import tensors_of
from ignition_builder.checking.weights import is_external, take_in

BFLOAT, FLOAT = onnx.TensorProto.BFLOAT16, onnx.TensorProto.FLOAT
EMULATED = "emulated__"
CASTS = frozenset({"Cast", "Constant"})
"""Operators that take or give bf16 by themselves."""


def emulated(path: Path, folder: Path) -> Path:
    """
    Write a version of ``path`` without bf16 operators into ``folder``.

    Weights that lie beside the model stay there when that is ``folder``, else they are few and are taken in.
    """
    model = onnx.load(str(path), load_external_data=False)
    if path.parent != folder:
        for tensor in filter(is_external, tensors_of(model)):
            take_in(tensor, path.parent)
    model = onnx.shape_inference.infer_shapes(model)
    narrow = _narrow_values(model.graph)
    nodes: list[Any] = []
    for node in model.graph.node:
        nodes += [node] if node.op_type in CASTS else _widened(node, narrow)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    # What was inferred for the old names says nothing true of the new ones.
    del model.graph.value_info[:]
    target = folder / f"emulated-{path.name}"
    target.write_bytes(model.SerializeToString())
    return target


def _narrow_values(graph: Any) -> set[str]:
    typed = [*graph.input, *graph.output, *graph.value_info]
    values = {value.name for value in typed if value.type.tensor_type.elem_type == BFLOAT}
    return values | {tensor.name for tensor in graph.initializer if tensor.data_type == BFLOAT}


def _widened(node: Any, narrow: set[str]) -> list[Any]:
    """Return ``node`` between casts; what it writes keeps its name and its type."""
    before, after = [], []
    for index, name in enumerate(node.input):
        if name in narrow:
            wide = f"{EMULATED}{name}__for_{node.output[0]}_{index}"
            before.append(onnx.helper.make_node("Cast", [name], [wide], to=FLOAT))
            node.input[index] = wide
    for index, name in enumerate(node.output):
        if name in narrow:
            wide = f"{EMULATED}{name}"
            after.append(onnx.helper.make_node("Cast", [wide], [name], to=BFLOAT))
            node.output[index] = wide
    return [*before, node, *after]
