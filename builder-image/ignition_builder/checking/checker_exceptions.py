"""
Where ONNX's checker is stricter, or laxer, than what TensorRT can use.

TensorRT finds its plugins in any domain and needs no shape of an output; the checker wants both declared.
The checker does not mind names that are no text.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import onnx
from google.protobuf.descriptor import FieldDescriptor

from ignition_builder.checking.plugin_names import is_standard
from ignition_hub.engine.errors import Reason, RequestError

ONNX_DOMAINS = ("", "ai.onnx")
_ASIDE = "trt.plugins"


def check_text(message: Any) -> None:
    """Raise RequestError (InvalidModel) for a name that is not UTF-8: protobuf gives it as bytes."""
    for field, value in message.ListFields():
        values = value if field.is_repeated else (value,)
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in values:
                check_text(inner)
        elif field.type == FieldDescriptor.TYPE_STRING:
            for text in values:
                if not isinstance(text, str):
                    raise _not_text(message, field, bytes(text))


def _not_text(message: Any, field: Any, content: bytes) -> RequestError:
    return RequestError(
        Reason.InvalidModel,
        f"{message.DESCRIPTOR.name}.{field.name}: {content[:40]!r} is not text in UTF-8",
        "the file is corrupted; export the model again",
    )


@contextlib.contextmanager
def set_aside(model: Any, nodes: Iterable[Any], *, own_plugins: bool) -> Iterator[None]:
    """Hide from the checker, while the block runs, what it would refuse and TensorRT would not."""
    with plugins_renamed(model, nodes, own=own_plugins), _shapes_given(model):
        yield


@contextlib.contextmanager
def plugins_renamed(model: Any, nodes: Iterable[Any], *, own: bool) -> Iterator[None]:
    """Put plugins in ONNX's own domain, which does not define them, into one of theirs for the block."""
    aside = [
        node
        for node in nodes
        if node.domain in ONNX_DOMAINS
        and (own or is_standard(node.op_type))
        and not onnx.defs.has(node.op_type)
    ]
    if not aside:
        yield
        return
    domains = [node.domain for node in aside]
    opset = model.opset_import.add(domain=_ASIDE, version=1)
    for node in aside:
        node.domain = _ASIDE
    try:
        yield
    finally:
        for node, domain in zip(aside, domains, strict=True):
            node.domain = domain
        model.opset_import.remove(opset)


@contextlib.contextmanager
def _shapes_given(model: Any) -> Iterator[None]:
    """
    Write an empty shape where inputs and outputs have none: the checker asks for no more.

    For inference it would be that of a scalar, and a node that reads such an output would not fit it.
    """
    kinds = [value.type for value in (*model.graph.input, *model.graph.output)]
    tensors = [
        kind.tensor_type
        for kind in kinds
        if kind.WhichOneof("value") == "tensor_type" and not kind.tensor_type.HasField("shape")
    ]
    for tensor in tensors:
        tensor.shape.SetInParent()
    try:
        yield
    finally:
        for tensor in tensors:
            tensor.ClearField("shape")
