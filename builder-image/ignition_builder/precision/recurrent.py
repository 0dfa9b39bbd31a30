"""
Recurrent layers that stay wide: which do, and what must stand between a cast and them.

TensorRT-RTX 1.7.1 does not build an LSTM, GRU or RNN of FLOAT whose sequence comes straight out of a cast,
where its shape is fixed ("Mismatched number of elements in reshape op", measured). A zero added in between is
enough; no compiler may leave that out, for it makes 0 of -0.
"""

from collections.abc import Callable
from typing import Any

import onnx

RECURRENT = frozenset({"LSTM", "GRU", "RNN"})

WIDE_INPUTS = {
    ("LSTM", 7): "TensorRT has peepholes in fp32 only",
    **{(operator, 4): "TensorRT masks by sequence_lens in fp32 only" for operator in RECURRENT},
}
"""
Inputs with which TensorRT builds a node in fp32 only, by operator and place, and why (measured on RTX 1.7.1).
Of sequence_lens it makes a mask of FLOAT constants, which a strongly typed network does not mix with others.
"""


def reason_to_stay_wide(node: Any) -> str:
    """Return why the inputs that a node was given keep it wide; empty when nothing does."""
    given = enumerate(node.input)
    found = (WIDE_INPUTS.get((node.op_type, place), "") for place, name in given if name)
    return next((why for why in found if why), "")


def reads_a_sequence(node: Any, place: int) -> bool:
    """Whether the input in that place is one that must not come straight out of a cast."""
    return node.op_type in RECURRENT and place == 0


def zero_added(source: str, target: str, kind: int, fresh: Callable[[str], str]) -> tuple[Any, Any]:
    """Return nodes that make ``target`` of ``source``, both of type ``kind``, by adding 0."""
    zero = fresh(f"{target}__zero")
    value = onnx.helper.make_tensor("", kind, [], [0.0])
    constant = onnx.helper.make_node("Constant", [], [zero], name=fresh(f"{zero}__constant"), value=value)
    return constant, onnx.helper.make_node("Add", [source, zero], [target], name=fresh(f"{target}__add"))
