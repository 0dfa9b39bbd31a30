"""ONNX files of models that their packages carry otherwise: packed, as bare weights, inside another."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from realzoo.bert import bert, weights

INSIDE = "#"
"""Parts a file from the value in it at which its model is cut."""


def written(member: Path) -> Path:
    """Return the ONNX file made of such a file, made once; ``model.onnx#value`` is the part up to a value."""
    whole, _, value = str(member).partition(INSIDE)
    path = _path(Path(whole), value)
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_bytes(_made(Path(whole), value))
        part.rename(path)
    return path


def _path(whole: Path, value: str) -> Path:
    if value:
        return whole.with_suffix(f".{value.strip('/').replace('/', '.')}.onnx")
    return whole.with_suffix("") if whole.suffix == ".gz" else whole.with_suffix(".onnx")


def _made(whole: Path, value: str) -> bytes:
    if value:
        serialized: bytes = first_of(onnx.load(whole), value).SerializeToString()
        return serialized
    return _unpacked(whole) if whole.suffix == ".gz" else _graph(whole)


def first_of(model: Any, value: str) -> Any:
    """Return the part of a model up to a norm of rank 3: its first row is the output ``embedding``."""
    nodes = _before(model.graph.node, value)
    read = {name for node in nodes for name in node.input}
    tensors = [tensor for tensor in model.graph.initializer if tensor.name in read]
    (size,) = next(tensor.dims for tensor in tensors if tensor.name in nodes[-1].input)
    tensors.append(numpy_helper.from_array(np.int64(0), "first_row"))
    first = helper.make_node("Gather", [value, "first_row"], ["embedding"], "first", axis=1)
    output = helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, ["batch_size", size])
    graph = helper.make_graph([*nodes, first], model.graph.name, model.graph.input, [output], tensors)
    part = onnx.ModelProto()
    part.CopyFrom(model)
    part.graph.CopyFrom(graph)
    return part


def _before(nodes: Any, value: str) -> list[Any]:
    """Return the nodes that a value comes from, in their order; its own is the last."""
    wanted, kept = {value}, []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def _unpacked(member: Path) -> bytes:
    return gzip.decompress(member.read_bytes())


def _graph(member: Path) -> bytes:
    """Of the weights of a BERT, ``config.json`` beside them."""
    settings = json.loads((member.parent / "config.json").read_text(encoding="utf-8"))
    serialized: bytes = bert(settings, weights(member)).SerializeToString()
    return serialized
