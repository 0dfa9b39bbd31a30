#!/usr/bin/env bash
# onnxruntime 1.31.1, CPU, all optimizations off: an fp16 value beyond 65504 between a Mul and a Div stays finite, and
# one Identity between them, of fp16 as well, changes nothing: it is computed in fp32 with its neighbours. With two
# the value is rounded to fp16 between them and is infinite.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.31.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def answer(between):
    nodes = [helper.make_node("Mul", ["x", "large"], ["v0"])]
    nodes += [helper.make_node("Identity", [f"v{i}"], [f"v{i + 1}"]) for i in range(between)]
    nodes.append(helper.make_node("Div", [f"v{between}", "large"], ["y"]))
    value = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT16, [1]) for name in "xy"}
    large = numpy_helper.from_array(np.float16([60000]), "large")
    graph = helper.make_graph(nodes, "half", [value["x"]], [value["y"]], [large])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return float(session.run(None, {"x": np.float16([2])})[0][0])


print("onnxruntime", onnxruntime.__version__)
found = {between: answer(between) for between in (0, 1, 2)}
for between, value in found.items():
    print(f"2 * 60000 / 60000 in fp16 with {between} Identity between: {value}")
sys.exit(found != {0: 2.0, 1: 2.0, 2: float("inf")})
PYTHON
