"""
Who reads which value of a model, and what is known of values before anything is run: shapes and constants.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import onnx

from ignition_builder.checking.inference import inferred
from ignition_builder.checking.inspection import graphs_of
from ignition_builder.checking.weights import is_external
from ignition_builder.precision.conversion import whole_graph

Shapes = Mapping[str, Sequence[int]]


def with_shapes(model: Any, shapes: Shapes) -> Any:
    """Return ``model``, which is used up, with inputs of these ``shapes`` and what follows from them."""
    model = whole_graph(model)
    for value in model.graph.input:
        if value.name in shapes:
            shape = value.type.tensor_type.shape
            del shape.dim[:]
            for size in shapes[value.name]:
                shape.dim.add(dim_value=size)
    for graph in graphs_of(model.graph):
        # Written for any shape, they would win over what follows from these.
        del graph.value_info[:]
    return inferred(model, data_prop=True)


def attribute_of(node: Any, name: str, default: int = 0) -> int:
    """Return an integer attribute of a node."""
    return next((int(item.i) for item in node.attribute if item.name == name), default)


class ValueIndex:
    """
    ``readers`` maps a value to the nodes that read it and at which input; ``aliases`` maps it to the names it
    has inside and behind the bodies of nodes, and whether it passes there unchanged and once.
    """

    def __init__(self, model: Any) -> None:
        self.readers: dict[str, list[tuple[Any, int]]] = {}
        self.aliases: dict[str, list[tuple[str, bool]]] = {}
        self._shapes: dict[str, list[int | None]] = {}
        self._numbers: dict[str, float | None] = {}
        for graph in graphs_of(model.graph):
            self._look(graph)

    def is_fixed(self, name: str) -> bool:
        """Tell whether a value is the same for every input."""
        return name in self._numbers

    def number(self, name: str) -> float | None:
        """Return the one number that a fixed value is; None when it is many, or not known."""
        return self._numbers.get(name)

    def shape(self, name: str) -> list[int | None] | None:
        """Return the sizes of a value, None for one that is free; None where its rank is not known."""
        return self._shapes.get(name)

    def rows(self, node: Any) -> int | None:
        """Return how many entries the indices of ``node`` choose from."""
        if node.op_type == "OneHot":
            depth = self.number(node.input[1])
            return None if depth is None else int(depth)
        sizes = self._shapes.get(node.input[0])
        if not sizes:
            return None
        if node.op_type.endswith("ND"):
            return None if None in sizes else min(size for size in sizes if size is not None)
        return sizes[attribute_of(node, "axis")]

    def steps(self, node: Any) -> int | None:
        """Return how long the sequences are whose lengths ``node`` is given."""
        sizes = self._shapes.get(node.input[0])
        axis = attribute_of(node, "layout")
        if node.op_type == "ReverseSequence":
            axis = attribute_of(node, "time_axis")
        return sizes[axis] if sizes else None

    def _look(self, graph: Any) -> None:
        for value in (*graph.input, *graph.value_info, *graph.output):
            if value.type.tensor_type.HasField("shape"):
                self._shapes[value.name] = [
                    int(size.dim_value) if size.HasField("dim_value") else None
                    for size in value.type.tensor_type.shape.dim
                ]
        for tensor in graph.initializer:
            self._shapes[tensor.name] = list(tensor.dims)
            self._numbers[tensor.name] = _number_in(tensor)
        for node in graph.node:
            self._follow(node)

    def _follow(self, node: Any) -> None:
        for index, name in enumerate(node.input):
            self.readers.setdefault(name, []).append((node, index))
        for inside, outside, once in _passages(node):
            self.aliases.setdefault(inside, []).append((outside, once))
        if node.op_type == "Constant":
            tensor = next((item.t for item in node.attribute if item.name == "value"), None)
            self._numbers[node.output[0]] = None if tensor is None else _number_in(tensor)
        elif (
            node.input and not _has_body(node) and all(not name or self.is_fixed(name) for name in node.input)
        ):
            self._numbers.update(dict.fromkeys(node.output))


def _has_body(node: Any) -> bool:
    return any(item.HasField("g") for item in node.attribute)


def _passages(node: Any) -> Iterator[tuple[str, str, bool]]:
    """Yield the values that pass into and out of the bodies of ``node`` under another name."""
    for attribute in node.attribute:
        body = attribute.g
        if node.op_type == "If":
            yield from ((item.name, name, True) for item, name in zip(body.output, node.output, strict=False))
        elif node.op_type in ("Loop", "Scan") and attribute.name == "body":
            # A loop goes on with what it computed: nobody knows how often.
            yield from ((name, item.name, False) for name, item in zip(node.input, body.input, strict=False))
            given = body.output[1:] if node.op_type == "Loop" else body.output
            yield from ((item.name, name, False) for item, name in zip(given, node.output, strict=False))


def _number_in(tensor: Any) -> float | None:
    if math.prod(tensor.dims) != 1 or is_external(tensor):
        return None
    value = onnx.numpy_helper.to_array(tensor).reshape(())
    return float(value) if value.dtype.kind in "biuf" else None
