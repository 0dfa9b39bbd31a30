"""
onnxruntime's execution provider for TensorRT-RTX: ``model.onnx``, whose one node is the engine beside it.

A session of ``NvTensorRTRTXExecutionProvider`` takes the node and compiles nothing. The attributes are those
that the provider itself writes (0.5.0, run); it accepts no path that leaves the folder of the model.
"""

from collections.abc import Iterator, Mapping

from ignition_hub.layouts.errors import PLAIN_REMEDY, LayoutRefused
from ignition_hub.layouts.files import LayoutFile
from ignition_hub.layouts.protobuf_writer import Message, encoded
from ignition_hub.layouts.served import FREE, ServedEngine, ServedTensor

MODEL_FILE = "model.onnx"
CONTEXT_FILE = "context.engine"

PROVIDER = "NvTensorRTRTXExecutionProvider"
DOMAIN = "com.microsoft"
DOMAIN_VERSION = 1
IR_VERSION = 8
"""Of ONNX: any that onnxruntime reads would do for a model of one node."""
ARCHS = ("sm_86", "sm_89", "sm_120", "sm_121")
"""What the provider can be given engines for."""
HEADER_BYTES = 64
"""Of the plan, in the model's metadata: by them the provider says whether it can run the engine."""

TYPES: Mapping[str, int] = {
    "float": 1,
    "uint8": 2,
    "int8": 3,
    "int32": 6,
    "int64": 7,
    "bool": 9,
    "float16": 10,
    "bfloat16": 16,
}
"""ONNX's numbers of the types that a session can be given."""

_INT, _STRING = 2, 3
"""ONNX's numbers of the types of attributes."""


def epcontext_files(engine: ServedEngine) -> tuple[LayoutFile, ...]:
    """Return the engine and its model; LayoutRefused where the provider cannot run the engine."""
    return (LayoutFile(CONTEXT_FILE), LayoutFile(MODEL_FILE, encoded(model_of(engine))))


def model_of(engine: ServedEngine) -> Message:
    """Return the ONNX model, by the numbers of its fields; LayoutRefused says why there is none."""
    require_provided(engine)
    compatibility = engine.beginning[:HEADER_BYTES].hex()
    return (
        (1, IR_VERSION),
        (2, "ignition-hub"),
        (7, graph_of(engine)),
        (8, ((1, DOMAIN), (2, DOMAIN_VERSION))),
        (14, ((1, f"ep_compatibility_info.{PROVIDER}"), (2, compatibility))),
    )


def require_provided(engine: ServedEngine) -> None:
    """Raise LayoutRefused for an architecture, an input or an output that the provider does not know."""
    if engine.arch not in ARCHS:
        raise _refused(f"it is for {engine.arch:.40}, and the provider knows {', '.join(ARCHS)}")
    for tensor in engine.tensors:
        if tensor.dtype not in TYPES:
            raise _refused(
                f"{tensor.name!r:.80} has the type {tensor.dtype:.40}, and a session takes {', '.join(TYPES)}"
            )
        if tensor.shape is None:
            raise _refused(f"{tensor.name!r:.80} has a number of dimensions that is known only when it runs")


def graph_of(engine: ServedEngine) -> Message:
    """Return the graph: one node with the engine's inputs and outputs, which are the graph's."""
    return (
        (1, node_of(engine)),
        (2, engine.alias),
        *((11, value_of(tensor)) for tensor in engine.inputs),
        *((12, value_of(tensor)) for tensor in engine.outputs),
    )


def node_of(engine: ServedEngine) -> Message:
    """Return the node, with the path of the engine instead of its bytes."""
    return (
        *((1, tensor.name) for tensor in engine.inputs),
        *((2, tensor.name) for tensor in engine.outputs),
        (3, engine.alias),
        (4, "EPContext"),
        *((5, attribute) for attribute in attributes_of(engine)),
        (7, DOMAIN),
    )


def attributes_of(engine: ServedEngine) -> Iterator[Message]:
    """Yield what the provider writes of an engine of its own."""
    values: Mapping[str, int | str] = {
        "embed_mode": 0,
        "ep_cache_context": CONTEXT_FILE,
        "source": PROVIDER,
        "main_context": 0,
        "ep_sdk_version": "1.0",
        "hardware_architecture": "80+",
        "partition_name": engine.alias,
        "onnx_model_filename": "",
        "max_size": 0,
    }
    for name, value in values.items():
        is_text = isinstance(value, str)
        yield ((1, name), (4 if is_text else 3, value), (20, _STRING if is_text else _INT))


def value_of(tensor: ServedTensor) -> Message:
    """Return an input or output of the graph; a free dimension has neither size nor name."""
    dimensions = [(1, () if size == FREE else ((1, size),)) for size in tensor.shape or ()]
    return ((1, tensor.name), (2, ((1, ((1, TYPES[tensor.dtype]), (2, dimensions))),)))


def _refused(problem: str) -> LayoutRefused:
    return LayoutRefused(f"onnxruntime cannot run the engine: {problem}", PLAIN_REMEDY)
