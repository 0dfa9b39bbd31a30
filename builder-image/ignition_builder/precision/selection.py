"""
Give a model the precision that was asked for, and say which way was taken.

Strongly typed, the ONNX decides every type, so the model is converted (NVIDIA documentation: from TensorRT
10.12, in 11 and in TensorRT-RTX). Before that TensorRT chooses types below its precision flags, and the model
stays as it came. A quantized model stays as it came everywhere, if it is what was asked for.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ignition_builder.checking.inspection import inner_tensors_of, tensors_of
from ignition_builder.checking.weights import external_size, is_external, take_in, write_model
from ignition_builder.documents import AS_IS, CALIBRATOR, CONVERTED, FLAGS, QUANTIZED, STRONG, WEAK
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.precision.calibration import is_calibration_cache
from ignition_builder.precision.conversion import convert
from ignition_builder.precision.floats import BRAIN, DOUBLE, FLOAT, HALF, Narrow
from ignition_builder.precision.quantized import MODEL_OPT, check_quantized, is_quantized, quantization_of
from ignition_hub.compatibility.support_matrix import has_tf32, is_strongly_typed
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import EngineInputs
from ignition_hub.engine.warnings import Warn

WORTH_MOVING = 32 * 1024 * 1024
"""Bytes of weights in the model's file from which one of their own saves more memory than it takes time."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The file to compile, the way to the precision (as in work.Prepared), and how TensorRT types it."""

    path: Path
    converter: Mapping[str, Any]
    typing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """
    The model as it came in the file ``path``, and what is wanted of it; ``folder`` takes new files.

    ``is_changed`` when ``model`` is no longer what the file holds, so that the file cannot be compiled.
    """

    model: Any
    path: Path
    inputs: EngineInputs
    files: Files
    folder: Path
    journal: Journal
    is_changed: bool = False

    @property
    def is_strong(self) -> bool:
        """Whether TensorRT takes every type from the model."""
        return is_strongly_typed(self.inputs.flavor, self.inputs.tensorrt_version)


Way = tuple[Path, dict[str, Any]]

_OTHERS = {HALF: (BRAIN,), BRAIN: (HALF,)}


def with_precision(came: Came) -> Ready:
    """
    Return the file to compile; the model is used up.

    A new file is written into ``folder``. Raises RequestError: UnsupportedPrecision when the model cannot
    truthfully be called by that precision, InvalidRequest for calibration data that does not fit it,
    UnsupportedOption for calibration that nothing would use.
    """
    model, path = came.model, came.path
    _embed_inner_data(model, path.parent)
    _warn_of_double(came)
    # Asked now, because a conversion uses the model up. Weights in other files are mapped from there.
    worth_moving = external_size(model, path.name) >= WORTH_MOVING
    target, converter = _RULES.get(came.inputs.precision, _brought)(came)
    if target == path and (worth_moving or came.is_changed):
        target = came.folder / "model-with-data.onnx"
        write_model(model, path.parent, target, {})
    return Ready(target, converter, STRONG if came.is_strong else WEAK)


def _full(came: Came) -> Way:
    precision = came.inputs.precision
    _refuse_narrow(came, _amounts(came.model), (HALF, BRAIN))
    if is_quantized(came.model):
        check_quantized(came.model, came.path.parent)
        came.journal.warn(Warn.MixedPrecision, f"the model is quantized; {precision} was requested")
    if precision == "tf32":
        _warn_of_tf32(came)
    _refuse_calibration(came)
    return _as_is(came)


def _half(came: Came) -> Way:
    return _narrow(came, HALF)


def _brain(came: Came) -> Way:
    return _narrow(came, BRAIN)


def _narrow(came: Came, narrow: Narrow) -> Way:
    _refuse_calibration(came)
    amounts = _amounts(came.model)
    _refuse_narrow(came, amounts if any(amounts.values()) else _inputs(came.model), _OTHERS[narrow])
    if is_quantized(came.model):
        check_quantized(came.model, came.path.parent)
        came.journal.warn(Warn.MixedPrecision, f"the model is quantized; {narrow.precision} was requested")
    if not came.is_strong:
        return came.path, {"path": FLAGS, "arguments": {"flags": [narrow.precision.upper()]}}
    # Who chose the types of most weights chose those of the rest too.
    if amounts[narrow.type] > amounts[FLOAT]:
        if amounts[FLOAT]:
            came.journal.warn(Warn.MixedPrecision, f"the model is {narrow.precision}, some weights are fp32")
        return _as_is(came)
    target, record = convert(came.model, came.path, narrow, came.folder, came.journal)
    return target, {"path": CONVERTED, **record}


def _refuse_narrow(came: Came, amounts: Mapping[int, int], others: Sequence[Narrow]) -> None:
    """
    Refuse a model most of which is of another narrow type than the one asked for, and warn where some is.

    What is narrow already stays as it is: the engine would be what nobody asked for.
    """
    precision = came.inputs.precision
    for item in others:
        if 2 * amounts[item.type] > sum(amounts.values()):
            raise _refusal(
                f"precision {precision} was asked for, the model's weights are {item.precision}",
                f"ask for {item.precision}, or export the model in fp32",
            )
        if amounts[item.type]:
            came.journal.warn(
                Warn.MixedPrecision, f"some weights are {item.precision}, but {precision} was requested"
            )


def _int8(came: Came) -> Way:
    if is_quantized(came.model):
        return _brought(came)
    if came.files.calibration is None:
        raise _refusal(
            "precision int8 was requested, but the model has no DequantizeLinear nodes",
            "give options.calibration an .npz file of representative inputs, or quantize the model first",
        )
    if is_calibration_cache(came.files.calibration):
        return _by_calibrator(came)
    return _calibrated(came, came.files.calibration)


def _by_calibrator(came: Came) -> Way:
    if came.is_strong:
        raise RequestError(
            Reason.UnsupportedOption,
            "options.calibration: the file is a cache of TensorRT's calibrators, and "
            f"{came.inputs.release} builds strongly typed, without calibrators",
            "give an .npz file of representative inputs instead, or build with a TensorRT before 10.12",
        )
    return came.path, {"path": CALIBRATOR, "arguments": {"flags": ["INT8"], "cache": True}}


def _calibrated(came: Came, calibration: Path) -> Way:
    # Loaded where it is needed: it takes longer than most models do.
    from ignition_builder.precision.quantize import METHODS, quantize  # noqa: PLC0415

    method = str((came.inputs.options.get("calibration") or {}).get("method") or "entropy")
    if method not in METHODS:
        raise RequestError(
            Reason.UnsupportedOption,
            f"options.calibration.method: {method} is not a calibration method for int8",
            f"use {' or '.join(METHODS)}",
        )
    # Of fp16 onnxruntime makes fp32 before it quantizes; it computes nothing in bf16 (run: 1.31.1).
    _refuse_narrow(came, _amounts(came.model), (BRAIN,))
    target, record = quantize(
        came.model, came.path, calibration, method, folder=came.folder, journal=came.journal
    )
    return target, {"path": QUANTIZED, **record}


def _brought(came: Came) -> Way:
    """Take a model that was quantized before it came, if it is what was asked for."""
    precision = came.inputs.precision
    if not is_quantized(came.model):
        raise _refusal(
            f"precision {precision} was requested, but the model has no DequantizeLinear nodes", MODEL_OPT
        )
    check_quantized(came.model, came.path.parent)
    found = quantization_of(came.model)
    if precision not in found:
        raise _refusal(
            f"precision {precision} was requested, but the model is quantized to "
            f"{' and '.join(sorted(found)) or 'an unnamed type'}",
            f"ask for {' or '.join(sorted(found))}, or {MODEL_OPT}" if found else MODEL_OPT,
        )
    for other in sorted(found - {precision}):
        came.journal.warn(
            Warn.MixedPrecision, f"parts of the model are quantized to {other}, but {precision} was requested"
        )
    _refuse_calibration(came)
    return _as_is(came)


def _refuse_calibration(came: Came) -> None:
    if came.files.calibration is not None:
        raise RequestError(
            Reason.UnsupportedOption,
            f"options.calibration: nothing is calibrated for {came.inputs.precision} of this model",
            "leave it out; it is for int8 of a model without QuantizeLinear and DequantizeLinear",
        )


def _as_is(came: Came) -> Way:
    return came.path, {"path": AS_IS}


_RULES: dict[str, Callable[[Came], Way]] = {
    "fp32": _full,
    "tf32": _full,
    "fp16": _half,
    "bf16": _brain,
    "int8": _int8,
}


def _warn_of_tf32(came: Came) -> None:
    arch = came.inputs.gpu_arch
    if not has_tf32(arch):
        came.journal.warn(
            Warn.Tf32NotInForce, f"{arch} has no TF32, which begins with sm_80: it computes in fp32"
        )


def _warn_of_double(came: Came) -> None:
    graph = came.model.graph
    names = [tensor.name or "a constant" for tensor in tensors_of(came.model) if tensor.data_type == DOUBLE]
    names += [
        value.name
        for value in (*graph.input, *graph.output)
        if value.type.tensor_type.elem_type == DOUBLE and value.name not in names
    ]
    for name in names:
        came.journal.warn(Warn.DoubleNarrowed, f"{name} is DOUBLE, which TensorRT reads as FLOAT")


def _embed_inner_data(model: Any, folder: Path) -> None:
    """Take in the external data of tensors inside nodes: only the graph's own weights are moved later."""
    for tensor in inner_tensors_of(model):
        if is_external(tensor):
            take_in(tensor, folder)


def _amounts(model: Any) -> dict[int, int]:
    """Return how many numbers of each floating-point type the weights are; DOUBLE counts as FLOAT."""
    return _counted((tensor.data_type, math.prod(tensor.dims)) for tensor in tensors_of(model))


def _inputs(model: Any) -> dict[int, int]:
    """Return how many inputs are of each floating-point type: what a model without weights computes in."""
    return _counted((value.type.tensor_type.elem_type, 1) for value in model.graph.input)


def _counted(numbers: Iterable[tuple[int, int]]) -> dict[int, int]:
    amounts = {FLOAT: 0, HALF.type: 0, BRAIN.type: 0}
    for kind, number in numbers:
        kept = FLOAT if kind == DOUBLE else kind
        if kept in amounts:
            amounts[kept] += number
    return amounts


def _refusal(message: str, remedy: str) -> RequestError:
    return RequestError(Reason.UnsupportedPrecision, message, remedy)
