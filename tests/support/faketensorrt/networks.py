"""Actors: the network, its tensors, and the parser, which reads real ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from faketensorrt.objects import Actor

_TYPES = {
    TensorProto.FLOAT: "FLOAT",
    TensorProto.DOUBLE: "FLOAT",
    TensorProto.FLOAT16: "HALF",
    TensorProto.BFLOAT16: "BF16",
    TensorProto.INT8: "INT8",
    TensorProto.UINT8: "UINT8",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
    TensorProto.BOOL: "BOOL",
}


class ITensor(Actor):
    """An input or output of the network."""

    def _start(self, value: Any) -> None:
        kind = value.type.tensor_type
        self._name = value.name
        self._shape = tuple(item.dim_value if item.HasField("dim_value") else -1 for item in kind.shape.dim)
        members = self._module.DataType.__members__
        # TensorRT 8.6 has no INT64 and casts it (documentation).
        self._dtype = members.get(_TYPES.get(kind.elem_type, "FLOAT"), members["INT32"])

    @property
    def is_shape_tensor(self) -> bool:
        return self._name in self._module.shape_tensors

    @property
    def is_execution_tensor(self) -> bool:
        return self._name not in self._module.shape_tensors


class INetworkDefinition(Actor):
    """What was parsed; the layers are the nodes of the ONNX graph."""

    def _start(self, bits: int) -> None:
        self._bits = bits
        self._graph: Any = onnx.GraphProto()
        self._opened = True

    @property
    def flags(self) -> int:
        return self._bits

    @property
    def num_layers(self) -> int:
        return len(self._graph.node)

    @property
    def num_inputs(self) -> int:
        return len(self._inputs())

    @property
    def num_outputs(self) -> int:
        return len(self._graph.output)

    def get_flag(self, flag: Any) -> bool:
        return bool(self._bits >> int(flag) & 1)

    def get_input(self, index: int) -> Any:
        return self._module.ITensor._made(self._inputs()[index])

    def get_output(self, index: int) -> Any:
        return self._module.ITensor._made(self._graph.output[index])

    def get_layer(self, index: int) -> Any:
        return Layer(self._module, self._graph, self._graph.node[index])

    def _inputs(self) -> list[Any]:
        weights = {item.name for item in self._graph.initializer}
        return [item for item in self._graph.input if item.name not in weights]

    def _is_strong(self) -> bool:
        flag = self._module.NetworkDefinitionCreationFlag.__members__.get("STRONGLY_TYPED")
        return self._module.is_always_strong or (flag is not None and bool(self._bits >> int(flag) & 1))

    def _is_dynamic(self) -> bool:
        tensors = [self._module.ITensor._made(item) for item in self._inputs()]
        return any(-1 in item.shape or item.is_shape_tensor for item in tensors)

    def _described(self) -> dict[str, Any]:
        def tensors(values: Any) -> list[dict[str, Any]]:
            made = [self._module.ITensor._made(value) for value in values]
            return [{"name": item.name, "type": item.dtype.name, "shape": item.shape} for item in made]

        return {"inputs": tensors(self._inputs()), "outputs": tensors(self._graph.output)}


class Layer:
    """One node; its outputs have the types that the graph declares, or FLOAT."""

    def __init__(self, module: Any, graph: Any, node: Any) -> None:
        self._module, self._graph, self._node = module, graph, node

    @property
    def num_outputs(self) -> int:
        return len(self._node.output)

    def get_output(self, index: int) -> Any:
        name = self._node.output[index]
        declared = {value.name: value for value in (*self._graph.value_info, *self._graph.output)}
        unknown = onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, [])
        return self._module.ITensor._made(declared.get(name, unknown))


class ParserError(Actor):
    """One complaint of the parser."""

    def _start(self, code: str, text: str, node: Any = None) -> None:
        self._code = getattr(self._module.ErrorCode, code)
        self._text, self._node = text, node

    def code(self) -> Any:
        return self._code

    def desc(self) -> str:
        return str(self._text)

    def file(self) -> str:
        return "fake.cpp"

    def func(self) -> str:
        return "parse"

    def line(self) -> int:
        return 1

    def node(self) -> int:
        return 0 if self._node is not None else -1

    def node_name(self) -> str:
        return self._node.name if self._node is not None else ""

    def node_operator(self) -> str:
        return self._node.op_type if self._node is not None else ""

    def local_function_stack(self) -> list[str]:
        return []

    def local_function_stack_size(self) -> int:
        return 0


class OnnxParser(Actor):
    """Reads the file with the onnx package; refuses what ``module.refused_operators`` lists."""

    def _start(self, network: Any, logger: Any) -> None:
        self._network, self._logger = network, logger
        self._errors: list[Any] = []
        self._bits = 1 if self._module.instance_norm_is_native else 0

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    @property
    def flags(self) -> int:
        return self._bits

    @flags.setter
    def flags(self, bits: int) -> None:
        self._bits = bits

    def get_error(self, index: int) -> Any:
        return self._errors[index]

    def clear_errors(self) -> None:
        self._errors.clear()

    def set_flag(self, flag: Any) -> None:
        self._bits |= 1 << int(flag)

    def clear_flag(self, flag: Any) -> None:
        self._bits &= ~(1 << int(flag))

    def get_flag(self, flag: Any) -> bool:
        return bool(self._bits >> int(flag) & 1)

    def parse_from_file(self, model: str) -> bool:
        path = Path(model)
        if not path.exists():
            return self._refuse("INVALID_VALUE", f"cannot open {path}")
        return self._parse(path.read_bytes())

    def parse(self, model: Any, path: str | None = None) -> bool:
        return self._parse(bytes(model))

    def get_used_vc_plugin_libraries(self) -> list[str]:
        return list(self._module.used_plugin_libraries)

    def _parse(self, data: bytes) -> bool:
        if self._module.needs_explicit_batch and not self._network._bits & 1:
            return self._refuse("INVALID_GRAPH", "the network must have an explicit batch dimension")
        try:
            graph = onnx.load_model_from_string(data).graph
        except DecodeError as error:
            return self._refuse("MODEL_DESERIALIZE_FAILED", str(error))
        for node in graph.node:
            if node.op_type in self._module.refused_operators:
                text = "Plugin not found, are the plugin name, version, and namespace correct?"
                return self._refuse("INVALID_NODE", text, node)
        self._network._graph = graph
        return True

    def _refuse(self, code: str, text: str, node: Any = None) -> bool:
        self._errors.append(self._module.ParserError._made(code, text, node))
        return False
