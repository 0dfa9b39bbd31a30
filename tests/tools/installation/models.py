"""
The models that tests build: public ones the onnx package ships, and small ones made here.

``distinct`` and the small networks are models nobody has built before, so that a test never finds its engine
already there.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def public_model(name: str) -> Path:
    """Find one of the light classic networks that the onnx package ships for its own tests."""
    spec = find_spec("onnx")
    if spec is None or spec.origin is None:
        raise RuntimeError("the onnx package is not installed: run `make setup`")
    path = Path(spec.origin).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx"
    if not path.exists():
        raise FileNotFoundError(f"the onnx package ships no {path.name}")
    return path


def distinct(name: str, folder: Path) -> Path:
    """Copy a public model with a new producer version: other bytes, the same network."""
    model = onnx.load(public_model(name))
    model.producer_version = uuid4().hex
    copy = folder / f"{name}.onnx"
    onnx.save(model, copy)
    return copy


SIZE = 16
WEIGHTS = "weights.bin"


def small_network(path: Path, *, name: str = "image", size: int = SIZE, external: bool = False) -> Path:
    """
    Write a classifier of square images (channels first) with two convolutions; its batch is free.

    Its weights go to ``weights.bin`` beside it when ``external``. Its int8 version is accurate to about 0.01.
    """
    generator = np.random.default_rng(7)
    weights = {
        "w1": generator.normal(0, 0.2, (16, 3, 3, 3)),
        "w2": generator.normal(0, 0.1, (32, 16, 3, 3)),
        "w3": generator.normal(0, 0.2, (32, 10)),
    }
    nodes = [
        helper.make_node("Conv", [name, "w1"], ["c1"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w3"], ["scores"]),
    ]
    image = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3, size, size])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 10])
    return _written(path, nodes, [image], scores, weights, external=external)


def small_text_network(path: Path) -> Path:
    """Write a classifier of token sequences, both sizes free, its weights in ``weights.bin`` beside it."""
    generator = np.random.default_rng(7)
    weights = {"words": generator.normal(0, 1, (64, 16)), "w": generator.normal(0, 0.2, (16, 4))}
    nodes = [
        helper.make_node("Gather", ["words", "tokens"], ["embedded"]),
        helper.make_node("ReduceMean", ["embedded"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "w"], ["scores"]),
    ]
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["batch", "sequence"])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 4])
    return _written(path, nodes, [tokens], scores, weights, external=True)


def images(path: Path, count: int, *, name: str = "image", size: int = SIZE, seed: int = 1) -> Path:
    """Write ``count`` inputs of ``small_network`` as an ``.npz`` file."""
    numbers = np.random.default_rng(seed).uniform(-1, 1, (count, 3, size, size)).astype(np.float32)
    arrays: dict[str, Any] = {name: numbers}
    np.savez(path, **arrays)
    return path


def _written(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    output: onnx.ValueInfoProto,
    weights: Mapping[str, Any],
    *,
    external: bool,
) -> Path:
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, path.stem, inputs, [output], tensors)
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_version=uuid4().hex)
    place = {"location": WEIGHTS, "size_threshold": 0} if external else {}
    onnx.save_model(model, path, save_as_external_data=external, **place)
    return path
