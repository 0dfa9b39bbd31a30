"""
An ``If`` that shapes decide, the same in every profile: put the branch it takes in its place.

Exporters write what a program asked of its shapes, as PyTorch's scripting does: “is there one sequence or a
batch?”. Once the shapes are fixed there is one answer, and TensorRT fails over some such branches (run: RTX
1.7.1, “tScope.getType() != ScopeType::kUNDEFINED”); nothing in them is quantized either.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from onnx import helper

from ignition_builder.checking.graphs import called
from ignition_builder.checking.inspection import opset_of
from ignition_builder.checking.naming import Names
from ignition_builder.checking.static_branches import ELSE, THEN, branches_of, ways_of
from ignition_builder.journal import Journal
from ignition_hub.engine.identity import Profile

OLDEST_OPSET, OLDEST_IR = 9, 4
"""Operators broadcast as they do now, and weights need not be listed as inputs."""
MOST_ROUNDS = 16
"""Branches in branches, and those that others decide, are foreseen one after the other."""


def take_foreseen_branches(model: Any, profiles: Sequence[Profile], journal: Journal) -> bool:
    """
    Write the branch that is taken in the place of each ``If`` that is foreseen; tell whether there was any.

    ``profiles`` are resolved. Those inside loops and functions stay, as does what a run may decide, with all
    that its branches hold.
    """
    if opset_of(model) < OLDEST_OPSET or model.ir_version < OLDEST_IR or not _has_branches(model):
        return False
    taken: list[str] = []
    for _ in range(MOST_ROUNDS):
        ways = ways_of(model, profiles)
        if not ways:
            break
        taken += _take(model, ways)
    if taken:
        journal.note(
            f"{len(taken)} If go the same way with all shapes of the profiles, and only the branch they take "
            f"is compiled: {', '.join(taken[:9])}{' and others' if len(taken) > 9 else ''}"
        )
    return bool(taken)


def _has_branches(model: Any) -> bool:
    return any(branches_of(node) for node in model.graph.node)


def _take(model: Any, ways: Mapping[int, bool]) -> list[str]:
    """Write the branches that are taken into the graph; return which these were, in words."""
    names, nodes, taken = Names.of(model), [], []
    for index, node in enumerate(model.graph.node):
        if index not in ways:
            nodes.append(node)
            continue
        way = THEN if ways[index] else ELSE
        branch = names.renamed(branches_of(node)[way], node)
        nodes += [*branch.node, *_passed(branch, node)]
        model.graph.initializer.extend(branch.initializer)
        taken.append(f"{called(node)} its {way.removesuffix('_branch')} branch")
    _forget_sizes(model.graph, {name for index in ways for name in model.graph.node[index].output})
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return taken


def _forget_sizes(graph: Any, names: set[str]) -> None:
    """Let those that are written down of these values go: they are of either branch."""
    for value in graph.value_info:
        if value.name in names and value.type.WhichOneof("value") == "tensor_type":
            value.type.tensor_type.ClearField("shape")


def _passed(branch: Any, node: Any) -> Iterator[Any]:
    """Yield what gives the other outputs out: those from outside, weights, and a value given out twice."""
    for value, outer in zip(branch.output, node.output, strict=False):
        if outer and value.name != outer:
            yield helper.make_node("Identity", [value.name], [outer], name=outer)
