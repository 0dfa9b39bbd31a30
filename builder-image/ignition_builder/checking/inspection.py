"""
Look at an ONNX model before TensorRT does: TensorRT's parser accepts an empty file, opset 99 and much else.

Runs in a child process of its own, because the bytes are a stranger's, and because the memory it takes is
given back before the engine is compiled.
"""

import math
import re
from pathlib import Path
from typing import Any

import onnx

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS, check_text, set_aside
from ignition_builder.checking.external import MOST_ELEMENTS, check_tensor
from ignition_builder.checking.graphs import (
    every_graph,
    graphs_of,
    inner_tensors_of,
    nodes_of,
    tensors_of,
)
from ignition_builder.checking.group_normalization import spell_out_group_normalizations
from ignition_builder.checking.imports import forget_unused_imports
from ignition_builder.checking.onnxruntime_operators import check_origin
from ignition_builder.checking.ordering import put_in_order
from ignition_builder.checking.signature import ModelInput
from ignition_builder.checking.skeleton import load_skeleton, not_onnx
from ignition_builder.checking.unread_attributes import spell_out_unread_attributes
from ignition_builder.checking.weights import is_external
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.quoting import on_one_line

__all__ = [
    "check_written",
    "facts_of",
    "graphs_of",
    "inner_tensors_of",
    "inputs_of",
    "load_checked",
    "load_mended",
    "nodes_of",
    "opset_of",
    "tensors_of",
    "type_name",
]

_UNKNOWN_OPERATOR = re.compile(r"No Op registered for (\S+) with domain_version of (\d+)")
_DEPRECATED = re.compile(r"Op registered for (\S+) is deprecated in domain_version of (\d+)")
_INSTEAD = {"Upsample": "Resize", "Scatter": "ScatterElements"}
_NODE = re.compile(r"Name: (.*?) OpType: (\S+)")


def load_checked(path: Path, *, plugins: bool = False) -> Any:
    """
    Return the model in ``path`` with its large weights left in the file.

    ``plugins`` says that a plugin library may define operators ONNX does not know.

    Raises RequestError: InvalidModel for what is not a usable model, UnsupportedOperator for an operator
    ONNX or TensorRT does not define.
    """
    model, _ = load_mended(path, plugins=plugins)
    return model


def load_mended(path: Path, *, plugins: bool = False) -> tuple[Any, bool]:
    """Return what ``load_checked`` does, and whether it computes the same with other nodes than the file."""
    model = load_skeleton(path)
    check_text(model)
    _check_structure(model, path.parent)
    if not plugins:
        check_origin(model)
    forget_unused_imports(model)
    is_changed = put_in_order(model)
    is_changed |= spell_out_group_normalizations(model)
    is_changed |= spell_out_unread_attributes(model)
    with set_aside(model, nodes_of(model), own_plugins=plugins):
        _run_checker(model)
    _check_graph(model)
    return model, is_changed


def check_written(path: Path) -> None:
    """
    Raise RequestError (InvalidModel) unless ONNX's checker takes what the builder wrote to ``path``.

    What it was made of went through ``load_mended``; it may have plugins.
    """
    model = load_skeleton(path)
    with set_aside(model, nodes_of(model), own_plugins=True):
        _run_checker(model)


def inputs_of(model: Any) -> list[ModelInput]:
    """Return the inputs a caller has to give; weights listed as inputs, as before IR version 4, are none."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [_input(value) for value in model.graph.input if value.name not in weights]


def facts_of(model: Any) -> dict[str, Any]:
    """Return opset, inputs and outputs as the manifest records them."""
    return {
        "opset": opset_of(model),
        "inputs": [_fact(item) for item in inputs_of(model)],
        "outputs": [_fact(_input(value)) for value in model.graph.output],
    }


def opset_of(model: Any) -> int:
    """Return the version of ONNX's own operator set; 0 when the model imports none."""
    return max((item.version for item in model.opset_import if item.domain in ONNX_DOMAINS), default=0)


def type_name(kind: int) -> str:
    """Return how ONNX calls an element type, in small letters; its number when ONNX knows none such."""
    known = kind in onnx.TensorProto.DataType.values()
    return onnx.TensorProto.DataType.Name(kind).lower() if known else f"type {kind}"


def _check_structure(model: Any, folder: Path) -> None:
    for tensor in tensors_of(model):
        check_tensor(tensor, folder)
    for graph in every_graph(model):
        sparse = getattr(graph, "sparse_initializer", ())
        if sparse or any(_is_sparse(attribute) for node in graph.node for attribute in node.attribute):
            raise RequestError(
                Reason.UnsupportedOperator,
                "the model has sparse tensors, which TensorRT does not read",
                "store the weights densely; options.sparseWeights finds structured sparsity in them",
            )
    for value in (*model.graph.input, *model.graph.output):
        _check_value(value)


def _is_sparse(attribute: Any) -> bool:
    return attribute.HasField("sparse_tensor") or bool(attribute.sparse_tensors)


def _check_value(value: Any) -> None:
    sizes = [item.dim_value for item in value.type.tensor_type.shape.dim if item.HasField("dim_value")]
    if any(size < -1 for size in sizes) or math.prod(size for size in sizes if size > 0) > MOST_ELEMENTS:
        raise RequestError(
            Reason.InvalidModel,
            f"{value.name}: its shape {sizes[:9]} is not a valid tensor shape",
            "export the model with the shapes it is used with",
        )


def _run_checker(model: Any) -> None:
    try:
        onnx.checker.check_model(_without_data(model))
    except onnx.checker.ValidationError as error:
        raise _invalid(str(error)) from error
    except ValueError as error:
        # The checker reads the model anew, and its reader is stricter than Python's.
        raise not_onnx(str(error)) from error


def _without_data(model: Any) -> Any:
    """
    Return a copy whose external tensors are empty ones.

    Where their data lies was asked by ``check_tensor``; the checker would refuse a file with a second name
    (run: onnx 1.23.2).
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in filter(is_external, tensors_of(copy)):
        tensor.ClearField("external_data")
        tensor.data_location = onnx.TensorProto.DEFAULT
        tensor.dims[:] = [0]
    return copy


def _invalid(message: str) -> RequestError:
    unknown, node = _UNKNOWN_OPERATOR.search(message), _NODE.search(message)
    if unknown:
        name = node[1] if node and node[1] else "without a name"
        return RequestError(
            Reason.UnsupportedOperator,
            f"node {name}: ONNX opset {unknown[2]} has no operator {unknown[1]}",
            "export the model with standard operators, or name its library in options.plugins",
        )
    if deprecated := _DEPRECATED.search(message):
        return _no_longer(deprecated[1], deprecated[2], node[1] if node else "")
    if "ir_version" in message:
        return not_onnx("it has no IR version")
    return RequestError(
        Reason.InvalidModel,
        f"the ONNX checker refuses the model: {on_one_line(message, 600)}",
        "export the model again until onnx.checker.check_model accepts it",
    )


def _no_longer(operator: str, opset: str, node: str) -> RequestError:
    instead = f"use {_INSTEAD[operator]} in its place, or " if operator in _INSTEAD else ""
    return RequestError(
        Reason.UnsupportedOperator,
        f"node {node or 'without a name'} ({operator}): ONNX removed it before opset {opset}",
        f"{instead}export the model with an opset that has it",
    )


def _check_graph(model: Any) -> None:
    if not model.graph.node:
        raise RequestError(
            Reason.InvalidModel, "the model has no layers", "export the model, not its weights"
        )
    if not model.graph.output:
        raise RequestError(Reason.InvalidModel, "the model has no outputs", "mark at least one output")
    newest, opset = onnx.defs.onnx_opset_version(), opset_of(model)
    if opset > newest:
        raise RequestError(
            Reason.InvalidModel,
            f"opset {opset} does not exist for this builder, which knows ONNX up to opset {newest}",
            f"export the model with opset {newest} or older",
        )


def _input(value: Any) -> ModelInput:
    tensor = value.type.tensor_type
    dtype = type_name(tensor.elem_type)
    if not tensor.HasField("shape"):
        return ModelInput(value.name, dtype, None)
    return ModelInput(value.name, dtype, tuple(_size(item) for item in tensor.shape.dim))


def _size(dimension: Any) -> int | str:
    fixed = dimension.WhichOneof("value") == "dim_value" and dimension.dim_value >= 0
    return int(dimension.dim_value) if fixed else str(dimension.dim_param)


def _fact(item: ModelInput) -> dict[str, Any]:
    return {
        "name": item.name,
        "dtype": item.dtype,
        "shape": None if item.shape is None else list(item.shape),
    }
