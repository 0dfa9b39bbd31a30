"""
Where the numbers of a model come from: constants, integers, inputs, or data.

Rounding does to data what it does to weights: a little. It does more to numbers that say where or how many:
fp16 has no odd numbers beyond 2048, bf16 none beyond 256, and whoever subtracts two positions, or takes the
cosine of one, makes the error as large as the result. ``positions`` decides what follows from it.
"""

from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from itertools import chain
from typing import Any

import numpy as np
import onnx

from ignition_builder.checking.skeleton import LARGE
from ignition_builder.checking.weights import is_external
from ignition_builder.precision.floats import WIDE
from ignition_builder.precision.flow import Flow, Operation, ValueKey

Proto = onnx.TensorProto


class Origin(IntEnum):
    """What a value is made of; of two, the larger wins where they meet."""

    UNKNOWN = 0
    """Nothing was seen of it yet."""
    FIXED = 1
    """Constants alone, each less than 16 KiB and finite; larger ones are weights, and data."""
    WHOLE = 2
    """Integers, and constants."""
    GIVEN = 3
    """Inputs of the model, by arithmetic with integers and constants."""
    DATA = 4
    """Anything else: what a network computes."""


ALL = slice(None)
FIRST = slice(1)
MOVING: dict[str, slice] = {
    **dict.fromkeys(
        (
            "Abs", "Cast", "CastLike", "Clip", "Compress", "DepthToSpace", "Dropout", "Expand", "Flatten",
            "Gather", "GatherElements", "GatherND", "Identity", "Neg", "ReduceMax", "ReduceMin", "Relu",
            "Reshape", "ReverseSequence", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "TopK",
            "Transpose", "Trilu", "Unsqueeze",
        ),
        FIRST,
    ),
    **dict.fromkeys(("Concat", "Max", "Min"), ALL),
    "OneHot": slice(2, 3),
    "Pad": slice(0, None, 2),
    "Scatter": slice(0, None, 2),
    "ScatterElements": slice(0, None, 2),
    "ScatterND": slice(0, None, 2),
    "Where": slice(1, None),
}  # fmt: skip
"""
Operators that move numbers or choose among them, and the inputs they take them from. Rounding may come before
or after.
"""

COUNTING = frozenset({"CumSum", "Range"})
"""What they make are positions and sums, whatever they are made of."""
PRODUCTS = frozenset({"MatMul", "Gemm", "Einsum"})
STEPPING = frozenset({"Floor", "Ceil", "Round", "Mod"})
"""Operators that make a small error one of a whole step."""
ARITHMETIC = frozenset(
    {
        "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Reciprocal", "Exp", "Log", "Sign", "Sum", "Mean",
        "ReduceSum", "ReduceMean", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum",
        "ReduceLogSumExp",
        *PRODUCTS, *STEPPING, *COUNTING,
    }
)  # fmt: skip
"""Operators that compute new numbers, and whose result is still a position if they were given some."""

_GATHERING = frozenset({"Gather", "GatherElements", "GatherND"})
_CHOOSING = frozenset({"Where", "OneHot"})
_SUMMED = frozenset({"ReduceSum", "ReduceMean", "ReduceL1", "ReduceL2", "ReduceSumSquare"})
_SMALL = frozenset({Proto.BOOL, Proto.INT8, Proto.UINT8, Proto.INT4, Proto.UINT4})
"""Types of integers that weights are kept in: a constant of theirs is no position."""
_FLOATS = frozenset({*WIDE, Proto.FLOAT16, Proto.BFLOAT16})


def contents_of(operation: Operation) -> tuple[ValueKey, ...]:
    """Return the inputs whose numbers go into those of the outputs: no shapes, indices or conditions."""
    places = MOVING.get(operation.operator, FIRST if operation.operator in _SUMMED | {"CumSum"} else ALL)
    return tuple(key for key in operation.inputs[places] if key is not None)


class Origins:
    """The origin of every value of a flow."""

    def __init__(self, flow: Flow) -> None:
        self._flow, self._makers = flow, flow.makers()
        self._found: dict[ValueKey, Origin] = {}
        self._begin()
        self._spread()

    def __getitem__(self, key: ValueKey) -> Origin:
        return self._found.get(key, Origin.UNKNOWN)

    def is_float(self, key: ValueKey) -> bool:
        """Whether a value is of a floating-point type, or of a type nobody knows."""
        return self._flow.kinds.get(key, Proto.FLOAT) in _FLOATS

    def of(self, keys: Sequence[ValueKey]) -> Origin:
        """Return the origin of what is made of all ``keys``; unknown as long as one of theirs is."""
        found = [self[key] for key in keys]
        return Origin.UNKNOWN if Origin.UNKNOWN in found else max(found, default=Origin.FIXED)

    def _begin(self) -> None:
        for key, tensor in self._flow.constants.items():
            self._found[key] = _of_tensor(tensor)
        for key in self._flow.given:
            self._found[key] = Origin.GIVEN if self.is_float(key) else Origin.WHOLE
        for key in self._flow.taken - set(self._flow.meetings):
            self._found[key] = Origin.DATA if self.is_float(key) else Origin.WHOLE

    def _spread(self) -> None:
        """Find what everything is made of; an origin only ever rises, so this comes to an end."""
        readers = self._flow.readers()
        waiting = deque(chain(self._makers, self._flow.meetings))
        while waiting:
            key = waiting.popleft()
            origin = self._met(key) if key in self._flow.meetings else self._made(self._makers[key], key)
            if origin > self[key]:
                self._found[key] = origin
                waiting.extend(readers.get(key, ()))

    def _met(self, key: ValueKey) -> Origin:
        # What a loop carries begins with one of them, before the others are known.
        found = max(self[source] for source in self._flow.meetings[key])
        # What is one constant in one round and another in the next counts something.
        return max(found, Origin.WHOLE) if found else found

    def _made(self, operation: Operation, key: ValueKey) -> Origin:
        if not operation.inputs or operation.operator == "ConstantOfShape":
            return _of_constant(operation)
        if not self.is_float(key):
            return min(self.of([item for item in operation.inputs if item]), Origin.WHOLE)
        if operation.operator in COUNTING:
            return Origin.WHOLE
        if operation.operator not in MOVING and operation.operator not in ARITHMETIC:
            read = self.of([item for item in operation.inputs if item])
            # Whatever is computed of constants alone is one.
            return read if read <= Origin.FIXED else Origin.DATA
        return self._float(operation, self.of(contents_of(operation)))

    def _float(self, operation: Operation, origin: Origin) -> Origin:
        if origin == Origin.FIXED and operation.operator in _GATHERING:
            # A table of constants read by integers is an embedding.
            return Origin.FIXED if self._is_constant(operation.inputs[1]) else Origin.DATA
        if origin == Origin.FIXED and operation.operator in _CHOOSING:
            return Origin.WHOLE
        if origin == Origin.WHOLE and operation.operator in PRODUCTS and _sums_up(operation, self._flow):
            # Integers times a matrix are a layer, or the angles of a grid: only what reads them can tell.
            return Origin.GIVEN
        return origin

    def _is_constant(self, key: ValueKey | None) -> bool:
        operation = self._makers.get(key) if key else None
        return key in self._flow.constants or (operation is not None and operation.operator == "Constant")


def _of_tensor(tensor: Any) -> Origin:
    if tensor.data_type not in _FLOATS:
        return Origin.FIXED if tensor.data_type in _SMALL else Origin.WHOLE
    if np.prod(tensor.dims, dtype=object) * 4 >= LARGE:
        return Origin.DATA
    # Infinity is a mask's: a position that met it would have to be kept from becoming finite.
    finite = is_external(tensor) or bool(np.isfinite(onnx.numpy_helper.to_array(tensor)).all())
    return Origin.FIXED if finite else Origin.DATA


def _of_constant(operation: Operation) -> Origin:
    if operation.operator not in ("Constant", "ConstantOfShape"):
        return Origin.DATA
    for attribute in operation.node.attribute:
        if attribute.HasField("t"):
            return _of_tensor(attribute.t)
        if attribute.name in ("value_int", "value_ints"):
            return Origin.WHOLE
        if not np.isfinite([attribute.f, *attribute.floats]).all():
            return Origin.DATA
    return Origin.FIXED


def _sums_up(operation: Operation, flow: Flow) -> bool:
    """Whether a product adds anything up; where shapes are unknown it does."""
    if operation.operator == "Einsum":
        return _einsum_sums_up(operation)
    flags = {item.name: item.i for item in operation.node.attribute}
    left, right = (flow.shapes.get(key) or (None,) if key else (None,) for key in operation.inputs[:2])
    if len(left) > 1 and flags.get("transA"):
        left = left[::-1]
    if flags.get("transB"):
        right = right[::-1]
    return 1 not in (left[-1], right[-2] if len(right) > 1 else right[-1])


def _einsum_sums_up(operation: Operation) -> bool:
    equation = next((item.s.decode() for item in operation.node.attribute if item.name == "equation"), "")
    terms, arrow, result = equation.partition("->")
    return not arrow or any(letter.isalpha() and letter not in result for letter in terms)
