"""
Find the means of squares in a model: the squares of a normalization leave fp16 from 256 on.

Before opset 17 exporters spell a layer normalization as its arithmetic, some as the mean of the squares
without the square of the mean. TensorRT warns of its overflow in
fp16 and advises to force these nodes to fp32; strongly typed, nobody but the model can.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ignition_builder.checking.inspection import graphs_of

_SUMS = frozenset({"ReduceMean", "ReduceSum"})
_SCALES = frozenset({"Mul", "Div"})
"""What makes a mean of a sum."""
_MOVES = frozenset({"Reshape", "Expand", "Squeeze", "Unsqueeze"})
_GOES_ON = frozenset({"Add", "Sqrt", "Reciprocal", "Max", "Clip"})
"""What becomes of the sum until something is divided by it."""
_ROOTS = frozenset({"Sqrt", "Reciprocal"})


def square_values(model: Any) -> set[str]:
    """Return the names of squares that are summed up, of sums and their roots, and of means before that."""
    found: set[str] = set()
    for graph in graphs_of(model.graph):
        makers = {name: node for node in graph.node for name in node.output}
        sums: set[str] = set()
        for node in graph.node:
            values = set(_of_squares(node, sums, makers))
            if values and node.op_type not in _ROOTS:
                sums.update(node.output)
            elif node.op_type in _GOES_ON and _is_made_of(node, found, makers):
                values.update(node.output)
            found |= values
    return found


def _of_squares(node: Any, sums: set[str], makers: Mapping[str, Any]) -> Iterator[str]:
    """Yield what must not be rounded when ``node`` makes, or goes on with, a sum of squares."""
    square = makers.get(node.input[0]) if node.input else None
    if node.op_type in _SUMS and _is_square(square):
        yield from (node.input[0], node.output[0])
        yield from _mean_below(square, makers)
    elif node.op_type in _MOVES and node.input[0] in sums:
        yield node.output[0]
    elif node.op_type in _GOES_ON | _SCALES and _is_made_of(node, sums, makers):
        yield from node.output
    elif node.op_type == "Sub" and node.input[0] in sums and _is_square(makers.get(node.input[1])):
        # The mean of the squares without the square of the mean: a small difference of large numbers.
        yield from (node.input[1], node.output[0])
        yield from _mean(makers[node.input[1]].input[0], makers)


def _mean(name: str, makers: Mapping[str, Any]) -> Iterator[str]:
    """Yield a mean, and the sum it is made of."""
    node = makers.get(name)
    if node is not None and node.op_type in _SUMS:
        yield name
    elif node is not None and node.op_type in _SCALES:
        yield name
        yield from _mean(node.input[0], makers)


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
