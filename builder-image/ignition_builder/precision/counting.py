"""
Find the arithmetic on shapes in a model: it is done on whole numbers, and must not be rounded.

Exporters compute the size of a reshape or a resize in floating point. A dimension beyond 2048 does not
survive fp16, so what comes from shapes and constants alone keeps its type.
"""

from typing import Any

from ignition_builder.checking.inspection import graphs_of

_BEGINS = frozenset({"Shape", "Size"})
_ENDS = frozenset({"ConstantOfShape", "Expand", "Tile"})
"""What they give has the counted shape, and is no count itself."""


def counted_values(model: Any) -> set[str]:
    """Return the names of values that are computed from shapes and constants, and from nothing else."""
    counted: set[str] = set()
    fixed = {tensor.name for graph in graphs_of(model.graph) for tensor in graph.initializer}
    for graph in graphs_of(model.graph):
        for node in graph.node:
            if node.op_type == "Constant":
                fixed.update(node.output)
            elif node.op_type in _BEGINS or _only_counts(node, counted, fixed):
                counted.update(node.output)
    return counted


def _only_counts(node: Any, counted: set[str], fixed: set[str]) -> bool:
    names = [name for name in node.input if name]
    return (
        node.op_type not in _ENDS
        and any(name in counted for name in names)
        and all(name in counted or name in fixed for name in names)
    )
