"""
Rewrite batch normalizations whose statistics a narrow type cannot hold.

A trained network may have a variance of 1e8 that is divided away again; rounded to fp16 it would be 65504 and
the result wrong by a factor of forty. The four vectors say no more than a scale and a shift, and those fit.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ignition_builder.checking.fresh import Fresh
from ignition_builder.checking.inspection import graphs_of
from ignition_builder.checking.weights import array_of
from ignition_builder.precision.floats import WIDE, Narrow

_DEFAULT_EPSILON = 1e-5
"""ONNX's own."""
_VECTORS = 5
"""A BatchNormalization has its input, and scale, shift, mean and variance."""


def fold_normalizations(model: Any, folder: Path, narrow: Narrow) -> int:
    """
    Give the normalizations that need it a mean of 0 and a variance of 1; return how many did.

    ``folder`` is where external data lies. Names of what was replaced are taken from the node's output.
    """
    count, fresh = 0, Fresh(model)
    for graph in graphs_of(model.graph):
        constants = _constants(graph)
        for node in graph.node:
            if node.op_type == "BatchNormalization" and len(node.output) == 1:
                vectors = _vectors(node, constants, folder)
                if vectors is not None and _overflows(vectors, narrow):
                    _replace(graph, node, vectors, fresh)
                    count += 1
    return count


def _constants(graph: Any) -> dict[str, Any]:
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            tensors.update((node.output[0], item.t) for item in node.attribute if item.name == "value")
    return tensors


def _vectors(node: Any, constants: dict[str, Any], folder: Path) -> list[Any] | None:
    found = [constants.get(name) for name in node.input[1:_VECTORS]]
    tensors = [tensor for tensor in found if tensor is not None and tensor.data_type in WIDE]
    if len(tensors) != _VECTORS - 1:
        return None
    return [array_of(tensor, folder).astype(np.float64) for tensor in tensors]


def _overflows(vectors: list[Any], narrow: Narrow) -> bool:
    return any(bool(np.any(np.abs(values) > narrow.largest)) for values in vectors)


def _replace(graph: Any, node: Any, vectors: list[Any], fresh: Fresh) -> None:
    scale, shift, mean, variance = vectors
    epsilon = next((item.f for item in node.attribute if item.name == "epsilon"), _DEFAULT_EPSILON)
    factor = scale / np.sqrt(variance + epsilon)
    folded = {
        # The node still divides by the root of its variance and epsilon.
        "scale": factor * np.sqrt(1 + epsilon),
        "shift": shift - mean * factor,
        "mean": np.zeros_like(mean),
        "variance": np.ones_like(variance),
    }
    for index, (name, values) in enumerate(folded.items(), start=1):
        tensor = onnx.numpy_helper.from_array(values.astype(np.float32), fresh(f"{node.output[0]}__{name}"))
        graph.initializer.append(tensor)
        node.input[index] = tensor.name
