"""
Nodes of a model that are TensorRT's own standard plugins: does the release that was asked for have them?
"""

from typing import Any

from ignition_builder.checking.inspection import nodes_of
from ignition_builder.checking.plugin_names import StandardPlugin, is_standard, plugin_of
from ignition_builder.journal import Journal
from ignition_hub.compatibility.support_matrix import dotted, parse_version
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import TENSORRT_RTX, EngineInputs
from ignition_hub.engine.warnings import Warn


def check_plugin_nodes(model: Any, inputs: EngineInputs, journal: Journal) -> None:
    """
    Raise RequestError (UnsupportedOperator) for a plugin the release lacks; warn of one it is giving up.

    A plugin library that the request names may register anything, so with one only a warning remains.
    """
    own = bool(inputs.options.get("plugins"))
    for node in nodes_of(model):
        if is_standard(node.op_type):
            where = f"node {node.name or ', '.join(node.output)}"
            _check_node(where, plugin_of(node.op_type), inputs, journal, own=own)


def _check_node(
    where: str, plugin: StandardPlugin, inputs: EngineInputs, journal: Journal, *, own: bool
) -> None:
    version = parse_version(inputs.tensorrt_version)
    if inputs.flavor == TENSORRT_RTX:
        if not plugin.in_rtx:
            raise RequestError(
                Reason.UnsupportedOperator,
                f"{where}: {plugin.name} is a plugin of TensorRT, and TensorRT-RTX has no standard plugins",
                f"{plugin.instead}; or use tensorrt.flavor: TensorRT",
            )
    elif plugin.removed and version >= plugin.removed and not own:
        raise RequestError(
            Reason.UnsupportedOperator,
            f"{where}: TensorRT {dotted(plugin.removed)} removed the plugin {plugin.name}, and "
            f"{inputs.tensorrt_version} was requested",
            f"{plugin.instead}; or use a tensorrt.version before {dotted(plugin.removed)}",
        )
    elif plugin.deprecated and version >= plugin.deprecated:
        journal.warn(
            Warn.DeprecatedPlugin,
            f"{where}: {plugin.name} is deprecated from TensorRT {dotted(plugin.deprecated)}; "
            f"{plugin.instead}",
        )
