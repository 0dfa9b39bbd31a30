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
from ignition_builder.inspection import graphs_of, inner_tensors_of, tensors_of
from ignition_builder.journal import Journal
from ignition_builder.weights import external_size, is_external, write_model
from ignition_hub.engine.errors import Reason, RequestError

FLOAT, HALF, BFLOAT = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16

WORTH_MOVING = 32 * 1024 * 1024
"""Bytes of weights from which a file of their own saves more memory than it takes time."""

Converted = tuple[Path, dict[str, Any] | None]


def with_precision(model: Any, path: Path, precision: str, folder: Path, journal: Journal) -> Converted:
    """
    Return the file to compile for ``precision``, and what converted it (None when it is ``path`` itself).

    A new file is written into ``folder``. ``model`` may be changed. Raises RequestError
    (UnsupportedPrecision) when the model cannot truthfully be called by that precision.
    """
    _embed_inner_data(model, path.parent)
    rule = _RULES.get(precision, _quantized)
    target, converter = rule(model, path, precision, folder, journal)
    if target == path and external_size(model) >= WORTH_MOVING:
        target = folder / "model-with-data.onnx"
        write_model(model, path.parent, target, {})
    return target, converter


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


def _embed_inner_data(model: Any, folder: Path) -> None:
    """Take in the external data of tensors inside nodes: only the graph's own weights are moved later."""
    for tensor in inner_tensors_of(model):
        if is_external(tensor):
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(folder))
            tensor.ClearField("external_data")
            tensor.data_location = onnx.TensorProto.DEFAULT


def _weight_types(model: Any) -> set[int]:
    return {tensor.data_type for tensor in tensors_of(model)} & {FLOAT, HALF, BFLOAT}


def _refusal(message: str, remedy: str) -> RequestError:
    return RequestError(Reason.UnsupportedPrecision, message, remedy)
