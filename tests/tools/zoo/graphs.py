"""
Random graphs of a few nodes: some right, most wrong in type, shape, order or opset.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from zoo.trial import Trial

OPSETS = (7, 9, 11, 13, 17, 19, 21, 22)
TYPES = (
    TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.FLOAT16,
    TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL, TensorProto.DOUBLE, TensorProto.UINT8,
    TensorProto.INT8, TensorProto.BFLOAT16, TensorProto.STRING,
)  # fmt: skip
SIZES: tuple[int | str | None, ...] = (0, 1, 2, 3, 4, 4, 4, 4, 16, 2**20, "n", "m", None)
RANKS = (2, 2, 2, 4, 4, 1, 3, 0, 5)
OPERATORS: dict[str, int] = {
    "Relu": 1, "Add": 2, "MatMul": 2, "Mul": 2, "Div": 2, "Sigmoid": 1, "Softmax": 1, "Transpose": 1,
    "Concat": 2, "Reshape": 2, "Gather": 2, "Cast": 1, "Conv": 2, "MaxPool": 1, "ReduceMean": 1, "Slice": 3,
    "Expand": 2, "Where": 3, "Squeeze": 1, "Unsqueeze": 2, "Shape": 1, "Identity": 1, "Gemm": 3, "Erf": 1,
    "Pow": 2, "Clip": 1,
    "LayerNormalization": 2, "NonMaxSuppression": 2, "TopK": 2, "Tile": 2, "Pad": 2, "Resize": 1, "Split": 1,
    "QuantizeLinear": 2, "DequantizeLinear": 2, "ConstantOfShape": 1, "Range": 3, "CumSum": 2, "Einsum": 2,
    "ScatterND": 3, "OneHot": 3, "BatchNormalization": 5, "InstanceNormalization": 3, "LSTM": 3, "Not": 1,
}  # fmt: skip
"""Operators and how many inputs they get; some get too few or too many."""
OUTPUTS = {"TopK": 2, "Split": 2, "LSTM": 3}
ATTRIBUTES: dict[str, tuple[Any, ...]] = {
    "axis": (0, 1, -1, 9, -9),
    "perm": ([0, 1], [1, 0], [0, 2, 1], [0, 0]),
    "to": (1, 6, 7, 9, 10, 11, 16, 99),
    "kernel_shape": ([1, 1], [3, 3], [0, 0], [-1, 2]),
    "strides": ([1, 1], [0, 0], [2, 2]),
    "pads": ([0, 0, 0, 0], [-1, -1, 9, 9]),
    "equation": ("ij,jk->ik", "ii", "->"),
    "hidden_size": (1, 4, 0),
    "keepdims": (0, 1, 7),
    "mode": ("nearest", "linear", "nonsense"),
}
USES = {
    "Softmax": ("axis",), "Transpose": ("perm",), "Concat": ("axis",), "Gather": ("axis",), "Cast": ("to",),
    "Conv": ("kernel_shape", "strides", "pads"), "MaxPool": ("kernel_shape", "strides", "pads"),
    "ReduceMean": ("keepdims",), "Resize": ("mode",), "Split": ("axis",), "Einsum": ("equation",),
    "LSTM": ("hidden_size",), "LayerNormalization": ("axis",), "QuantizeLinear": ("axis",),
    "OneHot": ("axis",),
}  # fmt: skip


def random_model(random: Random) -> Any:
    """Return a model; it need not be a valid one."""
    inputs = [_value(random, f"x{index}") for index in range(random.randint(1, 3))]
    weights = [_weight(random, f"w{index}") for index in range(random.randint(0, 3))]
    names = [item.name for item in (*inputs, *weights)]
    nodes = [_node(random, index, names) for index in range(random.randint(1, 5))]
    outputs = [helper.make_tensor_value_info(nodes[-1].output[0], random.choice(TYPES[:6]), None)]
    if random.random() < 0.3:
        outputs.append(helper.make_tensor_value_info(random.choice(names), TensorProto.FLOAT, [1]))
    graph = helper.make_graph(nodes, "random", inputs, outputs, weights)
    opset = helper.make_opsetid("", random.choice(OPSETS))
    return helper.make_model(graph, opset_imports=[opset], ir_version=random.choice((4, 8, 10)))


def generated(count: int, seed: int) -> Iterator[Trial]:
    """Yield ``count`` random models; the same seed gives the same ones."""
    random = Random(seed)
    for index in range(count):
        precision = random.choice(("fp32", "fp16", "bf16"))
        yield Trial(f"graph-{index}", random_model(random).SerializeToString(), precision)


def _value(random: Random, name: str) -> Any:
    shape = None if random.random() < 0.05 else [random.choice(SIZES) for _ in range(random.choice(RANKS))]
    return helper.make_tensor_value_info(name, random.choice(TYPES), shape)


def _weight(random: Random, name: str) -> Any:
    shape = [random.choice((1, 2, 3, 4)) for _ in range(random.randint(0, 4))]
    kind = random.choice(
        (np.float32, np.float32, np.int64, np.int32, np.float64, np.float16, np.int8, np.uint8)
    )
    with np.errstate(all="ignore"):
        values = np.array(random.choices((0, 1, 2, -1, 3, 1e30, float("nan")), k=int(np.prod(shape))))
        return numpy_helper.from_array(np.nan_to_num(values).astype(kind).reshape(shape), name)


def _node(random: Random, index: int, names: list[str]) -> Any:
    operator = random.choice(list(OPERATORS))
    count = max(0, OPERATORS[operator] + random.choice((0, 0, 0, 0, 0, 0, -1, 1)))
    attributes = {
        name: random.choice(ATTRIBUTES[name]) for name in USES.get(operator, ()) if random.random() < 0.8
    }
    given = [random.choice((*names, "nowhere") if random.random() < 0.03 else names) for _ in range(count)]
    output = f"h{index}" if random.random() > 0.02 else random.choice(names)
    names.append(output)
    spare = [f"{output}_{number}" for number in range(1, OUTPUTS.get(operator, 1))]
    return helper.make_node(operator, given, [output, *spare], name=f"node{index}", **attributes)
