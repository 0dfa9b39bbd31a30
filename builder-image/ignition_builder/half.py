"""
Convert a model to fp16, with inputs and outputs as they were, and without holding its weights twice.

The graph is converted by onnxconverter-common. The large weights are lifted out before (a converter that
infers shapes copies everything several times) and written after, one by one, into a file beside the model.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxconverter_common
from onnxconverter_common import float16

from ignition_builder.journal import Journal
from ignition_hub.engine.errors import Reason, RequestError

LARGE = 16 * 1024
"""Bytes from which a weight is lifted; below are also the constants that shape inference has to read."""
LARGEST_HALF = 65504.0
SMALLEST_HALF = 1e-7
CHUNK = 4 * 1024 * 1024
"""Weights converted at once."""

FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
CONVERTER = {
    "name": "onnxconverter-common",
    "version": onnxconverter_common.__version__,
    "arguments": {
        "keep_io_types": True,
        "min_positive_val": SMALLEST_HALF,
        "max_finite_val": LARGEST_HALF,
    },
}


def convert_to_half(model: Any, path: Path, folder: Path, journal: Journal) -> tuple[Path, dict[str, Any]]:
    """
    Write the fp16 version of ``model`` into ``folder``; return its path and what converted it.

    ``model`` is used up. Raises RequestError (UnsupportedPrecision) when the converter cannot do it.
    """
    _name_nodes(model.graph)
    _detach_outputs(model.graph)
    weights = _lift_weights(model, path.parent)
    converted = _convert(model, journal)
    target = folder / "half.onnx"
    with (folder / "half.onnx.data").open("wb") as data:
        for tensor in converted.graph.initializer:
            if tensor.name in weights:
                _write_weight(tensor, weights.pop(tensor.name), data, journal)
    onnx.save(converted, str(target))
    return target, CONVERTER


def _name_nodes(graph: Any) -> None:
    """Give every node a name of its own: the converter names its casts after them."""
    seen: set[str] = set()
    for index, node in enumerate(graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.name or node.op_type}__{index}"
        seen.add(node.name)


def _detach_outputs(graph: Any) -> None:
    """
    Put an Identity before every output that other nodes read too.

    The converter casts an output back to fp32 under its own name, and its readers would get fp32.
    """
    read = {name for node in graph.node for name in node.input}
    for value in graph.output:
        if value.name not in read:
            continue
        inner = f"{value.name}__inner"
        for node in graph.node:
            for names in (node.input, node.output):
                for index, name in enumerate(names):
                    if name == value.name:
                        names[index] = inner
        graph.node.append(
            onnx.helper.make_node("Identity", [inner], [value.name], name=f"{value.name}__output")
        )


def _lift_weights(model: Any, folder: Path) -> dict[str, Any]:
    """Take the large fp32 weights out of the model; return them by name as arrays."""
    lifted: dict[str, Any] = {}
    for tensor in model.graph.initializer:
        external = tensor.data_location == onnx.TensorProto.EXTERNAL
        if tensor.data_type != FLOAT or not (external or len(tensor.raw_data) >= LARGE):
            if external:
                onnx.external_data_helper.load_external_data_for_tensor(tensor, str(folder))
                _forget_location(tensor)
            continue
        lifted[tensor.name] = _mapped(tensor, folder) if external else tensor.raw_data
        tensor.ClearField("raw_data")
        _forget_location(tensor)
    return lifted


def _mapped(tensor: Any, folder: Path) -> Any:
    info = onnx.external_data_helper.ExternalDataInfo(tensor)
    count = int(np.prod(tensor.dims, dtype=np.int64))
    return np.memmap(folder / info.location, dtype="<f4", mode="r", offset=info.offset or 0, shape=(count,))


def _forget_location(tensor: Any) -> None:
    tensor.ClearField("external_data")
    tensor.data_location = onnx.TensorProto.DEFAULT


def _convert(model: Any, journal: Journal) -> Any:
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            converted = float16.convert_float_to_float16(
                model,
                min_positive_val=SMALLEST_HALF,
                max_finite_val=LARGEST_HALF,
                keep_io_types=True,
                check_fp16_ready=False,
            )
    # A third-party converter fails on unusual graphs with whatever its code runs into.
    except Exception as error:
        raise RequestError(
            Reason.UnsupportedPrecision,
            f"the model cannot be converted to fp16 ({type(error).__name__}: {error})",
            "convert it before pushing, or ask for fp32",
        ) from error
    for warning in said:
        journal.warn("WeightsTruncated", str(warning.message))
    return converted


def _write_weight(tensor: Any, weight: Any, data: Any, journal: Journal) -> None:
    """Append a lifted weight to ``data`` in the type the converter gave its tensor, and point there."""
    values = np.frombuffer(weight, dtype="<f4") if isinstance(weight, bytes) else weight
    start = data.tell()
    for at in range(0, len(values), CHUNK):
        chunk = values[at : at + CHUNK]
        data.write(_halved(chunk, tensor.name, journal) if tensor.data_type == HALF else chunk.tobytes())
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "half.onnx.data"), ("offset", start), ("length", data.tell() - start)):
        tensor.external_data.add(key=key, value=str(value))


def _halved(values: Any, name: str, journal: Journal) -> bytes:
    size = np.abs(values)
    if bool(np.any(np.isfinite(values) & (size > LARGEST_HALF))):
        journal.warn("WeightsTruncated", f"{name}: values beyond {LARGEST_HALF:.0f}, the largest fp16")
    bounded = np.where(np.isfinite(values), np.clip(values, -LARGEST_HALF, LARGEST_HALF), values)
    # As the converter does: a weight that is not zero does not become zero.
    tiny = (size > 0) & (size < SMALLEST_HALF)
    bounded[tiny] = np.copysign(np.float32(SMALLEST_HALF), values[tiny])
    return bytes(bounded.astype("<f2").tobytes())
