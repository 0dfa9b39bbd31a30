"""
Find the means of squares in a model: the squares of a normalization leave fp16 from 256 on.

Before opset 17 exporters spell a layer normalization as its arithmetic. TensorRT warns of its overflow in
fp16 and advises to force these nodes to fp32; strongly typed, nobody but the model can.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ignition_builder.checking.inspection import graphs_of

_SUMS = frozenset({"ReduceMean", "ReduceSum"})
_GOES_ON = frozenset({"Add", "Sqrt", "Reciprocal", "Max", "Clip"})
"""What becomes of the sum until something is divided by it."""


def square_values(model: Any) -> set[str]:
    """Return the names of squares that are summed up, of sums and their roots, and of means before that."""
    found: set[str] = set()
    for graph in graphs_of(model.graph):
        makers = {name: node for node in graph.node for name in node.output}
        for node in graph.node:
            if node.op_type in _SUMS and _is_square(makers.get(node.input[0])):
                found.update((node.input[0], node.output[0]))
                found.update(_mean_below(makers[node.input[0]], makers))
            elif node.op_type in _GOES_ON and _is_made_of(node, found, makers):
                found.update(node.output)
    return found


def _is_square(node: Any | None) -> bool:
    if node is None:
        return False
    return bool(node.op_type == "Pow" or (node.op_type == "Mul" and node.input[0] == node.input[1]))


def _mean_below(square: Any, makers: Mapping[str, Any]) -> Iterator[str]:
    """Yield the mean that was subtracted before squaring."""
    difference = makers.get(square.input[0])
    if difference is not None and difference.op_type == "Sub":
        mean = makers.get(difference.input[1])
        if mean is not None and mean.op_type in _SUMS:
            yield mean.output[0]


def _is_made_of(node: Any, found: set[str], makers: Mapping[str, Any]) -> bool:
    """Whether a node takes one of the values, and besides it only constants."""
    others = [name for name in node.input if name and name not in found]
    constant = all(name not in makers or makers[name].op_type == "Constant" for name in others)
    return constant and any(name in found for name in node.input)
