#!/usr/bin/env bash
# onnx 1.23.2: the reference evaluator computes Softmax, LogSoftmax and Hardmax of opset 11, which are over all dimensions
# from the axis on, as those of opset 13, which are over one; onnxruntime 1.31.1 computes what opset 11 defines.
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
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

SAMPLE = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)


def model_of(operator, opset):
    node = helper.make_node(operator, ["x"], ["y"], axis=1)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, SAMPLE.shape) for name in "xy")
    graph = helper.make_graph([node], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    return model


def by_reference(model):
    return ReferenceEvaluator(model).run(None, {"x": SAMPLE})[0]


def by_runtime(model):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": SAMPLE})[0]


print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
found = []
for operator in ("Softmax", "LogSoftmax", "Hardmax"):
    old, new = model_of(operator, 11), model_of(operator, 13)
    same = [np.allclose(run(old), run(new), atol=1e-6) for run in (by_reference, by_runtime)]
    agree = np.allclose(by_reference(new), by_runtime(new), atol=1e-6)
    words = ["the same" if each else "another" for each in same]
    print(f"{operator}, opset 11 against 13: reference {words[0]}, onnxruntime {words[1]}; in 13 they agree: {agree}")
    found.append(same == [True, False] and agree)
print("as known" if all(found) else "CHANGED")
sys.exit(0 if all(found) else 1)
PYTHON
