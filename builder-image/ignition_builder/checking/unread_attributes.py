"""
What NVIDIA's parser does not read of a node, said in a way that it does.

It takes ``upper`` for 0 where a Trilu leaves it out, which ONNX takes for 1, and keeps the other triangle. Of
LSTM, GRU and RNN it reads no ``layout``, and takes the batch for the sequence (source too: the parser of
TensorRT 10.1). It lets a reduction over no axes give what came, where ONNX still takes squares, logarithms or
absolute values, and sums a GlobalLpPool of an odd ``p`` without them. All of it passes without a word
(run: RTX 1.7.1, beside onnxruntime 1.31.1, which has no ``layout`` and says so).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from onnx import helper

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.fresh import Fresh
from ignition_builder.checking.graphs import every_graph

TRIANGLE, UPPER = "Trilu", "upper"
RECURRENT, LAYOUT = frozenset({"LSTM", "GRU", "RNN"}), "layout"
POOL = "GlobalLpPool"
OVER_NOTHING = {
    "ReduceL1": ("Abs", 1),
    "ReduceL2": ("Abs", 1),
    "ReduceSumSquare": ("Mul", 2),
    "ReduceLogSum": ("Log", 1),
}
"""What a reduction is that reduces no dimension: an operator, and how often it reads the input."""
_SWAPPED = (1, 0, 2)
_GIVEN: Mapping[int, Sequence[int]] = {0: _SWAPPED, 5: _SWAPPED, 6: _SWAPPED}
"""The inputs that a layout is about: the sequences, and the states they begin with."""
_MADE: Sequence[Sequence[int]] = ((2, 0, 1, 3), _SWAPPED, _SWAPPED)
"""Every output: all states, and the last ones."""


def spell_out_unread_attributes(model: Any) -> bool:
    """Write down what such nodes of ``model`` mean; tell whether there was any."""
    fresh = Fresh(model)
    # Innermost first: a node beside one that is replaced becomes a copy, its inner graphs with it.
    found = [_spell_out(graph, fresh) for graph in reversed(list(every_graph(model)))]
    return any(found)


def _spell_out(graph: Any, fresh: Fresh) -> bool:
    ours = [node for node in graph.node if node.domain in ONNX_DOMAINS]
    triangles = [node for node in ours if node.op_type == TRIANGLE and not _has(node, UPPER)]
    for node in triangles:
        node.attribute.append(helper.make_attribute(UPPER, 1))
    if not any(map(_instead_of, ours)):
        return bool(triangles)
    nodes = [each for node in graph.node for each in _spelled_out(node, fresh)]
    del graph.node[:]
    graph.node.extend(nodes)
    return True


def _spelled_out(node: Any, fresh: Fresh) -> list[Any]:
    instead = _instead_of(node) if node.domain in ONNX_DOMAINS else None
    return instead(node, fresh) if instead else [node]


def _instead_of(node: Any) -> Callable[[Any, Fresh], list[Any]] | None:
    """Return what makes others of a node that is misread; what lacks an input is left to the checker."""
    if not node.input:
        return None
    if node.op_type in RECURRENT and _number(node, LAYOUT) == 1:
        return _with_sequence_first
    if node.op_type in OVER_NOTHING and _number(node, "noop_with_empty_axes") and not any(node.input[1:]):
        return _without_reduction
    return _of_absolute_values if node.op_type == POOL and _number(node, "p") % 2 else None


def _has(node: Any, name: str) -> bool:
    return any(item.name == name for item in node.attribute)


def _number(node: Any, name: str) -> int:
    return next((int(item.i) for item in node.attribute if item.name == name), 0)


def _without_reduction(node: Any, _: Fresh) -> list[Any]:
    operator, operands = OVER_NOTHING[node.op_type]
    return [helper.make_node(operator, [node.input[0]] * operands, node.output, name=node.name)]


def _of_absolute_values(node: Any, fresh: Fresh) -> list[Any]:
    came, node.input[0] = node.input[0], fresh(f"{node.input[0]}_absolute")
    return [helper.make_node("Abs", [came], [node.input[0]]), node]


def _with_sequence_first(node: Any, fresh: Fresh) -> list[Any]:
    """Return what computes the same without a layout; the node itself, changed, is among it."""
    before, after = [], []
    for place, order in _GIVEN.items():
        if place < len(node.input) and node.input[place]:
            came, node.input[place] = node.input[place], fresh(f"{node.input[place]}_sequence_first")
            before.append(_transposed(came, node.input[place], order))
    for place, order in enumerate(_MADE[: len(node.output)]):
        if node.output[place]:
            made, node.output[place] = node.output[place], fresh(f"{node.output[place]}_sequence_first")
            after.append(_transposed(node.output[place], made, order))
    kept = [item for item in node.attribute if item.name != LAYOUT]
    del node.attribute[:]
    node.attribute.extend(kept)
    return [*before, node, *after]


def _transposed(came: str, made: str, order: Sequence[int]) -> Any:
    return helper.make_node("Transpose", [came], [made], perm=order)
