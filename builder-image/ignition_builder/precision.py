"""
Give a model the precision that was asked for: TensorRT builds strongly typed, so the ONNX decides the types.

NVIDIA documentation: convert the ONNX and build strongly typed; precision flags are gone in TensorRT 11 and
in TensorRT-RTX.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx

from ignition_builder.half import convert_to_half
from ignition_builder.inspection import graphs_of, tensors_of
from ignition_builder.journal import Journal
from ignition_hub.engine.errors import Reason, RequestError

FLOAT, HALF, BFLOAT = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16
QUANTIZED = ("int8", "fp8", "int4", "fp4")

Converted = tuple[Path, dict[str, Any] | None]


def with_precision(model: Any, path: Path, precision: str, folder: Path, journal: Journal) -> Converted:
    """
    Return the file to compile for ``precision``, and what converted it (None when it is ``path`` itself).

    A new file is written into ``folder``. ``model`` may be changed. Raises RequestError
    (UnsupportedPrecision) when the model cannot truthfully be called by that precision.
    """
    rule = _RULES.get(precision, _quantized)
    return rule(model, path, precision, folder, journal)


def _full(model: Any, path: Path, precision: str, folder: Path, journal: Journal) -> Converted:
    types = _weight_types(model)
    if types & {HALF, BFLOAT}:
        stored = "fp16" if HALF in types else "bf16"
        if FLOAT not in types:
            raise _refusal(
                f"precision {precision} was asked for, the model's weights are {stored}",
                f"ask for {stored}, or export the model in fp32",
            )
        journal.warn("MixedPrecision", f"some weights are {stored} although {precision} was asked for")
    return path, None


def _half(model: Any, path: Path, precision: str, folder: Path, journal: Journal) -> Converted:
    types = _weight_types(model)
    if HALF in types and FLOAT not in types:
        return path, None
    return convert_to_half(model, path, folder, journal)


def _brain(model: Any, path: Path, precision: str, folder: Path, journal: Journal) -> Converted:
    types = _weight_types(model)
    if BFLOAT in types and FLOAT not in types:
        return path, None
    raise _refusal(
        "precision bf16 was asked for, and this builder converts to fp16 only",
        "push a model whose weights are bf16 already, or ask for fp16",
    )


def _quantized(model: Any, path: Path, precision: str, folder: Path, journal: Journal) -> Converted:
    operators = {node.op_type for graph in graphs_of(model.graph) for node in graph.node}
    if "DequantizeLinear" in operators:
        return path, None
    raise _refusal(
        f"precision {precision} was asked for, and the model has no DequantizeLinear nodes",
        "quantize the model first; this builder does not calibrate",
    )


_RULES: dict[str, Callable[[Any, Path, str, Path, Journal], Converted]] = {
    "fp32": _full,
    "tf32": _full,
    "fp16": _half,
    "bf16": _brain,
}


def _weight_types(model: Any) -> set[int]:
    return {tensor.data_type for tensor in tensors_of(model)} & {FLOAT, HALF, BFLOAT}


def _refusal(message: str, remedy: str) -> RequestError:
    return RequestError(Reason.UnsupportedPrecision, message, remedy)
