"""
Where an operator may have a narrow type, by ONNX's own definitions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import onnx

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.precision.floats import Narrow
from ignition_builder.precision.recurrent import reason_to_stay_wide

EXACT = frozenset(
    {
        # TensorRT wants the cache to be an input of the network.
        "TensorScatter",
        # Positions and counts: fp16 has no odd numbers beyond 2048.
        "Range", "CumSum", "RoiAlign", "MaxRoiPool", "NonMaxSuppression", "Multinomial",
        # Types of their own, or of an attribute.
        "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "BitCast",
        "EyeLike", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli",
        # The graphs inside keep their inputs and outputs, so these do.
        "If", "Loop", "Scan", "SequenceMap",
        # Sequences are not tensors.
        "SequenceConstruct", "SequenceInsert", "SequenceAt", "SequenceEmpty", "SequenceErase",
        "SplitToSequence", "ConcatFromSequence", "Optional", "OptionalGetElement", "OptionalHasElement",
    }
)  # fmt: skip
"""Operators whose inputs and outputs keep their types."""

LACKING = {
    "fp16": frozenset({"Celu", "MeanVarianceNormalization"}),
    "bf16": frozenset(
        {
            "Celu", "MeanVarianceNormalization", "ConvTranspose", "GRU", "HardSwish", "LpNormalization",
            "LpPool", "GlobalLpPool", "Mish",
        }
    ),
}  # fmt: skip
"""Operators that TensorRT builds in fp32 and not in the narrow type (measured on RTX 1.7.1)."""

INDIFFERENT = frozenset({"Shape", "Size", "Cast"})
"""Operators that take either type, so that no cast is worth while."""

_STASHING = frozenset({"LayerNormalization", "SkipLayerNormalization"})
"""The first output has the input's type, the others have that of ``stash_type``."""


@dataclass(frozen=True, slots=True)
class Slots:
    """
    Which inputs and outputs of one node may be narrow.

    ``indifferent`` when its inputs may be either; ``why`` a node may not that otherwise may.
    """

    inputs: tuple[bool, ...]
    outputs: tuple[bool, ...]
    indifferent: bool = False
    why: str = ""


def slots_of(node: Any, narrow: Narrow, opset: int) -> Slots:
    """Return where ``node`` may have the type ``narrow`` in this release of ONNX's operators."""
    ins, outs = len(node.input), len(node.output)
    why = reason_to_stay_wide(node)
    exact = node.op_type in EXACT or node.op_type in LACKING[narrow.precision] or bool(why)
    own = node.domain in ONNX_DOMAINS
    taken = _parameters(node.op_type, opset, narrow.schema) if own and not exact else None
    if taken is None:
        return Slots((False,) * ins, (False,) * outs, why=why)
    return Slots(
        tuple(_each(taken[0], ins)),
        tuple(_outputs(node, tuple(_each(taken[1], outs)))),
        node.op_type in INDIFFERENT,
    )


@cache
def _parameters(operator: str, opset: int, wanted: str) -> tuple[tuple[bool, ...], tuple[bool, ...]] | None:
    try:
        schema = onnx.defs.get_schema(operator, opset, "")
    except onnx.defs.SchemaError:
        return None
    return (
        tuple(_takes(item, wanted) for item in schema.inputs),
        tuple(_takes(item, wanted) for item in schema.outputs),
    )


def _takes(parameter: Any, wanted: str) -> bool:
    return wanted in parameter.types


def _each(parameters: tuple[bool, ...], count: int) -> Iterator[bool]:
    # The last parameter of a variadic operator stands for all that follow.
    for index in range(count):
        yield parameters[min(index, len(parameters) - 1)] if parameters else False


def _outputs(node: Any, outputs: tuple[bool, ...]) -> Iterator[bool]:
    for index, narrow in enumerate(outputs):
        yield narrow and not (index and node.op_type in _STASHING)
