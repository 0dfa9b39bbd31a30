"""
What an integer input of a model means, read from what the model does with it. Pure.

Integers are rows of a table, masks, lengths, or positions and time steps, and numbers that say nothing about
these test nothing: at 0 and 1 every position is exact. Each input is followed from node to node, into the
bodies of nodes too, until something is done with it that tells. What tells nothing stays 0 and 1, which are
valid for nearly everything.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import onnx

from ignition_builder.verifying.value_index import Shapes, ValueIndex, attribute_of, with_shapes

_Proto = onnx.TensorProto
BOOL = int(_Proto.BOOL)
SMALL = frozenset({_Proto.INT8, _Proto.UINT8})
INTEGERS = SMALL | {
    *(_Proto.INT16, _Proto.INT32, _Proto.INT64),
    *(_Proto.UINT16, _Proto.UINT32, _Proto.UINT64),
}
FLOATS = frozenset({_Proto.FLOAT, _Proto.FLOAT16, _Proto.BFLOAT16, _Proto.DOUBLE})

SAME = {
    **dict.fromkeys(("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand"), (0,)),
    **dict.fromkeys(("Tile", "Slice", "Split", "Gather", "GatherElements", "GatherND", "Pad"), (0,)),
    **dict.fromkeys(("Clip", "ReduceMax", "ReduceMin", "Compress", "ReverseSequence", "If"), (0,)),
    **dict.fromkeys(("Concat", "Max", "Min"), tuple(range(64))),
    "Where": (1, 2),
    "ScatterND": (0, 2),
    "ScatterElements": (0, 2),
}
"""Operators, and at which of their inputs a value passes through them unchanged."""
ARITHMETIC = frozenset(
    {
        *("Add", "Sub", "Mul", "Div", "Mod", "Neg", "Abs", "Pow", "Sqrt", "Log", "Exp", "Floor", "Ceil"),
        *("Round", "CumSum", "ReduceSum", "Sum", "Cast", "Relu", "Sign", "BitShift"),
    }
)
"""Operators whose result may be an index again, of which nothing is known."""
INDICES = {"Gather": 1, "GatherElements": 1, "ScatterElements": 1, "GatherND": 1, "ScatterND": 1, "OneHot": 0}
LENGTHS = {"LSTM": 4, "GRU": 4, "RNN": 4, "ReverseSequence": 1}
SIZES = {
    **dict.fromkeys(("Reshape", "Expand", "Tile", "TopK", "OneHot", "Pad", "Trilu", "CumSum"), (1,)),
    "Range": (0, 1, 2),
    "Slice": (1, 2, 3, 4),
    "ConstantOfShape": (0,),
    "Loop": (0,),
    "Resize": (3,),
    "Split": (1,),
    "Squeeze": (1,),
    "Unsqueeze": (1,),
}
"""Operators that take a size, an axis or a place there: 0 and 1 are the only values that are ever safe."""
LOGIC = frozenset({"Not", "And", "Or", "Xor"})
COMPARING = frozenset({"Less", "Greater", "LessOrEqual", "GreaterOrEqual"})
WAVES = frozenset({"Sin", "Cos"})


class IntegerKind(Enum):
    """What an integer is."""

    UNKNOWN = "unknown"
    INDEX = "index"
    MASK = "mask"
    LENGTH = "length"
    POSITION = "position"
    DATA = "data"
    """A measurement of few bits, as a pixel."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an input is, and the largest value that the model allows; None when it allows every one."""

    kind: IntegerKind
    largest: int | None = None


def meanings_of(model: Any, shapes: Shapes) -> dict[str, Meaning]:
    """
    Return the meaning of each integer input of ``model``, whose inputs have these ``shapes``.

    Weights may lie elsewhere; ``model`` is changed.
    """
    looking = _Looking(with_shapes(model, shapes))
    return {
        value.name: looking.meaning(value.name, value.type.tensor_type.elem_type)
        for value in model.graph.input
        if value.type.tensor_type.elem_type in INTEGERS
    }


@dataclass(slots=True)
class _Found:
    """What was seen of one input: the largest values that indices allow, and the kinds that uses tell."""

    limits: list[int] = field(default_factory=list)
    kinds: set[IntegerKind] = field(default_factory=set)
    is_measured: bool = False


@dataclass(frozen=True, slots=True)
class _Trail:
    """A value that is ``scale * input + shift`` when ``is_known``, else something computed from the input."""

    name: str
    scale: int = 1
    shift: int = 0
    is_known: bool = True
    is_float: bool = False

    def limit(self, rows: int | None, beyond: int = 0) -> int:
        """Return the largest input with which the value stays below ``rows + beyond``; 1 if unknown."""
        if rows is None or not self.is_known:
            return 1
        top = rows - 1 + beyond
        if self.scale > 0:
            return (top - self.shift) // self.scale
        return self.shift // -self.scale if self.scale else top

    def after(self, operator: str, index: int, other: float | None) -> "_Trail":
        """Return the trail behind a sum or product with the number ``other`` as the other operand."""
        if other is None or not self.is_known or other != int(other):
            return replace(self, is_known=False)
        number = int(other)
        if operator == "Add":
            return replace(self, shift=self.shift + number)
        if operator == "Mul":
            return replace(self, scale=self.scale * number, shift=self.shift * number)
        if operator == "Sub" and index == 0:
            return replace(self, shift=self.shift - number)
        if operator == "Sub":
            return replace(self, scale=-self.scale, shift=number - self.shift)
        return replace(self, is_known=False)


class _Looking:
    def __init__(self, model: Any) -> None:
        self._index = ValueIndex(model)

    def meaning(self, name: str, kind: int) -> Meaning:
        """Follow the input ``name`` of type ``kind``."""
        found = _Found()
        if "mask" in name.lower():
            found.kinds.add(IntegerKind.MASK)
        todo, seen = [_Trail(name)], set[_Trail]()
        while todo:
            trail = todo.pop()
            if trail not in seen:
                seen.add(trail)
                todo.extend(self._onward(trail, found))
        return _settled(found, kind)

    def _onward(self, trail: _Trail, found: _Found) -> Iterator[_Trail]:
        for other, once in self._index.aliases.get(trail.name, ()):
            yield replace(trail, name=other, is_known=trail.is_known and once)
        for node, index in self._index.readers.get(trail.name, ()):
            if self._tells(node, index, trail, found):
                continue
            for name in node.output:
                if onward := self._passed(node, index, replace(trail, name=name)):
                    yield onward

    def _tells(self, node: Any, index: int, trail: _Trail, found: _Found) -> bool:
        """Note what this use of the value tells, and say whether it ends here."""
        operator = node.op_type
        if INDICES.get(operator) == index:
            found.kinds.add(IntegerKind.INDEX)
            found.limits.append(trail.limit(self._index.rows(node)))
        elif LENGTHS.get(operator) == index:
            found.kinds.add(IntegerKind.LENGTH)
            found.limits.append(trail.limit(self._index.steps(node), beyond=1))
        elif index in SIZES.get(operator, ()):
            found.limits.append(1)
        elif operator in LOGIC or (operator in ("Where", "If") and index == 0) or self._is_to_bool(node):
            found.kinds.add(IntegerKind.MASK)
        elif operator in COMPARING:
            # Against one number says nothing; against a row of places, that it is a length.
            if self._index.number(node.input[1 - index]) is None:
                found.kinds.add(IntegerKind.LENGTH)
        elif trail.is_float and self._is_a_wave(node, index):
            found.kinds.add(IntegerKind.POSITION)
        else:
            self._note(node, index, trail, found)
            return bool(operator == "Equal")
        return True

    def _note(self, node: Any, index: int, trail: _Trail, found: _Found) -> None:
        if node.op_type == "CumSum" or self._is_one_minus(node, index, trail):
            found.kinds.add(IntegerKind.MASK)
        elif node.op_type == "DequantizeLinear" or (
            node.op_type == "Cast" and not trail.is_float and attribute_of(node, "to") in FLOATS
        ):
            found.is_measured = True

    def _passed(self, node: Any, index: int, trail: _Trail) -> _Trail | None:
        """Return what is known of a result of the node, None when the input has no part in it any more."""
        if node.op_type == "Cast":
            return replace(trail, is_float=attribute_of(node, "to") in FLOATS)
        if index in SAME.get(node.op_type, ()):
            return trail
        if node.op_type not in ARITHMETIC:
            return None
        other = self._index.number(node.input[1 - index]) if len(node.input) == 2 else None
        return trail.after(node.op_type, index, other)

    def _is_to_bool(self, node: Any) -> bool:
        return node.op_type == "Cast" and attribute_of(node, "to") == BOOL

    def _is_a_wave(self, node: Any, index: int) -> bool:
        """Tell whether this is the sine of something, or its product with one frequency or many."""
        if node.op_type in WAVES:
            return True
        if node.op_type not in ("Mul", "Div", "MatMul", "Einsum", "Gemm") or len(node.input) < 2:
            return False
        other = node.input[1 - index] if index < 2 else ""
        return self._index.is_fixed(other) and self._index.number(other) is None

    def _is_one_minus(self, node: Any, index: int, trail: _Trail) -> bool:
        if node.op_type != "Sub" or index == 0 or not trail.is_float:
            return False
        is_plain = trail.is_known and (trail.scale, trail.shift) == (1, 0)
        return is_plain and self._index.number(node.input[0]) == 1


def _settled(found: _Found, kind: int) -> Meaning:
    limit = max(0, min(found.limits)) if found.limits else None
    for one in (IntegerKind.LENGTH, IntegerKind.MASK, IntegerKind.POSITION, IntegerKind.INDEX):
        if one in found.kinds:
            return Meaning(one, limit)
    if found.is_measured:
        return Meaning(IntegerKind.DATA if kind in SMALL else IntegerKind.POSITION, limit)
    return Meaning(IntegerKind.UNKNOWN, 1 if limit is None else min(limit, 1))
