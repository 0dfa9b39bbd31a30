"""
Look at the QuantizeLinear and DequantizeLinear nodes a model brings: are they what was asked for?

TensorRT reads UINT8 as INT8 and only warns, and does not build for zero points that are not zero (measured
on RTX 1.7.1), so both are refused here, by name.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.inspection import graphs_of, tensors_of
from ignition_builder.checking.weights import array_of
from ignition_builder.precision.scaling import scale_values
from ignition_hub.engine.errors import Reason, RequestError

Proto = onnx.TensorProto
_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_FLOATS = frozenset({Proto.FLOAT, Proto.FLOAT16, Proto.BFLOAT16, Proto.DOUBLE})

NAMES = {Proto.INT8: "int8", Proto.FLOAT8E4M3FN: "fp8", Proto.INT4: "int4", Proto.FLOAT4E2M1: "fp4"}
"""The quantized types TensorRT computes in (NVIDIA documentation), and the precisions that mean them."""

_SYMMETRIC = "extra_options ActivationSymmetric and WeightSymmetric True"
MODEL_OPT = "quantize it with NVIDIA ModelOpt, which runs before the build"
_REMEDIES = {
    # With QInt8 alone zero points of 0 become -128 (run: onnxruntime 1.31.1).
    Proto.UINT8: "quantize symmetrically to INT8: with onnxruntime, activation_type and weight_type QInt8, "
    f"{_SYMMETRIC}",
    # onnxruntime quantizes biases of a QDQ model that it saves again (run: 1.31.1, with ORT_ENABLE_BASIC).
    Proto.INT32: "leave the bias in floating point: with onnxruntime, extra_options QuantizeBias False, and "
    "give the model as the quantizer wrote it",
}

_ZEROS = f"quantize with zero points of zero: with onnxruntime, {_SYMMETRIC}"


def quantization_of(model: Any) -> frozenset[str]:
    """
    Return the precisions the model's Q/DQ nodes have: of int8, fp8, int4 and fp4; more than one may be.

    A node that only makes scales for others counts for nothing: the FP8 numbers of NVFP4 are scales of blocks
    of FP4, and nothing is computed in them.
    """
    counting = list(_counting_nodes(model))
    return _kinds(model, counting) | _own_operators(counting)


def is_quantized(model: Any) -> bool:
    """Whether the model has DequantizeLinear nodes, ONNX's own or NVIDIA's."""
    return any("DequantizeLinear" in node.op_type for node in _nodes(model))


def check_quantized(model: Any, folder: Path) -> None:
    """
    Raise RequestError (UnsupportedPrecision) for Q/DQ nodes that TensorRT would not compute as they say.

    ``folder`` is where external data lies. The error has the first node of each kind of finding, and what
    would work for all: a model is quantized anew for each that is told alone.
    """
    tensors = _constants(model)
    found: dict[str, str] = {}
    for node in _nodes(model):
        if node.domain in ONNX_DOMAINS and node.op_type in (_QUANTIZE, _DEQUANTIZE):
            for said, remedy in _findings(node, tensors, folder):
                found.setdefault(remedy, said)
    if found:
        raise _refusal("; ".join(found.values()), "; ".join(_together(list(found))))


def _findings(node: Any, tensors: dict[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a node, and what would work."""
    kind = _kind_of(node, tensors)
    if kind is not None and kind not in NAMES:
        yield _wrong_type(node, kind)
    yield from _zero_point(node, tensors, folder)
    yield from _scale(node, tensors, folder)


def _together(remedies: Sequence[str]) -> list[str]:
    """Return the remedies without what another of them says too."""
    return [one for one in remedies if one != _ZEROS or _REMEDIES[Proto.UINT8] not in remedies]


def _counting_nodes(model: Any) -> Iterator[Any]:
    scales = scale_values(model)
    yield from (node for node in _nodes(model) if not scales.issuperset(node.output))


def _kinds(model: Any, nodes: Iterable[Any]) -> frozenset[str]:
    tensors = _constants(model)
    found = {_kind_of(node, tensors) for node in nodes if node.op_type in (_QUANTIZE, _DEQUANTIZE)}
    return frozenset(NAMES[kind] for kind in found if kind in NAMES)


def _kind_of(node: Any, tensors: dict[str, Any]) -> int | None:
    """Return the quantized type of a node; None when another node decides it."""
    for attribute in node.attribute:
        if attribute.name == "output_dtype" and attribute.i and node.op_type == _QUANTIZE:
            return int(attribute.i)
    zero_point = node.input[2] if len(node.input) > 2 else ""
    if zero_point in tensors:
        return int(tensors[zero_point].data_type)
    if node.op_type == _QUANTIZE and not zero_point:
        # ONNX: without a zero point and output_dtype, it is UINT8.
        return int(Proto.UINT8)
    if node.op_type == _DEQUANTIZE and node.input[0] in tensors:
        return int(tensors[node.input[0]].data_type)
    return None


def _zero_point(node: Any, tensors: dict[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    tensor = tensors.get(node.input[2]) if len(node.input) > 2 else None
    if tensor is None:
        return
    values = _values(tensor, folder)
    if bool(np.any(values != 0)):
        worst = values[values != 0].flat[0]
        yield f"{_named(node)}: its zero point is {worst:g}, and TensorRT quantizes symmetrically", _ZEROS


def _scale(node: Any, tensors: dict[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    tensor = tensors.get(node.input[1]) if len(node.input) > 1 else None
    if tensor is None or tensor.data_type not in _FLOATS:
        return
    values = _values(tensor, folder)
    if not bool(np.all(np.isfinite(values) & (values > 0))):
        yield (
            f"{_named(node)}: its scale has values that are not positive and finite",
            "calibrate the model again, with inputs that reach this node",
        )


def _values(tensor: Any, folder: Path) -> Any:
    return array_of(tensor, folder).astype(np.float32)


def _own_operators(nodes: Iterable[Any]) -> frozenset[str]:
    """Return the precisions of NVIDIA's own operators, such as TRT_FP8DequantizeLinear."""
    names = {node.op_type for node in nodes if node.op_type.startswith("TRT_")}
    return frozenset(kind for kind in NAMES.values() if any(kind.upper() in name for name in names))


def _nodes(model: Any) -> Iterator[Any]:
    for graph in graphs_of(model.graph):
        yield from graph.node


def _constants(model: Any) -> dict[str, Any]:
    tensors = {tensor.name: tensor for tensor in tensors_of(model) if tensor.name}
    for node in _nodes(model):
        if node.op_type == "Constant":
            tensors.update((node.output[0], item.t) for item in node.attribute if item.name == "value")
    return tensors


def _wrong_type(node: Any, kind: int) -> tuple[str, str]:
    name = Proto.DataType.Name(kind)
    remedy = _REMEDIES.get(kind, f"TensorRT has {', '.join(sorted(NAMES.values()))}; quantize to one of them")
    return f"{_named(node)} quantizes to {name}, which TensorRT would not keep", remedy


def _named(node: Any) -> str:
    return f"node {node.name or node.output[0]} ({node.op_type})"


def _refusal(message: str, remedy: str) -> RequestError:
    return RequestError(Reason.UnsupportedPrecision, message, remedy)
