"""
What the outputs of a model are for, told without the check's own eyes where that can be.

The check's (``answers_of``) reads choices and labels out of the graph. Here rows that sum to 1 are a choice
whatever made them, and what a sigmoid made says yes or no.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ignition_builder.verifying.answers import Answer, AnswerKind

YES_OR_NO = "yes or no"
Answers = Mapping[str, Answer | str]
PASSING = frozenset({"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Flatten", "Slice"})
"""Operators behind which a sigmoid's values are still that."""
JOINING = "Concat"


def answers_for(model: Any, read: Mapping[str, Answer], outputs: Sequence[Mapping[str, Any]]) -> Answers:
    """
    Return what each output answers, by name: what the check ``read``, or what the numbers and nodes say.

    ``model`` has its graph, weights or not; ``outputs`` are its own, on several inputs.
    """
    made = {name: node for node in model.graph.node for name in node.output if name}
    found: dict[str, Answer | str] = dict(read)
    for name in outputs[0]:
        if name in read:
            continue
        if all(_is_of_choices(values[name]) for values in outputs):
            found[name] = Answer(AnswerKind.PROBABILITIES)
        elif _is_of_sigmoids(name, made):
            found[name] = YES_OR_NO
    return found


def _is_of_choices(values: Any) -> bool:
    """Tell whether rows of at least two numbers from 0 to 1 sum to 1."""
    if values.dtype.kind != "f" or values.ndim < 2 or values.shape[-1] < 2 or not values.size:
        return False
    rows = values.astype(np.float64)
    return bool(rows.min() >= 0 and np.allclose(rows.sum(axis=-1), 1, atol=1e-3))


def _is_of_sigmoids(name: str, made: Mapping[str, Any]) -> bool:
    node = made.get(name)
    if node is None:
        return False
    if node.op_type == "Sigmoid":
        return True
    if node.op_type == JOINING:
        return all(_is_of_sigmoids(item, made) for item in node.input)
    return node.op_type in PASSING and _is_of_sigmoids(node.input[0], made)
