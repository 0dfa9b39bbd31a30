"""
What NVIDIA's parser does not read of a node, said in a way that it does.

It takes ``upper`` for 0 where a Trilu leaves it out, which ONNX takes for 1, and keeps the other triangle. Of
LSTM, GRU and RNN it reads no ``layout``, and takes the batch for the sequence. Both pass without a word (run:
RTX 1.7.1; source: the parser of TensorRT 10.1). onnxruntime has no ``layout`` either, and says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from onnx import helper

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.fresh import Fresh
from ignition_builder.checking.graphs import every_graph

TRIANGLE, UPPER = "Trilu", "upper"
RECURRENT, LAYOUT = frozenset({"LSTM", "GRU", "RNN"}), "layout"
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
    if not any(map(_has_batch_first, ours)):
        return bool(triangles)
    nodes = [each for node in graph.node for each in _with_sequence_first(node, fresh)]
    del graph.node[:]
    graph.node.extend(nodes)
    return True


def _has(node: Any, name: str) -> bool:
    return any(item.name == name for item in node.attribute)


def _has_batch_first(node: Any) -> bool:
    is_recurrent = node.op_type in RECURRENT and node.domain in ONNX_DOMAINS
    return is_recurrent and any(item.name == LAYOUT and item.i == 1 for item in node.attribute)


def _with_sequence_first(node: Any, fresh: Fresh) -> list[Any]:
    """Return what computes the same without a layout; the node itself, changed, is among it."""
    if not _has_batch_first(node):
        return [node]
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
