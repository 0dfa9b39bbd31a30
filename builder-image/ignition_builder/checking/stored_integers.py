"""
Weights that are kept as small integers and cast back: no quantization, only a small file.

TensorRT takes a constant of INT8 for a quantized one, whatever reads it, and fails after the whole build
(run: RTX 1.7.1: “Quantized constant … is only allowed before DQ”); it has no integers of 16 bits at all. The
same numbers as INT32 are what the network computes with, so that is how they are written.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.graphs import graphs_of, inner_tensors_of, nodes_of
from ignition_builder.checking.weights import Change, is_external, take_in, write_model

Proto = onnx.TensorProto
WIDENED = {
    Proto.INT8: (np.dtype("i1"), Proto.INT32, np.dtype("<i4")),
    Proto.INT16: (np.dtype("<i2"), Proto.INT32, np.dtype("<i4")),
    Proto.UINT16: (np.dtype("<u2"), Proto.INT32, np.dtype("<i4")),
    Proto.UINT32: (np.dtype("<u4"), Proto.INT64, np.dtype("<i8")),
}
"""How a type's numbers are stored; the type of TensorRT's that holds them all, and how it stores them."""
CASTS = frozenset({"Cast", "CastLike"})
MOVES = frozenset(
    {
        "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "Reshape", "Slice", "Split",
        "Squeeze", "Tile", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""Operators whose outputs are numbers of their first input, as they were."""

Readers = Mapping[str, Sequence[tuple[Any, int]]]
"""By the name of a value, the nodes that read it and as which of their inputs."""


def widen_stored_integers(model: Any, path: Path, folder: Path) -> tuple[Path, bool]:
    """
    Store constants that end in a Cast, and nowhere else, in a type that TensorRT computes with.

    ``model`` lies in ``path``. Returns where its weights are now, a new file in ``folder`` if those of a file
    had to be stored anew, and whether ``model`` is no longer what that file holds.
    """
    stored = _stored(model)
    if not stored:
        return path, False
    for tensor in filter(is_external, inner_tensors_of(model)):
        take_in(tensor, path.parent)
    in_files = [tensor for tensor in stored if is_external(tensor)]
    for tensor in stored:
        if not is_external(tensor):
            _widen(tensor)
    changes = dict(_widened(tensor) for tensor in in_files)
    if not changes:
        return path, True
    target = folder / "widened.onnx"
    write_model(model, path.parent, target, changes)
    return target, False


def _stored(model: Any) -> list[Any]:
    """Return the constants to be widened; what the model says of their types elsewhere is forgotten."""
    readers, given = _readers(model), _given(model)
    found = {}
    for name, tensor in _constants(model):
        passed = _passed(name, readers)
        if tensor.data_type in WIDENED and passed and not passed & given:
            found[name] = (tensor, passed)
    _retype({name for _, passed in found.values() for name in passed}, model)
    return [tensor for tensor, _ in found.values()]


def _passed(name: str, readers: Readers) -> set[str]:
    """Return the names a constant has until it is cast; none if anything else is done with it."""
    passed, waiting = set(), [name]
    while waiting:
        passed.add(moved := waiting.pop())
        for node, place in readers.get(moved, ()):
            if place or node.domain not in ONNX_DOMAINS or node.op_type not in CASTS | MOVES:
                return set()
            if node.op_type in MOVES:
                waiting += [output for output in node.output if output not in passed]
    return passed if name in readers else set()


def _constants(model: Any) -> Iterator[tuple[str, Any]]:
    for graph in graphs_of(model.graph):
        for tensor in graph.initializer:
            yield tensor.name, tensor
        for node in graph.node:
            if node.op_type == "Constant" and node.domain in ONNX_DOMAINS and len(node.output) == 1:
                yield from ((node.output[0], item.t) for item in node.attribute if item.HasField("t"))


def _readers(model: Any) -> Readers:
    readers = defaultdict(list)
    for node in nodes_of(model):
        for place, name in enumerate(node.input):
            readers[name].append((node, place))
    return readers


def _given(model: Any) -> set[str]:
    """Return what a graph gives out: its type is promised."""
    return {value.name for graph in graphs_of(model.graph) for value in graph.output}


def _retype(names: set[str], model: Any) -> None:
    for graph in graphs_of(model.graph):
        kept = [value for value in graph.value_info if value.name not in names]
        del graph.value_info[:]
        graph.value_info.extend(kept)
        # Before IR version 4 a weight is listed as an input too.
        for value in graph.input:
            if value.name in names:
                kind = value.type.tensor_type
                kind.elem_type = WIDENED[kind.elem_type][1]


def _widened(tensor: Any) -> tuple[str, Change]:
    """Give a tensor whose numbers lie in a file another type, and return how to store them for it."""
    before, tensor.data_type, after = WIDENED[tensor.data_type]
    return tensor.name, Change(before, lambda _, values: values.astype(after).tobytes())


def _widen(tensor: Any) -> None:
    _, _, after = WIDENED[tensor.data_type]
    values = onnx.numpy_helper.to_array(tensor).astype(after)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
