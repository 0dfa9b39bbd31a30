#!/usr/bin/env bash
# onnxruntime's quantizer, after the preparation that its documentation asks for, gives the weights of an fp16
# model one scale and no int8 values, although per_channel=True: the preparation saves casts of them. Prepared
# a second time, the same model gets int8 weights with a scale for each channel.
# Exits 0 while it behaves so, 1 when it does not any more.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.31.1 onnx==1.23.2 numpy==2.4.6 sympy==1.14.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import logging

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

logging.disable(logging.WARNING)


class Data(CalibrationDataReader):
    def __init__(self):
        self.left = [{"x": np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)}]

    def get_next(self):
        return self.left.pop() if self.left else None


nodes = [
    helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT16),
    helper.make_node("MatMul", ["a", "w"], ["b"]),
    helper.make_node("Cast", ["b"], ["y"], to=TensorProto.FLOAT),
]
weight = numpy_helper.from_array(np.random.default_rng(1).standard_normal((8, 16)).astype(np.float16), "w")
values = [helper.make_tensor_value_info(*value) for value in (("x", 1, [4, 8]), ("y", 1, [4, 16]))]
graph = helper.make_graph(nodes, "g", values[:1], values[1:], [weight])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "0.onnx")


def stored(times):
    """Return the shapes of int8 weights and of their scales after so many preparations."""
    for index in range(times):
        quant_pre_process(f"{index}.onnx", f"{index + 1}.onnx", skip_symbolic_shape=True)
    kinds = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}
    quantize_static(f"{times}.onnx", "q.onnx", Data(), per_channel=True, **kinds)
    model = onnx.load("q.onnx")
    made = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    reading = [node for node in model.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in made]
    return [(made[node.input[0]], made[node.input[1]]) for node in reading if made[node.input[0]]]


once, twice = stored(1), stored(2)
print(f"onnxruntime {onnxruntime.__version__}: int8 weights and their scales, prepared once: {once or 'none'}")
print(f"prepared twice: {twice}")
as_known = once == [] and twice == [([8, 16], [16])]
print("as known" if as_known else "CHANGED")
raise SystemExit(not as_known)
PYTHON
