"""
INT64 where TensorRT has none: before 10 its parser stores INT32, and what does not fit is clamped.

TensorRT 10 and TensorRT-RTX keep INT64 (documentation). A clamped end of a Slice is harmless, an index or a
hash is not; so every constant is counted and named, and ``failOnWarnings`` decides.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ignition_builder.checking.inspection import graphs_of
from ignition_builder.checking.weights import array_of
from ignition_builder.journal import Journal
from ignition_hub.compatibility.support_matrix import Version, parse_version
from ignition_hub.engine.identity import TENSORRT_RTX, EngineInputs
from ignition_hub.engine.warnings import Warn

INT64_SINCE: Version = (10, 0)
_LOWEST, _HIGHEST = -(2**31), 2**31 - 1


def is_int64_native(inputs: EngineInputs) -> bool:
    """Whether the TensorRT that was asked for keeps INT64."""
    return inputs.flavor == TENSORRT_RTX or parse_version(inputs.tensorrt_version) >= INT64_SINCE


def warn_of_clamping(model: Any, folder: Path, inputs: EngineInputs, journal: Journal) -> None:
    """
    Warn, once for each constant, of INT64 values beyond INT32 that this TensorRT would clamp.

    ``folder`` is where external data lies.
    """
    if is_int64_native(inputs):
        return
    for name, values in _constants(model, folder):
        beyond = values[(values < _LOWEST) | (values > _HIGHEST)]
        if beyond.size:
            journal.warn(
                Warn.Int64Clamped,
                f"{name}: {beyond.size} of {values.size} values are beyond INT32, such as {beyond.flat[0]}; "
                f"TensorRT {inputs.tensorrt_version} clamps them, 10.0 and newer keep them",
            )


def _constants(model: Any, folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield the INT64 constants of a model, each with its name."""
    for graph in graphs_of(model.graph):
        for tensor in graph.initializer:
            yield from _of_tensor(tensor.name, tensor, folder)
        for node in graph.node:
            if node.op_type == "Constant" and node.output:
                for attribute in node.attribute:
                    if attribute.name in ("value_int", "value_ints"):
                        values = attribute.ints or [attribute.i]
                        yield node.output[0], np.array(values, dtype=np.int64)
                    elif attribute.HasField("t"):
                        yield from _of_tensor(node.output[0], attribute.t, folder)


def _of_tensor(name: str, tensor: Any, folder: Path) -> Iterator[tuple[str, Any]]:
    if tensor.data_type == onnx.TensorProto.INT64:
        yield name, np.asarray(array_of(tensor, folder))
