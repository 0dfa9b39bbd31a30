"""
Is there a TensorRT that could express the model at all? Asked before any GPU is spent on it.

Only what no release can do is refused here, by name; what one release cannot, its own parser says. Types are
those of NVIDIA's operator list (documentation), which TensorRT-RTX 1.7.1 confirms (measured).
"""

from typing import Any

import onnx

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.graphs import called
from ignition_builder.checking.inspection import nodes_of, opset_of, tensors_of, type_name
from ignition_builder.journal import Journal
from ignition_hub.compatibility.support_matrix import Version, dotted, parse_version
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import TENSORRT_RTX, EngineInputs
from ignition_hub.engine.warnings import Warn

Proto = onnx.TensorProto
TYPES = frozenset(
    {
        Proto.FLOAT, Proto.FLOAT16, Proto.DOUBLE, Proto.INT8, Proto.INT32, Proto.INT64, Proto.UINT8,
        Proto.BOOL, Proto.FLOAT8E4M3FN, Proto.BFLOAT16, Proto.INT4, Proto.FLOAT4E2M1,
    }
)  # fmt: skip
"""ONNX types that some TensorRT has; DOUBLE is narrowed."""
TYPES_SINCE: dict[int, Version] = {Proto.BFLOAT16: (10, 0), Proto.INT4: (10, 0), Proto.FLOAT4E2M1: (10, 8)}
"""First TensorRT with a type (read from the bindings); TensorRT-RTX has them all."""

OLDEST_OPSET = 9
"""Older ones are tried and not promised (NVIDIA documentation)."""
NEWEST_OPSETS: tuple[tuple[Version, int], ...] = (((11,), 25), ((10, 15), 24), ((10,), 20), ((0,), 17))
"""Newest opset of TensorRT's ONNX parser from a version on, newest first (NVIDIA's operator lists)."""

CLASSICAL = "ai.onnx.ml"
DOMAINS = {
    CLASSICAL: "classical machine learning (trees, vectorizers, encoders)",
    "ai.onnx.training": "training",
    "ai.onnx.preview.training": "training",
}
"""ONNX's own domains besides the first; no TensorRT has any of their operators."""
LAYERS = frozenset(
    {
        "Attention", "Conv", "ConvInteger", "ConvTranspose", "DeformConv", "Einsum", "GRU", "Gemm", "LSTM",
        "MatMul", "MatMulInteger", "QLinearConv", "QLinearMatMul", "RNN",
    }
)  # fmt: skip
"""Operators of which one at least is in a neural network."""
_SEQUENCES = "TensorRT has tensors, not sequences of them"
_OPTIONALS = "TensorRT has no optional values"
_STRINGS = "TensorRT has no strings"
OPERATORS = {
    **dict.fromkeys(
        (
            "SequenceConstruct", "SequenceEmpty", "SequenceInsert", "SequenceErase", "SequenceAt",
            "SequenceLength", "SequenceMap", "SplitToSequence", "ConcatFromSequence",
        ),
        _SEQUENCES,
    ),
    **dict.fromkeys(("Optional", "OptionalGetElement", "OptionalHasElement"), _OPTIONALS),
    **dict.fromkeys(
        ("StringNormalizer", "StringConcat", "StringSplit", "RegexFullMatch", "TfIdfVectorizer"), _STRINGS
    ),
    "ImageDecoder": "TensorRT does not decode images",
}  # fmt: skip
"""Operators no TensorRT has, and why: each works on what TensorRT does not know (measured on RTX 1.7.1)."""

SCATTERS = frozenset({"ScatterElements", "ScatterND"})
_PICKED = "Equal(Unsqueeze(Range(0, places, 1), 1), indices)"
"""Places x values. No OneHot: its depth must be a constant of the model (measured on RTX 1.7.1)."""
_REDUCED = {
    "max": ("Max", "ReduceMax", "-inf"),
    "min": ("Min", "ReduceMin", "inf"),
    "mul": ("Mul", "ReduceProd", "1"),
}
"""The operator over two values and that over several, and the value that changes nothing."""
_WRITTEN = "none"

_PLAIN = "export the model with plain tensors of numbers, and do the rest before or after it"


def check_expressible(model: Any, inputs: EngineInputs, journal: Journal) -> None:
    """Raise RequestError (UnsupportedOperator) for what TensorRT cannot express; warn of a newer opset."""
    check_kinds(model, inputs)
    _warn_of_opset(model, inputs, journal)


def check_kinds(model: Any, inputs: EngineInputs) -> None:
    """Raise RequestError (UnsupportedOperator) for a type or an operator TensorRT has not; needs no lists."""
    _check_is_a_network(model)
    for role, values in (("input", model.graph.input), ("output", model.graph.output)):
        for value in values:
            _check_value(role, value, inputs)
    for node in nodes_of(model):
        _check_operator(node)
        _check_reduction(node, inputs)
    unread = _quantized_names(model)
    for tensor in tensors_of(model):
        if tensor.name not in unread:
            _check_type(f"tensor {tensor.name or 'without a name'}", tensor.data_type, inputs)


def newest_opset(inputs: EngineInputs) -> int:
    """Return the newest opset the parser knows; TensorRT-RTX follows TensorRT's newest."""
    if inputs.flavor == TENSORRT_RTX:
        return NEWEST_OPSETS[0][1]
    version = parse_version(inputs.tensorrt_version)
    return next(opset for since, opset in NEWEST_OPSETS if version >= since)


def _check_is_a_network(model: Any) -> None:
    """Refuse a model that is classical machine learning and nothing else: it has no network to export."""
    nodes = list(nodes_of(model))
    classical = next((node for node in nodes if node.domain == CLASSICAL), None)
    if classical is not None and not any(_may_be_a_layer(node) for node in nodes):
        raise _refusal(
            f"{called(classical)}: TensorRT has no operators for {DOMAINS[CLASSICAL]}, and nothing else in "
            "the model is a layer of a neural network",
            "it is no neural network: run it with onnxruntime, as it is",
        )


def _may_be_a_layer(node: Any) -> bool:
    return node.op_type in LAYERS or node.domain not in (*ONNX_DOMAINS, CLASSICAL)


def _check_value(role: str, value: Any, inputs: EngineInputs) -> None:
    kind = value.type.WhichOneof("value")
    if kind is None:
        raise RequestError(
            Reason.InvalidModel, f"{role} {value.name} has no type", "export the model with shape inference"
        )
    if kind != "tensor_type":
        raise _refusal(f"{role} {value.name} is a {kind.removesuffix('_type')}, not a tensor", _PLAIN)
    _check_type(f"{role} {value.name}", value.type.tensor_type.elem_type, inputs)


def _check_type(what: str, kind: int, inputs: EngineInputs) -> None:
    if kind not in TYPES:
        raise _refusal(f"{what} holds {type_name(kind)}, a type TensorRT does not have", _PLAIN)
    since = TYPES_SINCE.get(kind)
    version = parse_version(inputs.tensorrt_version)
    if since and inputs.flavor != TENSORRT_RTX and version < since:
        raise _refusal(
            f"{what} holds {type_name(kind)}, which TensorRT {inputs.tensorrt_version} does not have",
            f"use tensorrt.version {dotted(since)} or newer, or export the model with another type",
        )


def _check_operator(node: Any) -> None:
    if node.domain in DOMAINS:
        raise _refusal(
            f"{called(node)}: TensorRT has no operators for {DOMAINS[node.domain]}",
            "export the network alone, and do the rest before or after it",
        )
    if node.domain in ONNX_DOMAINS and node.op_type in OPERATORS:
        raise _refusal(f"{called(node)}: {OPERATORS[node.op_type]}", _PLAIN)


def _check_reduction(node: Any, inputs: EngineInputs) -> None:
    """Refuse sums over what is written to one place: RTX's parser names no node (measured on RTX 1.7.1)."""
    if inputs.flavor != TENSORRT_RTX or node.domain not in ONNX_DOMAINS or node.op_type not in SCATTERS:
        return
    reduction = next((item.s.decode() for item in node.attribute if item.name == "reduction"), _WRITTEN)
    if reduction != _WRITTEN:
        raise _refusal(
            f"{called(node)}: {inputs.release} has no reduction {reduction!r} for what meets in one place",
            _meeting(reduction),
        )


def _meeting(reduction: str) -> str:
    """Return how to write what a node does where several values meet in one place, with these ``indices``."""
    if reduction not in _REDUCED:
        return f"write a sum as a product: Add(data, MatMul(Cast({_PICKED}, FLOAT), values))"
    two, several, neutral = _REDUCED[reduction]
    masked = f"Where(Unsqueeze({_PICKED}, 2), values, {neutral})"
    return f"write it over a mask: {two}(data, {several}({masked}, 1))"


def _warn_of_opset(model: Any, inputs: EngineInputs, journal: Journal) -> None:
    opset, newest = opset_of(model), newest_opset(inputs)
    release = inputs.release
    if opset > newest:
        journal.warn(Warn.OpsetBeyondParser, f"opset {opset}: {release} knows operators up to opset {newest}")
    elif 0 < opset < OLDEST_OPSET:
        journal.warn(Warn.OpsetBeyondParser, f"opset {opset}: {release} promises opset {OLDEST_OPSET} and up")


def _quantized_names(model: Any) -> set[str]:
    """Return what quantization nodes read: those are checked with the precision, in its words."""
    return {name for node in nodes_of(model) if "QuantizeLinear" in node.op_type for name in node.input}


def _refusal(message: str, remedy: str) -> RequestError:
    return RequestError(Reason.UnsupportedOperator, message, remedy)
