"""
Quantize a model to int8 with calibration data.

onnxruntime folds what can be folded (``_fused``) and runs the calibration data (``ranges``, with
``entropy``); Q/DQ nodes are put in by ``insertion``, and ``levels`` rounds the weights on their way from file
to file. onnxruntime's own quantizer holds the model four times, and makes up names without looking whether
the model has them (run: 1.31.1).

Weighted operators get Q/DQ nodes at their inputs and nowhere else; zero points are zero, weights have a scale
per channel, and a bias stays in floating point. What is not quantized stays fp32.
"""

import tempfile
from pathlib import Path
from typing import Any

import onnx
import onnxruntime

from ignition_builder.checking.inspection import (
    graphs_of,
    inner_tensors_of,
    inputs_of,
    load_checked,
    opset_of,
    tensors_of,
)
from ignition_builder.checking.skeleton import load_skeleton
from ignition_builder.checking.weights import is_external, take_in, write_model
from ignition_builder.journal import Journal
from ignition_builder.precision.calibration import Samples, read_samples
from ignition_builder.precision.conversion import whole_graph
from ignition_builder.precision.insertion import OPERATORS, insert, places_of
from ignition_builder.precision.opset_raising import NotRaisedError, raised
from ignition_builder.precision.quantized import check_quantized, quantization_of
from ignition_builder.precision.ranges import ENTROPY, MAX, ranges_of
from ignition_hub import __version__
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError
from ignition_hub.engine.quoting import on_one_line

METHODS = (ENTROPY, MAX)
PER_CHANNEL_OPSET = 13
"""The first opset in which DequantizeLinear has an axis."""

_FATAL = 4
"""onnxruntime's number of that level."""


def quantize(
    model: Any, path: Path, calibration: Path, method: str, *, folder: Path, journal: Journal
) -> tuple[Path, dict[str, Any]]:
    """
    Write the int8 version of ``model``, which lies in ``path``, into ``folder``; return the new file and what
    made it.

    ``method`` is ``entropy`` or ``max``. Raises RequestError: InvalidRequest for calibration data that does
    not fit the model, UnsupportedPrecision when the model cannot be quantized.
    """
    samples = read_samples(calibration, inputs_of(model))
    target = folder / "int8.onnx"
    _check_worth(model)
    with tempfile.TemporaryDirectory(dir=folder, prefix="quantize-") as scratch:
        try:
            is_half = any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in tensors_of(model))
            came = _fused(_copied(model, path, Path(scratch), journal), "fused")
            if is_half:
                came = _fused(came, "widened")
            _quantize(came, target, samples, method, journal)
        except IgnitionError:
            raise
        # onnxruntime fails on unusual graphs with whatever its code runs into.
        except Exception as error:
            raise _refusal(f"{type(error).__name__}: {on_one_line(str(error), 400)}") from error
    _check(target)
    return target, _record(method, samples)


def _copied(model: Any, path: Path, scratch: Path, journal: Journal) -> Path:
    """Write the model where onnxruntime may write beside it, with an opset that has scales per channel."""
    model = whole_graph(model)
    if opset_of(model) < PER_CHANNEL_OPSET:
        journal.note(f"the opset is raised from {opset_of(model)} to {PER_CHANNEL_OPSET} to quantize")
        model = _raised(model)
    copy = scratch / "came.onnx"
    write_model(model, path.parent, copy, {})
    return copy


def _raised(model: Any) -> Any:
    try:
        return raised(model, PER_CHANNEL_OPSET)
    except NotRaisedError as error:
        raise RequestError(
            Reason.UnsupportedPrecision,
            "the model cannot be quantized to int8: ONNX has scales per channel from opset "
            f"{PER_CHANNEL_OPSET} on, and the model's opset {opset_of(model)} cannot be raised ({error})",
            f"export the model with opset {PER_CHANNEL_OPSET} or newer, or ask for fp16",
        ) from error


def _fused(path: Path, name: str) -> Path:
    """
    Return the model, in the same folder, with normalizations folded into the weights before them.

    Of an fp16 model onnxruntime makes one that computes in fp32 and casts its weights; only when that is
    fused again are they weights, which have a scale per channel (run: onnxruntime 1.31.1).
    """
    fused = path.with_name(f"{name}.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(fused)
    entries = {
        "session.optimized_model_external_initializers_file_name": f"{fused.name}.data",
        "session.disable_prepacking": "1",
    }
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _FATAL
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    _store_once(fused)
    return fused


def _store_once(path: Path) -> None:
    """Take out the second copy that onnxruntime 1.23.2 stores of weights in branches, and does not read."""
    model = onnx.load(str(path), load_external_data=False)
    for graph in list(graphs_of(model.graph))[1:]:
        once = {tensor.name: tensor for tensor in graph.initializer}
        if len(once) < len(graph.initializer):
            kept = list(once.values())
            del graph.initializer[:]
            graph.initializer.extend(kept)
            path.write_bytes(model.SerializeToString())


def _quantize(path: Path, target: Path, samples: Samples, method: str, journal: Journal) -> None:
    model = load_skeleton(path)
    # onnxruntime stores the weights of branches and loops beside the file too (run: 1.31.1).
    for tensor in filter(is_external, inner_tensors_of(model)):
        take_in(tensor, path.parent)
    places = places_of(model)
    if not places.weights and not places.activations:
        raise _nothing(model)
    ranges = ranges_of(model, path.parent, places.activations, samples, method=method, journal=journal)
    insert(model, path.parent, places, ranges)
    write_model(model, path.parent, target, {})


def _check_worth(model: Any) -> None:
    if not any(_operators(graph) for graph in graphs_of(model.graph)):
        raise _nothing(model)


def _nothing(model: Any) -> RequestError:
    inner = [operators for graph in list(graphs_of(model.graph))[1:] if (operators := _operators(graph))]
    if inner:
        found = ", ".join(sorted(set().union(*inner)))
        return _refusal(f"its {found} lie in branches or loops, where nothing is quantized")
    return _refusal(f"it has nothing to quantize: no weights of {', '.join(OPERATORS)}")


def _operators(graph: Any) -> set[str]:
    return {node.op_type for node in graph.node} & set(OPERATORS)


def _check(target: Path) -> None:
    try:
        model = load_checked(target)
    except IgnitionError as error:
        raise _refusal(f"it became a model that ONNX refuses: {error.message}") from error
    check_quantized(model, target.parent)
    if "int8" not in quantization_of(model):
        raise _nothing(model)


def _record(method: str, samples: Samples) -> dict[str, Any]:
    return {
        "name": "ignition-hub",
        "version": __version__,
        "arguments": {
            "type": "int8",
            "onnxruntime": onnxruntime.__version__,
            "calibrate_method": method,
            "samples": samples.count,
            "per_channel": True,
            "symmetric": True,
            "quantized": list(OPERATORS),
            "else": "fp32",
        },
    }


def _refusal(why: str) -> RequestError:
    return RequestError(
        Reason.UnsupportedPrecision,
        f"the model cannot be quantized to int8 ({why})",
        "quantize it before pushing, or ask for fp16",
    )
