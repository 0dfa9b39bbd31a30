"""
Forget the operator sets that a model imports and does not use.

onnxruntime writes eight of its own into whatever it saves (run: 1.31.1), and ONNX's own tools raise errors
about a domain they do not know, used or not (run: onnx 1.23.2, ``find_min_ir_version_for``).
"""

from typing import Any

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.graphs import nodes_of


def forget_unused_imports(model: Any) -> None:
    """Leave out what neither a node nor a function of the model needs; it computes the same."""
    used = {*ONNX_DOMAINS, *(node.domain for node in nodes_of(model))}
    used.update(function.domain for function in model.functions)
    kept = [item for item in model.opset_import if item.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
