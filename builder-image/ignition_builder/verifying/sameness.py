"""
Would a CPU compute the same numbers twice? Then there is nothing to compare, and an accuracy check that
passes says nothing. Pure: two skeletons are looked at, and nothing is run.
"""

from collections.abc import Iterator
from typing import Any

from ignition_builder.checking.weights import is_external
from ignition_builder.verifying.emulation import Arithmetic
from ignition_builder.verifying.kinds import has_any


def computes_the_same(original: Any, built: Any, arithmetic: Arithmetic) -> bool:
    """
    Tell whether ``built``, in this arithmetic, is the ``original`` again, wherever the weights lie.

    A type that the arithmetic takes away, or rounds to, makes a difference that can be seen.
    """
    if has_any(original, arithmetic.widened):
        return False
    return list(_parts(original)) == list(_parts(built))


def _parts(model: Any) -> Iterator[Any]:
    """Yield what is computed of a model: not where its weights lie, nor the sizes it writes down."""
    graph = model.graph
    yield from (item.SerializeToString(deterministic=True) for item in model.opset_import)
    for value in (*graph.input, *graph.output):
        yield value.name, value.type.tensor_type.elem_type
    for items in (graph.node, model.functions, graph.sparse_initializer):
        yield [item.SerializeToString(deterministic=True) for item in items]
    for tensor in graph.initializer:
        data = None if is_external(tensor) else tensor.SerializeToString(deterministic=True)
        yield tensor.name, tensor.data_type, list(tensor.dims), data
