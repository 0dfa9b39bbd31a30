"""
GroupNormalization of opset 18 to 20, in operators that every release has.

It has one scale and one bias for each group; opset 21 made that one for each channel and ONNX calls the older
one deprecated, so its checker refuses what onnxruntime and TensorRT-RTX run (run: onnx 1.23.2, onnxruntime
1.31.1, RTX 1.7.1). With the channels of a group in one row it is InstanceNormalization, to the letter.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.fresh import Fresh
from ignition_builder.checking.graphs import called, graphs_of
from ignition_hub.engine.errors import Reason, RequestError

OPERATOR = "GroupNormalization"
SINCE, UNTIL = 18, 21
"""The first opset with a scale for each group, and the first with one for each channel."""


def spell_out_group_normalizations(model: Any) -> bool:
    """
    Replace each such node of ``model``; tell whether there was any.

    Raises RequestError (UnsupportedOperator) for scales that are not one for each group.
    """
    fresh = Fresh(model)
    graphs = [graph for body in (model, *model.functions) if _is_old(body) for graph in _graphs(body)]
    # Innermost first: a node beside one that is replaced becomes a copy, its inner graphs with it.
    found = [_spell_out(graph, model, fresh) for graph in reversed(graphs)]
    return any(found)


def _graphs(body: Any) -> Iterator[Any]:
    return graphs_of(getattr(body, "graph", body))


def _is_old(body: Any) -> bool:
    version = max((item.version for item in body.opset_import if item.domain in ONNX_DOMAINS), default=0)
    return SINCE <= version < UNTIL


def _spell_out(graph: Any, model: Any, fresh: Fresh) -> bool:
    if not any(_is_ours(node) for node in graph.node):
        return False
    lengths = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    nodes = []
    for node in graph.node:
        nodes += _instead_of(node, lengths, fresh) if _is_ours(node) else [node]
    del graph.node[:]
    graph.node.extend(nodes)
    return True


def _is_ours(node: Any) -> bool:
    known = node.domain in ONNX_DOMAINS and node.op_type == OPERATOR
    # What lacks something is left to the checker.
    return known and len(node.input) == 3 and "num_groups" in _attributes(node)


def _instead_of(node: Any, lengths: dict[str, list[int]], fresh: Fresh) -> list[Any]:
    given = _attributes(node)
    groups = int(given["num_groups"])
    _check_scales(node, groups, lengths)
    x, scale, bias = node.input
    [y] = node.output
    shape, rows, grouped, normal = (fresh(f"{y}_{what}") for what in _PARTS)
    as_rows = numpy_helper.from_array(np.array([0, groups, -1], dtype=np.int64))
    epsilon = float(given.get("epsilon", 1e-5))
    return [
        helper.make_node("Shape", [x], [shape]),
        helper.make_node("Constant", [], [rows], value=as_rows),
        helper.make_node("Reshape", [x, rows], [grouped]),
        helper.make_node(
            "InstanceNormalization", [grouped, scale, bias], [normal], name=node.name, epsilon=epsilon
        ),
        helper.make_node("Reshape", [normal, shape], [y]),
    ]


_PARTS = ("shape", "rows", "grouped", "normal")


def _check_scales(node: Any, groups: int, lengths: dict[str, list[int]]) -> None:
    for name in node.input[1:]:
        if lengths.get(name, [groups]) != [groups]:
            raise RequestError(
                Reason.UnsupportedOperator,
                f"{called(node)}: {name} has the shape {lengths[name]}, and opset {SINCE} to {UNTIL - 1} "
                f"require one number for each of its {groups} groups",
                f"export the model with opset {UNTIL}, which has one number for each channel",
            )


def _attributes(node: Any) -> dict[str, Any]:
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}
