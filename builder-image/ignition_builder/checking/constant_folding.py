"""
Whole numbers and truths that are known before a model runs, and what a node makes of such.

Only small ones, and only by operators that compute nothing else: enough for what exporters compute of shapes.
Each operator is run by ONNX's own reference, one node at a time, so nothing can grow between two checks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.weights import is_external

MOST, MOST_RANK = 64, 2
"""Numbers in one value, and its dimensions: broadcast, two such stay small too."""
MOVES = frozenset(
    {"Cast", "Concat", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"}
)
"""Operators whose outputs are numbers of their first input, as they were; of ``Concat``, of all inputs."""
COMPUTES = frozenset(
    {
        "Abs", "Add", "And", "ConstantOfShape", "Div", "Equal", "Greater", "GreaterOrEqual", "Less",
        "LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "ReduceMax", "ReduceMin", "ReduceProd",
        "ReduceSum", "Sub", "Where", "Xor",
    }
)  # fmt: skip
_TYPES = frozenset({np.dtype("int32"), np.dtype("int64"), np.dtype("bool")})


@dataclass(frozen=True, slots=True)
class Numbers:
    """``values`` of which those are known where ``known``, an array of the same shape, is true."""

    values: Any
    known: Any

    @property
    def are_known(self) -> bool:
        """Whether all of them are."""
        return bool(self.known.all())


def known(values: Any) -> Numbers | None:
    """Return numbers that are all known; None when they are not of ours."""
    array = np.asarray(values)
    is_ours = array.dtype in _TYPES and array.size <= MOST and array.ndim <= MOST_RANK
    return Numbers(array, np.ones(array.shape, dtype=bool)) if is_ours else None


def numbers_in(tensor: Any) -> Numbers | None:
    """Return what a constant holds."""
    if is_external(tensor) or math.prod(tensor.dims) > MOST:
        return None
    try:
        return known(numpy_helper.to_array(tensor))
    except (TypeError, ValueError):
        # Fewer bytes than its shape asks for, or a type of which onnx makes no array.
        return None


def constant_in(node: Any) -> Numbers | None:
    """Return what a ``Constant`` node says."""
    for item in node.attribute:
        if item.name == "value":
            return numbers_in(item.t)
        if item.name == "value_int":
            return known(np.array(item.i, dtype=np.int64))
        if item.name == "value_ints":
            return known(np.array(item.ints, dtype=np.int64))
    return None


def shape_in(node: Any, sizes: Sequence[int | None] | None) -> Numbers | None:
    """Return what ``Shape`` or ``Size`` makes of a value of these sizes, None for those that are free."""
    if sizes is None or len(sizes) > MOST:
        return None
    if node.op_type == "Size":
        known_sizes = [size for size in sizes if size is not None]
        is_known = len(known_sizes) == len(sizes) and math.prod(known_sizes) < 2**63
        return known(np.array(math.prod(known_sizes), dtype=np.int64)) if is_known else None
    ends = {item.name: item.i for item in node.attribute}
    kept = sizes[ends.get("start", 0) : ends.get("end", len(sizes))]
    values = np.array([size or 0 for size in kept], dtype=np.int64)
    return Numbers(values, np.array([size is not None for size in kept], dtype=bool))


def made_by(node: Any, given: Sequence[Numbers | None], opset: int) -> Numbers | None:
    """
    Return what ``node`` makes of its inputs; None where that is not known, or not computed here.

    ``given`` has None for an input that is left out.
    """
    if node.domain not in ONNX_DOMAINS or node.op_type not in MOVES | COMPUTES or len(node.output) != 1:
        return None
    moved = [place for place in range(len(given)) if not place or node.op_type == "Concat"]
    asked = [item for place, item in enumerate(given) if node.op_type in COMPUTES or place not in moved]
    if not all(item.are_known for item in asked if item) or not _is_plain(node, given):
        return None
    values = _run(node, [item and item.values for item in given], opset)
    found = None if values is None else known(values)
    if found is None or all(item.are_known for item in given if item):
        return found
    # Where the numbers go, what is known of them goes too.
    marks = [
        item and (item.known.astype(item.values.dtype) if place in moved else item.values)
        for place, item in enumerate(given)
    ]
    where = _run(node, marks, opset)
    return None if where is None else Numbers(found.values, where.astype(bool))


def _is_plain(node: Any, given: Sequence[Numbers | None]) -> bool:
    """Whether everybody computes the same: a quotient of negative numbers is rounded up here, down there."""
    if node.op_type in ("Div", "Mod"):
        left, right = (item.values if item else np.array(-1) for item in given)
        return bool((left >= 0).all() and (right > 0).all())
    if node.op_type == "ConstantOfShape":
        sizes = given[0].values.tolist() if given[0] else [MOST + 1]
        return min(sizes, default=0) >= 0 and math.prod(sizes) <= MOST
    return True


def _run(node: Any, arrays: Sequence[Any], opset: int) -> Any:
    # Loaded where it is needed: few models have branches.
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

    one, feeds = onnx.NodeProto(), {}
    one.CopyFrom(node)
    del one.input[:]
    for place, array in enumerate(arrays):
        one.input.append("" if array is None else f"i{place}")
        if array is not None:
            feeds[f"i{place}"] = array
    try:
        (made,) = ReferenceEvaluator(_model(one, feeds, opset)).run(None, feeds)
    except Exception:  # noqa: BLE001  (a node that cannot be computed has no known numbers; others say why)
        return None
    return np.asarray(made)


def _model(node: Any, feeds: Mapping[str, Any], opset: int) -> Any:
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feeds.items()
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
    graph = helper.make_graph([node], "one", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
