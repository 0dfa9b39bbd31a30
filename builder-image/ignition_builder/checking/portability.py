"""
Would an engine that is to run elsewhere too depend on a plugin that nobody asked for?

TensorRT's ONNX parser makes InstanceNormalization from a plugin of NVIDIA's unless it is told
NATIVE_INSTANCENORM, and 8.6.0 cannot be told: its parser has no flags at all (read from the bindings). A
version or hardware compatible engine of such a model would load only where that plugin is.
"""

from typing import Any

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.inspection import nodes_of
from ignition_hub.compatibility.support_matrix import dotted, parse_version
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import AMPERE_PLUS, TENSORRT_RTX, EngineInputs

NATIVE_SINCE = (8, 6, 1)
"""The first TensorRT whose parser has NATIVE_INSTANCENORM (read from the bindings)."""
FROM_PLUGIN = "InstanceNormalization"


def check_travelling(model: Any, inputs: EngineInputs) -> None:
    """Raise RequestError (UnsupportedOperator) for a node that ties a travelling engine to a plugin."""
    asked = _what_travels(inputs)
    if asked is None or parse_version(inputs.tensorrt_version) >= NATIVE_SINCE:
        return
    for node in nodes_of(model):
        if node.domain in ONNX_DOMAINS and node.op_type == FROM_PLUGIN:
            field, otherwise = asked
            named = f"node {node.name or ', '.join(node.output)} ({node.op_type})"
            raise RequestError(
                Reason.UnsupportedOperator,
                f"{named}: {inputs.release} makes it from a plugin, on which an engine with {field} must not "
                "depend",
                f"use TensorRT {dotted(NATIVE_SINCE)} or newer, or {otherwise}",
            )


def _what_travels(inputs: EngineInputs) -> tuple[str, str] | None:
    """Return what lets the engine run elsewhere, and what to do without; None when nothing does."""
    if inputs.flavor == TENSORRT_RTX:
        return None
    if (inputs.options.get("versionCompatible") or {}).get("enabled"):
        return "options.versionCompatible", "leave options.versionCompatible out"
    if inputs.compatibility == AMPERE_PLUS:
        return f"compatibility {AMPERE_PLUS}", "use compatibility: Product"
    return None
