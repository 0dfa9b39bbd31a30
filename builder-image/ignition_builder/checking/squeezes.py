"""
Squeeze without axes, which takes away every dimension of size 1: write down which these are.

TensorRT must know the rank while it builds and refuses such a node where a dimension is free (“ISqueezeLayer
without an axes input requires dimension 0 to not be 1 at runtime”, run: RTX 1.7.1), in a profile too that
makes it always 1. The profiles tell which dimensions are 1.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.fresh import Fresh
from ignition_builder.checking.graphs import called, graphs_of
from ignition_builder.checking.inference import inferred
from ignition_builder.checking.inspection import opset_of
from ignition_builder.checking.shape_check import with_sizes
from ignition_builder.checking.signature import misfit
from ignition_hub.engine.identity import Profile

OPERATOR, AXES = "Squeeze", "axes"
AN_INPUT_SINCE = 13
"""The opset in which the axes became an input."""
REMEDY = (
    "write the axes of the node into the model, or give shapes with which each dimension is always 1 or never"
)

Sizes = Mapping[str, Sequence[int | None]]


def name_squeezed_axes(model: Any, profiles: Sequence[Profile]) -> bool:
    """
    Write the axes of each such node of ``model`` that reads a free dimension; tell whether there was any.

    ``profiles`` are resolved. Raises RequestError (InvalidProfile) where a dimension is 1 at one end of them
    and more at another. A node of which not all sizes are known is left to TensorRT.
    """
    found = [node for node in model.graph.node if _is_ours(node)]
    if not found:
        return False
    free, ends = sizes_in(model), list(sizes_at_ends(model, profiles))
    fresh, is_changed = Fresh(model), False
    for node in found:
        if None not in free.get(node.input[0], [None]):
            continue
        axes = _axes(node, [sizes.get(node.input[0]) for sizes in ends])
        if axes is not None:
            _write(model, node, axes, fresh)
            is_changed = True
    return is_changed


def _is_ours(node: Any) -> bool:
    is_squeeze = node.domain in ONNX_DOMAINS and node.op_type == OPERATOR
    return is_squeeze and len(node.input) == 1 and not any(item.name == AXES for item in node.attribute)


def sizes_at_ends(model: Any, profiles: Sequence[Profile]) -> Iterator[Sizes]:
    """Yield the sizes of all values at both ends of each profile."""
    for profile in profiles:
        for end in ("min", "max"):
            given = {name: getattr(wanted, end) for name, wanted in profile.shapes.items()}
            yield sizes_in(with_sizes(model, given), data_prop=True)


def sizes_in(model: Any, *, data_prop: bool = False) -> Sizes:
    """Return the sizes of all values that ONNX can tell, None for those that are free."""
    found: dict[str, Sequence[int | None]] = {}
    for graph in graphs_of(inferred(model, data_prop=data_prop).graph):
        found.update((tensor.name, list(tensor.dims)) for tensor in graph.initializer)
        values = (*graph.input, *graph.value_info, *graph.output)
        found.update((value.name, _known(value)) for value in values if _has_rank(value))
    return found


def _has_rank(value: Any) -> bool:
    return bool(value.type.tensor_type.HasField("shape"))


def _known(value: Any) -> list[int | None]:
    sizes = value.type.tensor_type.shape.dim
    return [size.dim_value if size.HasField("dim_value") else None for size in sizes]


def _axes(node: Any, ends: Sequence[Sequence[int | None] | None]) -> list[int] | None:
    """Return the axes of size 1, None where they are not known; ``ends`` has what the node reads at each."""
    known = [[size for size in sizes if size is not None] for sizes in ends if sizes and None not in sizes]
    if not known or len(known) < len(ends):
        return None
    for axis, here in enumerate(zip(*known, strict=True)):
        if len({size == 1 for size in here}) > 1:
            raise misfit(
                f"{called(node)} has no axes and takes away each dimension of size 1, and with the profiles "
                f"dimension {axis} is now {' and now '.join(map(str, sorted(set(here))))}",
                REMEDY,
            )
    return [axis for axis, size in enumerate(known[0]) if size == 1]


def _write(model: Any, node: Any, axes: Sequence[int], fresh: Fresh) -> None:
    if opset_of(model) < AN_INPUT_SINCE:
        node.attribute.append(helper.make_attribute(AXES, list(axes)))
        return
    name = fresh(f"{node.output[0]}_{AXES}")
    model.graph.initializer.append(numpy_helper.from_array(np.array(axes, dtype=np.int64), name))
    node.input.append(name)
