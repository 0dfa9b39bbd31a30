"""
Let ONNX infer types and shapes, for the sake of what it finds wrong.

TensorRT's parser trusts a node to have the types and ranks that ONNX defines, and some of its importers crash
on others (measured on RTX 1.7.1: Tile, TopK). Weights stay where they are: only their shapes are read.
"""

import re
from typing import Any

import onnx

from ignition_builder.checking.checker_exceptions import plugins_renamed
from ignition_builder.checking.inspection import nodes_of
from ignition_hub.engine.errors import Reason, RequestError

_STALE = re.compile(r"existing (shape|dimension|rank)|differ in (dimension|rank)|differs? from existing")
"""A shape written down for a value is not what its node makes: TensorRT goes by the node, and so may we."""
_FINDING = re.compile(r"\(op_type:(?P<operator>[^,)]+)(, node name: (?P<node>[^)]*))?\): (?P<said>.+)")
_LONGEST = 400


def check_inference(model: Any, *, plugins: bool = False) -> None:
    """
    Raise RequestError (InvalidModel) naming the first node whose inputs ONNX does not allow.

    ``plugins`` as in ``load_checked``.
    """
    if finding := finding_in(model, plugins=plugins):
        raise RequestError(
            Reason.InvalidModel,
            finding,
            "export the model again; onnx.shape_inference.infer_shapes shows the same",
        )


def finding_in(model: Any, *, plugins: bool = False) -> str | None:
    """Return what ONNX says of the first node whose inputs it does not allow; None where it allows all."""
    with plugins_renamed(model, nodes_of(model), own=plugins):
        try:
            onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        except onnx.shape_inference.InferenceError as error:
            return _first(str(error))
    return None


def inferred(model: Any, *, data_prop: bool = False) -> Any:
    """Return a copy with the shapes that ONNX can tell, or ``model`` itself where its types contradict."""
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=data_prop)
    except onnx.shape_inference.InferenceError:
        return model


def _first(message: str) -> str | None:
    for line in message.splitlines():
        found = _FINDING.search(line)
        # An error inside an error is about the body of a function, which ONNX itself wrote.
        if found and not _STALE.search(line) and "(op_type:" not in found["said"]:
            named = f"node {found['node']} ({found['operator']})" if found["node"] else found["operator"]
            said = found["said"].replace("[ShapeInferenceError] ", "")
            return f"{named}: {said[:_LONGEST]}"
    return None
