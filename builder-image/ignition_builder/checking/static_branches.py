"""
Which way does an ``If`` go? Foreseen where that follows from constants, and from sizes that nothing changes.

A size counts only if it is the same in all profiles, from their smallest shapes to their largest, or follows
from such: the others are free here, so nothing that depends on them is ever known. What a model writes down
of shapes inside is not believed; ONNX infers them from the inputs and the nodes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onnx import helper, numpy_helper

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.constant_folding import Numbers, constant_in, made_by, numbers_in, shape_in
from ignition_builder.checking.graphs import graphs_of
from ignition_builder.checking.inference import inferred
from ignition_builder.checking.inspection import opset_of
from ignition_builder.checking.naming import Names
from ignition_builder.checking.shape_check import with_sizes
from ignition_hub.engine.identity import Profile

THEN, ELSE = "then_branch", "else_branch"
MOST_PASSES = 8
"""Numbers that are known now give shapes that are known next; each pass is an inference of the whole."""
MOST_NODES = 4_000
"""Nodes computed in all passes, a quarter of a millisecond each; what is behind them is not known."""

Sizes = Sequence[int | None]
"""Of the dimensions of a value; None for one that is free."""


def ways_of(model: Any, profiles: Sequence[Profile]) -> dict[int, bool]:
    """
    Return for each ``If`` that is foreseen, by its index, whether it takes its then branch.

    ``model`` is left alone. Asked are those of the graph itself: whether a branch is taken at all must be
    foreseen first, for in one that no run takes nothing has to fit.
    """
    copy = _with_fixed_sizes(model, profiles)
    walk = _Walk(opset_of(model))
    for _ in range(MOST_PASSES):
        copy = inferred(copy)
        if not walk.through(copy.graph):
            break
    return walk.ways


def branches_of(node: Any) -> dict[str, Any]:
    """Return the two branches of an ``If`` by the names of their attributes; none of another node."""
    if node.op_type != "If" or node.domain not in ONNX_DOMAINS:
        return {}
    found = {item.name: item.g for item in node.attribute if item.HasField("g")}
    return found if found.keys() == {THEN, ELSE} else {}


def _with_fixed_sizes(model: Any, profiles: Sequence[Profile]) -> Any:
    copy = with_sizes(model, {})
    Names.of(copy).keep_apart(copy.graph)
    for value in copy.graph.input:
        if found := [item.shapes[value.name] for item in profiles if value.name in item.shapes]:
            value.type.tensor_type.ClearField("shape")
            shape = value.type.tensor_type.shape
            shape.SetInParent()
            for sizes in zip(*(end for item in found for end in (item.min, item.max)), strict=True):
                size = {"dim_value": sizes[0]} if len(set(sizes)) == 1 else {}
                shape.dim.add(**size)
    _, *inner = graphs_of(copy.graph)
    for graph in inner:
        for value in (*graph.input, *graph.output):
            if value.type.WhichOneof("value") == "tensor_type":
                value.type.tensor_type.ClearField("shape")
    for graph in (*inner, *copy.functions):
        del graph.value_info[:]
    return copy


@dataclass(slots=True)
class _Walk:
    """``ways`` of what has been gone through; nodes whose numbers are known become constants there."""

    opset: int
    ways: dict[int, bool] = field(default_factory=dict)
    left: int = MOST_NODES

    def through(self, graph: Any) -> bool:
        """Go through the nodes of ``graph``; tell whether numbers are known now that were not."""
        sizes, has_learnt = dict(_sizes(graph)), False
        numbers = {tensor.name: numbers_in(tensor) for tensor in graph.initializer}
        for index, node in enumerate(graph.node):
            if branches := branches_of(node):
                self._decide(index, branches, numbers.get(node.input[0]))
            elif found := self._numbers(node, sizes, numbers):
                numbers[node.output[0]] = found
                if found.are_known and node.op_type != "Constant":
                    _become_constant(node, found)
                    has_learnt = True
        return has_learnt

    def _decide(self, index: int, branches: Mapping[str, Any], found: Numbers | None) -> None:
        takes_nothing = not any(branch.input for branch in branches.values())
        if found is not None and found.are_known and found.values.size == 1 and takes_nothing:
            self.ways[index] = bool(found.values.item())

    def _numbers(
        self, node: Any, sizes: Mapping[str, Sizes], numbers: Mapping[str, Numbers | None]
    ) -> Numbers | None:
        if node.domain not in ONNX_DOMAINS:
            return None
        if node.op_type == "Constant":
            return constant_in(node)
        if node.op_type in ("Shape", "Size"):
            return shape_in(node, sizes.get(node.input[0]))
        given = [numbers.get(name) if name else None for name in node.input]
        if any(name and item is None for name, item in zip(node.input, given, strict=True)) or not self.left:
            return None
        self.left -= 1
        return made_by(node, given, self.opset)


def _sizes(graph: Any) -> Iterator[tuple[str, Sizes]]:
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.WhichOneof("value") == "tensor_type" and value.type.tensor_type.HasField("shape"):
            yield value.name, [_size(item) for item in value.type.tensor_type.shape.dim]
    for tensor in graph.initializer:
        yield tensor.name, list(tensor.dims)


def _size(dimension: Any) -> int | None:
    is_fixed = dimension.WhichOneof("value") == "dim_value" and dimension.dim_value >= 0
    return int(dimension.dim_value) if is_fixed else None


def _become_constant(node: Any, numbers: Numbers) -> None:
    (name,) = node.output
    value = numpy_helper.from_array(numbers.values)
    node.CopyFrom(helper.make_node("Constant", [], [name], value=value))
