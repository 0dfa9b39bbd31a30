"""
BERT as an ONNX graph, out of the weights and settings that a package carries: a sentence becomes a direction.

The nodes are those of an exporter's trace of ``transformers``' BertModel, then the mean over the words that
count and length 1, as sentence-transformers makes an embedding of it.
"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LOWEST = np.finfo(np.float32).min
"""What transformers adds to the scores of words that do not count."""


def weights(path: Path) -> dict[str, Any]:
    """Return the float32 arrays of a safetensors file by name."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    floats = {name: about for name, about in header.items() if about["dtype"] == "F32"}
    return {name: _array(data[8 + size :], about) for name, about in floats.items()}


def _array(data: bytes, about: dict[str, Any]) -> Any:
    begin, end = about["data_offsets"]
    return np.frombuffer(data, "<f4", (end - begin) // 4, begin).reshape(about["shape"])


def bert(settings: dict[str, Any], arrays: dict[str, Any]) -> Any:
    """Return the model of these settings (``config.json``) and weights: opset 17, free batch and sequence."""
    graph = _Graph(settings, arrays)
    graph.embeddings()
    for layer in range(settings["num_hidden_layers"]):
        graph.layer(f"encoder.layer.{layer}")
    graph.pooled()
    return graph.model()


class _Graph:
    """Nodes as they come; ``value`` names the last one's output."""

    def __init__(self, settings: dict[str, Any], arrays: dict[str, Any]) -> None:
        self.settings, self.arrays = settings, arrays
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.value = ""

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: Any) -> str:
        self.constants[name] = np.asarray(value)
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.arrays[name])

    def dense(self, name: str, value: str) -> str:
        turned = self.constant(f"{name}.weight", np.ascontiguousarray(self.arrays[f"{name}.weight"].T))
        return self.add("Add", self.add("MatMul", value, turned), self.weight(f"{name}.bias"))

    def norm(self, name: str, value: str) -> str:
        scale, shift = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        epsilon = self.settings["layer_norm_eps"]
        return self.add("LayerNormalization", value, scale, shift, axis=-1, epsilon=epsilon)

    def embeddings(self) -> None:
        words = self.add("Gather", self.weight("embeddings.word_embeddings.weight"), "input_ids")
        kinds = self.add("Gather", self.weight("embeddings.token_type_embeddings.weight"), "token_type_ids")
        size = self.add("Shape", "input_ids", start=1, end=2)
        places = self.weight("embeddings.position_embeddings.weight")
        zero, one = self.constant("zero", [0]), self.constant("one", [1])
        near = self.add("Slice", places, zero, size, zero)
        summed = self.add("Add", self.add("Add", words, kinds), near)
        self.value = self.norm("embeddings.LayerNorm", summed)
        counts = self.add("Cast", "attention_mask", to=TensorProto.FLOAT)
        wide = self.add("Unsqueeze", counts, self.constant("middle", [1, 2]))
        away = self.add("Sub", self.constant("whole", np.float32(1)), wide)
        self.counts, self.away = counts, self.add("Mul", away, self.constant("lowest", LOWEST))
        self.last = one

    def layer(self, name: str) -> None:
        mixed = self.dense(f"{name}.attention.output.dense", self.attention(f"{name}.attention.self"))
        self.value = self.norm(f"{name}.attention.output.LayerNorm", self.add("Add", mixed, self.value))
        wide = self.gelu(self.dense(f"{name}.intermediate.dense", self.value))
        narrow = self.dense(f"{name}.output.dense", wide)
        self.value = self.norm(f"{name}.output.LayerNorm", self.add("Add", narrow, self.value))

    def attention(self, name: str) -> str:
        query, key, value = (self.heads(f"{name}.{part}") for part in ("query", "key", "value"))
        width = self.settings["hidden_size"] // self.settings["num_attention_heads"]
        scores = self.add("MatMul", query, self.add("Transpose", key, perm=[0, 1, 3, 2]))
        scores = self.add("Div", scores, self.constant("width", np.float32(width**0.5)))
        shares = self.add("Softmax", self.add("Add", scores, self.away), axis=-1)
        joined = self.add("Transpose", self.add("MatMul", shares, value), perm=[0, 2, 1, 3])
        return self.add("Reshape", joined, self.constant("joined", [0, 0, self.settings["hidden_size"]]))

    def heads(self, name: str) -> str:
        count = self.settings["num_attention_heads"]
        shape = self.constant("heads", [0, 0, count, self.settings["hidden_size"] // count])
        return self.add(
            "Transpose", self.add("Reshape", self.dense(name, self.value), shape), perm=[0, 2, 1, 3]
        )

    def gelu(self, value: str) -> str:
        root = self.constant("root", np.float32(2**0.5))
        half, whole = self.constant("half", np.float32(0.5)), self.constant("whole", np.float32(1))
        part = self.add("Add", self.add("Erf", self.add("Div", value, root)), whole)
        return self.add("Mul", self.add("Mul", value, part), half)

    def pooled(self) -> None:
        mask = self.add("Unsqueeze", self.counts, self.constant("end", [-1]))
        total = self.add("ReduceSum", self.add("Mul", self.value, mask), self.last, keepdims=0)
        count = self.add("ReduceSum", mask, self.last, keepdims=0)
        mean = self.add("Div", total, self.add("Clip", count, self.constant("least", np.float32(1e-9))))
        length = self.add("ReduceL2", mean, axes=[-1], keepdims=1)
        bounded = self.add("Clip", length, self.constant("tiny", np.float32(1e-12)))
        self.nodes.append(helper.make_node("Div", [mean, bounded], ["sentence_embedding"], name="embedding"))

    def model(self) -> Any:
        def words(name: str) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])

        names = ("input_ids", "attention_mask", "token_type_ids")
        size = self.settings["hidden_size"]
        output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", size])
        tensors = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, "bert", [words(name) for name in names], [output], tensors)
        opset = helper.make_opsetid("", 17)
        model = helper.make_model(graph, opset_imports=[opset], producer_name="realzoo", ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model
