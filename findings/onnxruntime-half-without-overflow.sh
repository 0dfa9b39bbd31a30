#!/usr/bin/env bash
# onnxruntime computes an fp16 model on an x86 CPU without fp16, with every optimization switched off too:
# it puts casts around operators and takes them out again where two meet. What overflows fp16 does not.
# Exits 0 while it behaves so, 1 when it does not any more.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.31.1 onnx==1.23.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HALF = TensorProto.FLOAT16


def model(nodes, kind):
    read = {name for node in nodes for name in node.input}
    numbers = {"k": np.float16(200), "i": np.float16(0.001)}
    weights = [numpy_helper.from_array(value, name) for name, value in numbers.items() if name in read]
    values = [helper.make_tensor_value_info(name, kind, [1]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(made, value):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return float(session.run(None, {"x": value})[0][0])


product = model([helper.make_node("Mul", ["x", "k"], ["a"]), helper.make_node("Mul", ["a", "i"], ["y"])], HALF)
x = np.array([500], np.float16)
found = run(product, x)
with np.errstate(over="ignore"):
    said = float(ReferenceEvaluator(product).run(None, {"x": x})[0][0])
pair = [helper.make_node("Cast", ["x"], ["a"], to=HALF), helper.make_node("Cast", ["a"], ["y"], to=TensorProto.FLOAT)]
cast = run(model(pair, TensorProto.FLOAT), np.array([1e5], np.float32))
print(f"onnxruntime {onnxruntime.__version__}, optimizations off, fp16 500 * 200 * 0.001: {found}")
print(f"ONNX's reference evaluator: {said}")
print(f"onnxruntime, 1e5 cast to fp16 and back by the model itself: {cast}")
as_known = 99 < found < 101 and np.isinf(said) and np.isinf(cast)
print("as known" if as_known else "CHANGED")
raise SystemExit(not as_known)
PYTHON
