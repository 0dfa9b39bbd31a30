#!/usr/bin/env bash
# ONNX's reference evaluator runs a Loop without a condition not even once.
#
# The condition is an optional input; the operator's text gives "a trip count and no condition" as a for loop, and
# onnxruntime runs it three times. The evaluator gives the initial value out, as if the loop had been told to stop.
# Exits 0 while it behaves so, 1 when it does not any more.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.31.1 numpy

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

value = helper.make_tensor_value_info
body = helper.make_graph(
    [helper.make_node("Identity", ["going"], ["on"]), helper.make_node("Add", ["before", "one"], ["after"])],
    "body",
    [value("i", TensorProto.INT64, []), value("going", TensorProto.BOOL, []), value("before", TensorProto.FLOAT, [])],
    [value("on", TensorProto.BOOL, []), value("after", TensorProto.FLOAT, [])],
)
times, one = (numpy_helper.from_array(np.array(3), "times"), numpy_helper.from_array(np.float32(1), "one"))
found = {}
for condition in ("", "go"):
    weights = [times, one, *([numpy_helper.from_array(np.array(True), "go")] if condition else [])]
    node = helper.make_node("Loop", ["times", condition, "x"], ["y"], body=body)
    scalar = [TensorProto.FLOAT, []]
    graph = helper.make_graph([node], "g", [value("x", *scalar)], [value("y", *scalar)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    feeds = {"x": np.array(0, dtype=np.float32)}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found[condition] = (float(ReferenceEvaluator(model).run(None, feeds)[0]), float(session.run(None, feeds)[0]))
    print(f"3 rounds of adding 1, condition {condition or 'left out'}: reference, onnxruntime {found[condition]}")
print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
as_known = found == {"": (0.0, 3.0), "go": (3.0, 3.0)}
print("as known" if as_known else "CHANGED")
sys.exit(0 if as_known else 1)
PYTHON
