"""
What an output is for, as the graph tells: a choice among classes, a label, or numbers that mean themselves.

A softmax over 5,000 classes is 4,999 numbers near 0 in any model, right or wrong, and a label of 4,000 is not
nearly 4,050. So the accuracy check asks of such outputs whether the answer is the same. Pure: nothing is run.
"""

from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from ignition_builder.checking.inspection import opset_of
from ignition_builder.verifying.value_index import ValueIndex, attribute_of, with_shapes

LABELS: Mapping[str, int] = {
    "ArgMax": 0,
    "ArgMin": 0,
    "TopK": 1,
    "NonZero": 0,
    "NonMaxSuppression": 0,
}
"""Operators whose output of this index is a choice already."""
CHOOSING = frozenset({"Softmax", "LogSoftmax", "Hardmax"})
SAME = frozenset({"Identity", "Cast", "Dropout", "QuantizeLinear", "DequantizeLinear"})
"""Operators that give their first input in the same places."""
SPREADING = frozenset({"Identity", "Cast", "Expand", "Reshape", "Unsqueeze", "Tile"})
RESHAPING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
"""Operators that leave classes where they are when the last dimension keeps its size."""
_BRANCHES = ("then_branch", "else_branch")
ONE_BY_ONE = 13
"""The opset from which a softmax goes along one axis; before, along all from that axis on (ONNX)."""


class AnswerKind(Enum):
    """How the numbers of an answer are read."""

    PROBABILITIES = "probabilities"
    LOGARITHMS = "logarithms"
    SCORES = "scores"
    LABEL = "label"


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An output that answers something; the classes lie along ``axis``, negative counted from the end.

    ``is_flat`` when the classes are all axes from that one on. Both mean nothing of a label.
    """

    kind: AnswerKind
    axis: int = -1
    is_flat: bool = False

    def axis_in(self, rank: int) -> int | None:
        """Return the axis of the classes in a tensor of ``rank``; None where it has no rows of classes."""
        axis = self.axis + rank if self.axis < 0 else self.axis
        if rank < 2 or not 0 <= axis < rank or (self.is_flat and axis != rank - 1):
            return None
        is_a_map = rank == 4 and axis == 1 and self.kind is not AnswerKind.SCORES
        return axis if rank <= 3 or is_a_map else None


def answers_of(model: Any) -> dict[str, Answer]:
    """Return what the outputs of ``model``, which is used up, answer, by name; of others nothing is said."""
    model = with_shapes(model, {})
    tracing = _Tracing(ValueIndex(model), opset_of(model), _makers(model.graph))
    found = {item.name: tracing.answer(item.name) for item in model.graph.output}
    return {name: answer for name, answer in found.items() if answer is not None}


Makers = MutableMapping[str, tuple[Any, int]]
"""By the name of a value, the node that makes it and as which of its outputs."""


def _makers(graph: Any) -> Makers:
    return {name: (node, index) for node in graph.node for index, name in enumerate(node.output) if name}


class _Tracing:
    """Goes back through one graph and those around it, whose values are ``made``."""

    def __init__(self, index: ValueIndex, opset: int, made: Makers) -> None:
        self._index, self._opset, self._made = index, opset, made

    def answer(self, name: str) -> Answer | None:
        """Go back from a value to what made it, as long as the values stay."""
        if name not in self._made:
            return None
        node, index = self._made[name]
        return self._made_by(node, index) or self._passed_on(node)

    def _made_by(self, node: Any, index: int) -> Answer | None:
        if LABELS.get(node.op_type) == index:
            return Answer(AnswerKind.LABEL)
        if node.op_type in CHOOSING:
            return self._choice(node)
        if node.op_type == "Div":
            return self._spelled_out(node)
        if node.op_type == "If":
            return self._of_both(node, index)
        return Answer(AnswerKind.SCORES) if self._is_a_layer(node) else None

    def _passed_on(self, node: Any) -> Answer | None:
        if node.op_type in SAME:
            return self.answer(node.input[0])
        if node.op_type in RESHAPING and self._keeps_classes(node):
            return _last(self.answer(node.input[0]))
        if node.op_type == "Transpose":
            return _moved(self.answer(node.input[0]), _order_of(node))
        return None

    def _of_both(self, node: Any, index: int) -> Answer | None:
        """Return what an output of an If answers, whichever way it goes."""
        found = [
            _Tracing(self._index, self._opset, ChainMap(_makers(branch), self._made)).answer(
                branch.output[index].name
            )
            for branch in (item.g for item in node.attribute if item.HasField("g"))
            if index < len(branch.output)
        ]
        return found[0] if len(found) == len(_BRANCHES) and found[0] == found[1] else None

    def _choice(self, node: Any) -> Answer:
        kind = AnswerKind.LOGARITHMS if node.op_type == "LogSoftmax" else AnswerKind.PROBABILITIES
        is_flat = self._opset < ONE_BY_ONE
        return Answer(kind, attribute_of(node, "axis", 1 if is_flat else -1), is_flat)

    def _spelled_out(self, node: Any) -> Answer | None:
        """Return what ``exp(x) / sum(exp(x))`` answers, as JAX writes a softmax."""
        exponential = self._made.get(node.input[0])
        total = self._behind(node.input[1])
        if exponential is None or exponential[0].op_type != "Exp" or total is None:
            return None
        if total.op_type != "ReduceSum" or total.input[0] != node.input[0]:
            return None
        axis = self._axis_of(total)
        return None if axis is None else Answer(AnswerKind.PROBABILITIES, axis)

    def _behind(self, name: str) -> Any | None:
        """Return the node that made a value, before it was spread over the shape of another."""
        while name in self._made:
            node, _ = self._made[name]
            if node.op_type not in SPREADING:
                return node
            name = node.input[0]
        return None

    def _axis_of(self, node: Any) -> int | None:
        """Return the one axis that a reduction is along; before opset 13 it is an attribute."""
        if len(node.input) > 1:
            axis = self._index.number(node.input[1])
            return None if axis is None else int(axis)
        axes = [int(axis) for item in node.attribute if item.name == "axes" for axis in item.ints]
        return axes[0] if len(axes) == 1 else None

    def _is_a_layer(self, node: Any) -> bool:
        """Tell whether this is a product with weights, or one with a bias: the last layer of a classifier."""
        if node.op_type in ("Gemm", "MatMul"):
            return not self._index.is_fixed(node.input[0]) and self._index.is_fixed(node.input[1])
        if node.op_type != "Add":
            return False
        computed = [name for name in node.input if not self._index.is_fixed(name)]
        maker = self._made.get(computed[0]) if len(computed) == 1 else None
        return maker is not None and maker[0].op_type == "MatMul" and self._is_a_layer(maker[0])

    def _keeps_classes(self, node: Any) -> bool:
        before = self._index.shape(node.input[0]) or [None]
        after = self._index.shape(node.output[0]) or [None]
        return before[-1] is not None and before[-1] == after[-1]


def _last(answer: Answer | None) -> Answer | None:
    """Return an answer behind a reshape: a label stays one, classes that are last stay last."""
    if answer is None or answer.kind is AnswerKind.LABEL:
        return answer
    return answer if answer.axis == -1 else None


def _order_of(node: Any) -> list[int]:
    return [int(axis) for item in node.attribute if item.name == "perm" for axis in item.ints]


def _moved(answer: Answer | None, order: list[int]) -> Answer | None:
    if answer is None or answer.kind is AnswerKind.LABEL or not order:
        return answer if answer is None or answer.kind is AnswerKind.LABEL else None
    axis = answer.axis_in(len(order))
    return None if axis is None else replace(answer, axis=order.index(axis), is_flat=False)
