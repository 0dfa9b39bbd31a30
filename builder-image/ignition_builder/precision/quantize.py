"""
Quantize a model to int8 with calibration data, by onnxruntime's static quantizer.

Weighted operators get Q/DQ nodes at their inputs and nowhere else, as NVIDIA's documentation asks for; zero
points are zero, weights have a scale per channel, and a bias stays in floating point. What is not quantized
stays fp32. onnxruntime holds the whole model, so this takes about four times the weights in memory, and what
the calibration runs through the model besides.
"""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from ignition_builder.checking.inspection import graphs_of, inputs_of, load_checked, opset_of, tensors_of
from ignition_builder.checking.weights import external_size, write_model
from ignition_builder.journal import Journal
from ignition_builder.precision.calibration import Samples, read_samples
from ignition_builder.precision.conversion import whole_graph
from ignition_builder.precision.plain import give_names_back, plain_copy
from ignition_builder.precision.positions import Positions
from ignition_builder.precision.quantized import check_quantized, quantization_of
from ignition_builder.precision.raising import NotRaisedError, raised
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError
from ignition_hub.engine.words import on_one_line

OPERATORS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""What is quantized: the operators that have weights."""
METHODS = {"entropy": CalibrationMethod.Entropy, "max": CalibrationMethod.MinMax}
PER_CHANNEL_OPSET = 13
"""The first opset in which DequantizeLinear has an axis."""
ONE_FILE = 1 << 30
"""Bytes of weights up to which the quantized model is one file; protobuf ends at 2 GiB."""

_ERROR = 3
"""onnxruntime's number of that level."""

_SETTINGS = {
    "ActivationSymmetric": True,
    "WeightSymmetric": True,
    "CalibTensorRangeSymmetric": True,
    "QuantizeBias": False,
    # Weights would be adjusted for the sake of a quantized bias.
    "QDQDisableWeightAdjustForInt32Bias": True,
    "MatMulConstBOnly": True,
    "OpTypesToExcludeOutputQuantization": list(OPERATORS),
}


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Gives onnxruntime one sample at a time, by the ``plain`` names of the inputs."""

    def __init__(self, samples: Samples, plain: Mapping[str, str]) -> None:
        self._samples, self._plain = iter(samples), plain

    def get_next(self) -> dict[str, Any] | None:
        sample = next(self._samples, None)
        return sample and {self._plain[name]: values for name, values in sample.items()}


def quantize(
    model: Any, path: Path, calibration: Path, method: str, *, folder: Path, journal: Journal
) -> tuple[Path, dict[str, Any]]:
    """
    Write the int8 version of ``model``, which lies in ``path``, into ``folder``; return the new file and what
    made it.

    ``method`` is ``entropy`` or ``max``. Raises RequestError: InvalidRequest for calibration data that does
    not fit the model, UnsupportedPrecision when the model cannot be quantized.
    """
    with _scratch(folder) as scratch:
        samples = read_samples(calibration, inputs_of(model))
        target = folder / "int8.onnx"
        _check_worth(model)
        try:
            is_half = any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in tensors_of(model))
            came = _fused(_copied(model, path, scratch, journal), scratch / "fused.onnx")
            if is_half:
                came = _fused(came, scratch / "widened.onnx")
            _quantize(came, target, samples, method, large=external_size(model) > ONE_FILE)
        except IgnitionError:
            raise
        # A third-party quantizer fails on unusual graphs with whatever its code runs into.
        except Exception as error:
            raise _refusal(f"{type(error).__name__}: {on_one_line(str(error), 400)}") from error
    _check(target)
    return target, _record(method, samples)


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Give a folder for what onnxruntime writes on its way, and keep it there and quiet."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="quantize-") as name:
        before, tempfile.tempdir = tempfile.tempdir, name
        logger = logging.getLogger()
        level = logger.level
        # It warns of what it was told to do, and advises the very steps that are taken.
        logger.setLevel(logging.ERROR)
        onnxruntime.set_default_logger_severity(_ERROR)
        try:
            yield Path(name)
        finally:
            tempfile.tempdir = before
            logger.setLevel(level)


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


def _fused(path: Path, fused: Path) -> Path:
    """
    Return the model with normalizations folded into the weights before them, and shapes inferred.

    Of an fp16 model onnxruntime makes one that computes in fp32 and casts its weights; only when that is
    fused again are they weights, which have a scale per channel (run: onnxruntime 1.31.1).
    """
    quant_pre_process(
        str(path),
        str(fused),
        skip_symbolic_shape=True,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        external_data_location=f"{fused.name}.data",
    )
    return fused


def _quantize(path: Path, target: Path, samples: Samples, method: str, *, large: bool) -> None:
    plain = path.with_name("plain.onnx")
    own = plain_copy(path, plain)
    exact = _named_exact(plain)
    quantize_static(
        str(plain),
        str(target),
        _Reader(samples, {name: made for made, name in own.items()}),
        op_types_to_quantize=list(OPERATORS),
        nodes_to_exclude=exact,
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        use_external_data_format=large,
        calibrate_method=METHODS[method],
        extra_options=dict(_SETTINGS),
    )
    give_names_back(target, own)


def _named_exact(path: Path) -> list[str]:
    """Give the nodes that compute positions names of their own, in the file, and return these."""
    model = onnx.load(path, load_external_data=False)
    wide = Positions(onnx.shape_inference.infer_shapes(model)).wide
    nodes = [node for node in model.graph.node if node.op_type in OPERATORS and wide.issuperset(node.output)]
    for number, node in enumerate(nodes):
        node.name = f"position_{number}_{node.output[0]}"
    path.write_bytes(model.SerializeToString())
    return [str(node.name) for node in nodes]


def _check_worth(model: Any) -> None:
    operators = {node.op_type for graph in graphs_of(model.graph) for node in graph.node}
    if not operators & set(OPERATORS):
        raise _nothing()


def _nothing() -> RequestError:
    return _refusal(f"it has nothing to quantize: no weights of {', '.join(OPERATORS)}")


def _check(target: Path) -> None:
    try:
        model = load_checked(target)
    except IgnitionError as error:
        raise _refusal(f"onnxruntime made a model of it that ONNX refuses: {error.message}") from error
    check_quantized(model, target.parent)
    if "int8" not in quantization_of(model):
        raise _nothing()


def _record(method: str, samples: Samples) -> dict[str, Any]:
    return {
        "name": "onnxruntime",
        "version": onnxruntime.__version__,
        "arguments": {
            "type": "int8",
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
