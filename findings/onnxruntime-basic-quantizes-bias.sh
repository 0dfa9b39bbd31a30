#!/usr/bin/env bash
# onnxruntime 1.31.1: a QDQ model whose bias the quantizer left in floating point (QuantizeBias False) has an INT32
# bias and a DequantizeLinear of it once a session saves it, with ORT_ENABLE_BASIC, the level that is said to keep
# to removing what is redundant; with ORT_DISABLE_ALL it is what it was.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.31.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

drawn = np.random.default_rng(0)


def constant(name, values, kind):
    return numpy_helper.from_array(np.asarray(values).astype(kind), name)


weights = [
    constant("w", drawn.integers(-127, 128, (8, 4, 3, 3)), np.int8),
    constant("b", drawn.standard_normal(8), np.float32),
    constant("s", 0.02, np.float32),
    constant("z", 0, np.int8),
]
nodes = [
    helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
    helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
    helper.make_node("DequantizeLinear", ["w", "s", "z"], ["wd"]),
    helper.make_node("Conv", ["xd", "wd", "b"], ["c"], name="conv"),
    helper.make_node("QuantizeLinear", ["c", "s", "z"], ["cq"]),
    helper.make_node("DequantizeLinear", ["cq", "s", "z"], ["y"]),
]
inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])]
outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 6, 6])]
graph = helper.make_graph(nodes, "qdq", inputs, outputs, weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, "qdq.onnx")


def bias_after(level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = f"{level}.onnx"
    onnxruntime.InferenceSession("qdq.onnx", options, providers=["CPUExecutionProvider"])
    saved = onnx.load(f"{level}.onnx")
    kinds = {tensor.name: TensorProto.DataType.Name(tensor.data_type) for tensor in saved.graph.initializer}
    makers = {name: node for node in saved.graph.node for name in node.output}
    conv = next(node for node in saved.graph.node if node.op_type == "Conv")
    maker = makers.get(conv.input[2])
    return kinds[conv.input[2]] if maker is None else f"{maker.op_type} of {kinds[maker.input[0]]}"


print("onnxruntime", onnxruntime.__version__)
found = {level: bias_after(level) for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC")}
for level, bias in found.items():
    print(f"saved with {level}: the bias is {bias}")
sys.exit(found != {"ORT_DISABLE_ALL": "FLOAT", "ORT_ENABLE_BASIC": "DequantizeLinear of INT32"})
PYTHON
