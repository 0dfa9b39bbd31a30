"""
Put Q/DQ nodes at the inputs of the operators that have weights, and nowhere else, as NVIDIA's documentation
asks for.

``places_of`` says where; ``ranges`` finds how far the activations reach; ``insert`` writes the nodes. What an
operator adds to its product, its bias, stays in floating point.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import shape_inference

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.fresh import Fresh
from ignition_builder.checking.inspection import graphs_of
from ignition_builder.precision.floats import FLOAT
from ignition_builder.precision.flow import flow_of
from ignition_builder.precision.levels import quantized_weight, scale_of
from ignition_builder.precision.positions import Positions

OPERATORS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""What is quantized: the operators that have weights."""

Weight = tuple[str, int | None]
"""A weight's name, and the axis of its channels; None where it has one scale altogether."""


@dataclass(frozen=True, slots=True)
class Places:
    """
    The activations and the weights that get Q/DQ nodes, in the order they are met; ``exact`` are outputs of
    nodes that compute positions and read no quantized value.
    """

    activations: tuple[str, ...]
    weights: tuple[Weight, ...]
    exact: frozenset[str]


def places_of(model: Any) -> Places:
    """Return what of ``model``, whose weights may lie in files, is quantized: its FLOAT operands."""
    inferred = shape_inference.infer_shapes(model)
    kinds, exact = _kinds(inferred.graph), frozenset(Positions(flow_of(inferred)).wide)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    found: dict[str, None] = {}
    stored: dict[Weight, None] = {}
    for node in filter(_is_quantized, model.graph.node):
        if exact.issuperset(node.output):
            continue
        for index, name in enumerate(node.input[:2]):
            if name in weights and weights[name].data_type == FLOAT:
                stored[name, _axis(node, index, len(weights[name].dims))] = None
            elif name not in weights and kinds.get(name) == FLOAT:
                found[name] = None
    return Places(tuple(found), tuple(stored), exact)


def insert(model: Any, folder: Path, places: Places, ranges: Mapping[str, float]) -> None:
    """
    Put the nodes into ``model``, whose weights lie in ``folder``, and INT8 weights beside these.

    Names are those that onnxruntime's quantizer gives, or the next that are free.
    """
    insertion = _Insertion(model, places, ranges)
    with (folder / "levels.data").open("wb") as data:
        for weight in places.weights:
            insertion.add_weight(weight, folder, data)
    insertion.rewire()


class _Insertion:
    def __init__(self, model: Any, places: Places, ranges: Mapping[str, float]) -> None:
        self._graph, self._fresh, self._ranges = model.graph, Fresh(model), ranges
        self._tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self._weights: dict[Weight, list[Any]] = {}
        self._activations, self._exact = set(places.activations), places.exact
        self._made: dict[Any, str] = {}
        self._nodes: list[Any] = []

    def add_weight(self, weight: Weight, folder: Path, data: Any) -> None:
        name, axis = weight
        levels, scales = quantized_weight(self._tensors[name], axis, folder, data)
        levels.name = self._fresh(f"{name}_quantized")
        self._graph.initializer.append(levels)
        self._weights[weight] = [levels.name, *self._steps(name, scales)]

    def rewire(self) -> None:
        """Let every node read the quantized values, each from nodes that stand before its first reader."""
        for node in self._graph.node:
            if not self._exact.issuperset(node.output):
                node.input[:] = [self._read(node, *place) for place in enumerate(node.input)]
            self._nodes.append(node)
        nodes = list(self._nodes)
        del self._graph.node[:]
        self._graph.node.extend(nodes)
        _drop_unread(self._graph)

    def _read(self, node: Any, index: int, name: str) -> str:
        if name in self._activations:
            return self._made.get(name) or self._pair(name)
        of_it = [weight for weight in self._weights if weight[0] == name]
        if not of_it:
            return name
        wanted = name, _axis(node, index, len(self._tensors[name].dims)) if _is_quantized(node) else None
        weight = wanted if wanted in of_it else of_it[0]
        return self._made.get(weight) or self._stored(weight)

    def _pair(self, name: str) -> str:
        steps = self._steps(name, scale_of(self._ranges[name]))
        quantized = self._node("QuantizeLinear", name, [name, *steps])
        self._made[name] = self._node("DequantizeLinear", name, [quantized, *steps])
        return self._made[name]

    def _stored(self, weight: Weight) -> str:
        name, axis = weight
        self._made[weight] = self._node("DequantizeLinear", name, self._weights[weight], axis)
        return self._made[weight]

    def _node(self, operator: str, name: str, inputs: list[str], axis: int | None = None) -> str:
        output = self._fresh(f"{name}_{operator}_Output")
        attributes = {} if axis is None else {"axis": axis}
        made = onnx.helper.make_node(
            operator, inputs, [output], name=self._fresh(f"{name}_{operator}"), **attributes
        )
        self._nodes.append(made)
        return output

    def _steps(self, name: str, scales: Any) -> list[str]:
        """Add a scale and its zero points of zero; return their names."""
        names = [self._fresh(f"{name}_scale"), self._fresh(f"{name}_zero_point")]
        for made, values in zip(names, (scales, np.zeros(np.shape(scales), np.int8)), strict=True):
            self._graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(values), made))
        return names


def _is_quantized(node: Any) -> bool:
    return node.op_type in OPERATORS and node.domain in ONNX_DOMAINS


def _axis(node: Any, index: int, rank: int) -> int | None:
    """Return the axis of a weight that becomes the output's channels."""
    if index != 1:
        return None
    if node.op_type == "MatMul":
        return rank - 1 if rank > 1 else None
    if node.op_type == "Gemm":
        return 0 if any(item.name == "transB" and item.i for item in node.attribute) else 1
    return 0 if node.op_type == "Conv" else 1


def _kinds(graph: Any) -> dict[str, int]:
    values = (*graph.input, *graph.output, *graph.value_info)
    return {item.name: item.type.tensor_type.elem_type for item in values}


def _drop_unread(graph: Any) -> None:
    read = set(_read_names(graph))
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _read_names(graph: Any) -> Iterator[str]:
    for inner in graphs_of(graph):
        yield from (item.name for item in inner.output)
        for node in inner.node:
            yield from node.input
