"""
Take the rounding out of a conversion, or put as much of it into the model as it came. Pure.

A conversion that is far from its model is a wrong one, or the model answers the smallest changes in its own
way, as a detector does on noise. Both are told apart by two more models: the converted one without what its
precision rounds away, and the model as it came with weights of that precision.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx

from ignition_builder.checking.fresh import Fresh
from ignition_builder.checking.weights import is_external

WEIGHTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("Conv", "ConvTranspose"), (1,)),
    **dict.fromkeys(("Gemm", "MatMul"), (0, 1)),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (1, 2)),
}
"""Operators with weights, and at which inputs these are."""
SHIFT = 20
"""Powers of two that a number is made smaller by while bits are cut off."""
LEVELS = 127
"""The largest level of int8."""
BITS: Mapping[str, int] = {"fp16": 13, "bf16": 16}
"""How many of the 24 bits that a number of fp32 counts with are left out."""

ModelChange = Callable[[Any], Any]
"""Rewrites a model for a run; it may use the model up."""
IsRounded = Callable[[Any, int], bool]


def without_levels(model: Any) -> Any:
    """Return ``model``, which is used up, with levels for weights and none for activations."""
    made = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        before = made.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if before is not None and before.op_type == "QuantizeLinear":
            passed = onnx.helper.make_node("Identity", [before.input[0]], list(node.output), name=node.name)
            node.CopyFrom(passed)
    return model


def with_rounded_weights(precision: str) -> ModelChange:
    """Return what gives a model weights about as ``precision`` has them, to compute with in fp32."""
    return lambda model: _with_rounded_weights(model, precision)


def _with_rounded_weights(model: Any, precision: str) -> Any:
    fresh, rounded = Fresh(model), dict[str, str]()
    is_rounded = _is_a_constant(model.graph) if precision in BITS else _is_a_weight(model.graph)
    made: list[Any] = []
    for node in model.graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for index, name in enumerate(node.input):
            if is_rounded(node, index):
                if name not in rounded:
                    rounded[name] = fresh(f"{name}__rounded")
                    made.extend(_rounding(name, rounded[name], precision, fresh))
                copy.input[index] = rounded[name]
        made.append(copy)
    del model.graph.node[:]
    model.graph.node.extend(made)
    return model


def _is_a_constant(graph: Any) -> IsRounded:
    """Return what tells whether an input of a node is a constant of fp32: all of these are narrowed."""
    floats = {tensor.name for tensor in graph.initializer if _is_narrowed(tensor)}
    fixed = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        # A weight of a type that was taken away is one behind a Cast.
        is_read = node.op_type == "Cast" and node.input[0] in fixed
        if any(
            _is_narrowed(item.t)
            or item.name in ("value_float", "value_floats")
            or (is_read and item.name == "to" and item.i == onnx.TensorProto.FLOAT)
            for item in node.attribute
            if is_read or node.op_type == "Constant"
        ):
            floats.update(node.output)
    return lambda node, index: node.input[index] in floats


def _is_narrowed(tensor: Any) -> bool:
    """Tell whether a tensor is of fp32, and no mask of minus infinity, of which nothing could be cut."""
    if tensor.data_type != onnx.TensorProto.FLOAT:
        return False
    return is_external(tensor) or bool(np.isfinite(onnx.numpy_helper.to_array(tensor)).all())


def _is_a_weight(graph: Any) -> IsRounded:
    """Return what tells whether an input of a node is a weight of a product: these have levels."""
    fixed = _fixed(graph)
    return lambda node, index: index in WEIGHTS.get(node.op_type, ()) and node.input[index] in fixed


def _fixed(graph: Any) -> set[str]:
    """Return the values that are the same for every input."""
    found = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if not any(item.HasField("g") for item in node.attribute) and all(
            not name or name in found for name in node.input
        ):
            found.update(node.output)
    return found


def _rounding(name: str, rounded: str, precision: str, fresh: Fresh) -> Iterator[Any]:
    """Yield what makes ``rounded`` of the weight ``name``."""
    if precision in BITS:
        yield from _cut(name, rounded, float(2 ** BITS[precision] + 1), fresh)
    else:
        yield from _levelled(name, rounded, fresh)


def _cut(name: str, rounded: str, factor: float, fresh: Fresh) -> Iterator[Any]:
    """Yield Veltkamp's way to leave bits out, for a Cast to bf16 begins with opset 13."""
    words = ("down", "up", "factor", "small", "wide", "rest", "cut")
    down, up, by, small, wide, rest, cut = (fresh(f"{name}__{word}") for word in words)
    # Made smaller meanwhile, for a mask of -3.4e38 has no product with the factor.
    for number, value in ((down, 2.0**-SHIFT), (up, 2.0**SHIFT), (by, factor)):
        yield onnx.helper.make_node("Constant", [], [number], value=_number(value))
    yield onnx.helper.make_node("Mul", [name, down], [small])
    yield onnx.helper.make_node("Mul", [small, by], [wide])
    yield onnx.helper.make_node("Sub", [wide, small], [rest])
    yield onnx.helper.make_node("Sub", [wide, rest], [cut])
    yield onnx.helper.make_node("Mul", [cut, up], [rounded])


def _levelled(name: str, rounded: str, fresh: Fresh) -> Iterator[Any]:
    """Yield what rounds to the levels of int8, with one scale for all of the weight."""
    words = ("size", "largest", "levels", "scale", "places", "half", "moved", "level")
    size, largest, levels, scale, places, half, moved, level = (fresh(f"{name}__{word}") for word in words)
    yield onnx.helper.make_node("Constant", [], [levels], value=_number(LEVELS))
    yield onnx.helper.make_node("Constant", [], [half], value=_number(0.5))
    yield onnx.helper.make_node("Abs", [name], [size])
    yield onnx.helper.make_node("ReduceMax", [size], [largest], keepdims=0)
    yield onnx.helper.make_node("Div", [largest, levels], [scale])
    yield onnx.helper.make_node("Div", [name, scale], [places])
    # Not Round, which begins with opset 11.
    yield onnx.helper.make_node("Add", [places, half], [moved])
    yield onnx.helper.make_node("Floor", [moved], [level])
    yield onnx.helper.make_node("Mul", [level, scale], [rounded])


def _number(value: float) -> Any:
    return onnx.helper.make_tensor("number", onnx.TensorProto.FLOAT, [], [value])
