"""
Convert a model to fp16, with inputs and outputs as they were, and without holding its weights.

The graph is converted by onnxconverter-common, which sees large weights as references and changes only
their type; their values are converted on the way from the old file into the new one.
"""

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxconverter_common
from onnxconverter_common import float16

from ignition_builder.journal import Journal
from ignition_builder.weights import Change, is_external, write_model
from ignition_hub.engine.errors import Reason, RequestError

LARGEST_HALF = 65504.0
SMALLEST_HALF = 1e-7
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
    Write the fp16 version of ``model``, which lies in ``path``, into ``folder``; return its path and what
    converted it.

    ``model`` is used up. Raises RequestError (UnsupportedPrecision) when the converter cannot do it.
    """
    _name_nodes(model.graph)
    _detach_outputs(model.graph)
    fp32 = {tensor.name for tensor in model.graph.initializer if _is_large_fp32(tensor)}
    converted = _convert(model, journal)
    changes: dict[str, Change] = {
        tensor.name: partial(_halved, journal)
        for tensor in converted.graph.initializer
        # The converter leaves in fp32 what only its blocked operators read.
        if tensor.name in fp32 and tensor.data_type == HALF
    }
    target = folder / "half.onnx"
    write_model(converted, path.parent, target, changes)
    return target, CONVERTER


def _is_large_fp32(tensor: Any) -> bool:
    return is_external(tensor) and tensor.data_type == FLOAT


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


def _halved(journal: Journal, tensor: Any, values: Any) -> bytes:
    size = np.abs(values)
    if bool(np.any(np.isfinite(values) & (size > LARGEST_HALF))):
        journal.warn("WeightsTruncated", f"{tensor.name}: values beyond {LARGEST_HALF:.0f}, the largest fp16")
    bounded = np.where(np.isfinite(values), np.clip(values, -LARGEST_HALF, LARGEST_HALF), values)
    # As the converter does: a weight that is not zero does not become zero.
    tiny = (size > 0) & (size < SMALLEST_HALF)
    bounded[tiny] = np.copysign(np.float32(SMALLEST_HALF), values[tiny])
    return bytes(bounded.astype("<f2").tobytes())
