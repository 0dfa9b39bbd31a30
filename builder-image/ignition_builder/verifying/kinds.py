"""
Which element types the values of a model have, by ONNX's numbers of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import onnx

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.inspection import nodes_of, tensors_of

TYPE_ATTRIBUTES = frozenset(
    {"to", "dtype", "output_dtype", "output_datatype", "precision", "stash_type", "softmax_precision"}
)
"""How ONNX's operators call an attribute that is the number of a type."""


def has_any(model: Any, kinds: Iterable[int]) -> bool:
    """Tell whether the model stores, takes, gives or makes anything of these types."""
    wanted = set(kinds)
    return (
        any(tensor.data_type in wanted for tensor in tensors_of(model))
        or any(_type_of(value.type) in wanted for value in (*model.graph.input, *model.graph.output))
        or any(
            attribute.name in TYPE_ATTRIBUTES and attribute.i in wanted
            for node in nodes_of(model)
            for attribute in node.attribute
        )
    )


def kind_by_schema(node: Any, index: int, kinds: Mapping[str, int], opset: int) -> int | None:
    """Return the type of an output that the operator's definition says, or that an input shares with it."""
    if node.domain not in ONNX_DOMAINS or not onnx.defs.has(node.op_type, opset):
        return None
    schema = onnx.defs.get_schema(node.op_type, opset)
    wanted = _type_at(schema.outputs, index)
    if wanted.startswith("tensor("):
        return 0
    for place, name in enumerate(node.input):
        if name in kinds and _type_at(schema.inputs, place) == wanted:
            return kinds[name]
    return None


def _type_at(parameters: Sequence[Any], index: int) -> str:
    return str(parameters[min(index, len(parameters) - 1)].type_str)


def _type_of(kind: Any) -> int:
    which = kind.WhichOneof("value")
    if which in ("sequence_type", "optional_type"):
        return _type_of(getattr(kind, which).elem_type)
    return int(kind.tensor_type.elem_type)
