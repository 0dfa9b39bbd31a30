"""
Raise the opset of a model, where that leaves it the same model.

A type or an axis of scales is often defined only in a newer opset. ONNX's version converter rewrites most
operators truly, and changes some without a word (run: onnx 1.23.2, opsets 7 to 22): it lets a Hardmax and a
GroupNormalization be what the newer opset calls by that name, and gives a Resize of opset 10, and what was an
Upsample, the sampling that opset 11 has by default. The last are mended here, the others are not raised.
"""

from collections.abc import Iterator
from typing import Any

import onnx
from onnx import numpy_helper, version_converter

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.inspection import graphs_of, opset_of
from ignition_hub.engine.quoting import on_one_line

OLDEST = 7
"""The first opset that onnxruntime runs, and so the first whose raising anybody can prove."""
CHANGED = {"Hardmax": 13, "GroupNormalization": 21}
"""Operators that mean something else from an opset on, and that the converter takes over as they are."""
SAMPLING_CHANGED = 11
"""The opset from which a Resize says how it samples; before, it had one way."""
SAMPLING = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
"""That way. Where nothing becomes smaller onnxruntime computes the same to the last bit (run: 1.31.1)."""
_SAMPLERS = frozenset({"Resize", "Upsample"})


class NotRaisedError(Exception):
    """A node that would become another, or that the converter does not know; the words name it."""


def raised(model: Any, opset: int) -> Any:
    """
    Return ``model``, which has no local functions, in the newer ``opset``; NotRaisedError where it would not
    be the same model any more.
    """
    came = opset_of(model)
    if finding := next(_findings(model, came, opset), None):
        raise NotRaisedError(finding)
    samplers = _samplers(model) if came < SAMPLING_CHANGED <= opset else set()
    try:
        made = version_converter.convert_version(model, opset)
    # It has no adapter for some operators, and says so with a RuntimeError.
    except (RuntimeError, ValueError) as error:
        raise NotRaisedError(on_one_line(str(error), 400)) from error
    _keep_sampling(made, samplers)
    lowest = onnx.helper.find_min_ir_version_for(made.opset_import, ignore_unknown=True)
    made.ir_version = max(model.ir_version, lowest)
    return made


def _findings(model: Any, came: int, opset: int) -> Iterator[str]:
    """Yield what would not be the same in ``opset``."""
    if came < OLDEST:
        yield f"nothing can run opset {came} to prove that a newer one computes the same"
    for node in _own_nodes(model):
        changed = CHANGED.get(node.op_type, 0)
        if came < changed <= opset:
            yield f"{_named(node)} means something else from opset {changed} on"
        if node.op_type == "Resize" and came < SAMPLING_CHANGED <= opset and _may_shrink(node, model):
            yield (
                f"{_named(node)} may take the nearest of fewer values, and opset {came} does not say which; "
                f"opset {SAMPLING_CHANGED} does"
            )


def _may_shrink(node: Any, model: Any) -> bool:
    """Whether a Resize takes the nearest value and is not known to make more of each."""
    mode = next((item.s.decode() for item in node.attribute if item.name == "mode"), "nearest")
    if mode != "nearest":
        return False
    scales = _constant(node.input[1], model)
    return scales is None or bool((scales < 1).any())


def _constant(name: str, model: Any) -> Any | None:
    for graph in graphs_of(model.graph):
        for tensor in graph.initializer:
            if tensor.name == name:
                return numpy_helper.to_array(tensor)
    for node in _own_nodes(model):
        if node.op_type == "Constant" and name in node.output and node.attribute[0].name == "value":
            return numpy_helper.to_array(node.attribute[0].t)
    return None


def _samplers(model: Any) -> set[str]:
    """Return the outputs of the nodes that sample, by which they are found again."""
    return {name for node in _own_nodes(model) if node.op_type in _SAMPLERS for name in node.output}


def _keep_sampling(model: Any, outputs: set[str]) -> None:
    for node in _own_nodes(model):
        if node.op_type == "Resize" and node.output[0] in outputs:
            kept = [item for item in node.attribute if item.name not in SAMPLING]
            del node.attribute[:]
            node.attribute.extend(kept)
            node.attribute.extend(onnx.helper.make_attribute(*item) for item in SAMPLING.items())


def _own_nodes(model: Any) -> Iterator[Any]:
    for graph in graphs_of(model.graph):
        yield from (node for node in graph.node if node.domain in ONNX_DOMAINS)


def _named(node: Any) -> str:
    return f"node {node.name or node.output[0]} ({node.op_type})"
