#!/usr/bin/env bash
# onnx 1.23.2: the reference evaluator reads neither sequence_lens nor clip of LSTM, GRU and RNN, nor the activations of
# LSTM and GRU: what it gives is the same with and without them. onnxruntime 1.31.1 reads them all.
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

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
ACTIVATIONS = {"LSTM": ["Sigmoid", "Relu", "Relu"], "GRU": ["Sigmoid", "Relu"]}
SAMPLE = np.random.default_rng(0).standard_normal((5, 2, 4)).astype(np.float32)


def model_of(operator, lengths=None, **attributes):
    drawn, rows = np.random.default_rng(1), 3 * GATES[operator]
    weights = {"w": drawn.standard_normal((1, rows, 4)), "r": drawn.standard_normal((1, rows, 3))}
    constants = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()]
    inputs = ["x", "w", "r"]
    if lengths:
        constants.append(numpy_helper.from_array(np.array(lengths, dtype=np.int32), "lengths"))
        inputs += ["", "lengths"]
    node = helper.make_node(operator, inputs, ["y"], hidden_size=3, **attributes)
    value = helper.make_tensor_value_info
    x, y = value("x", TensorProto.FLOAT, SAMPLE.shape), value("y", TensorProto.FLOAT, [5, 1, 2, 3])
    graph = helper.make_graph([node], "g", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def by_reference(model):
    return ReferenceEvaluator(model).run(None, {"x": SAMPLE})[0]


def by_runtime(model):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": SAMPLE})[0]


print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
found = []
for operator in GATES:
    plain = model_of(operator)
    agree = np.allclose(by_reference(plain), by_runtime(plain), atol=1e-5)
    print(f"{operator}: without any of them the two agree: {agree}")
    others = {"sequence_lens": model_of(operator, [2, 5]), "clip": model_of(operator, clip=0.1)}
    if operator in ACTIVATIONS:
        others["activations"] = model_of(operator, activations=ACTIVATIONS[operator])
    for name, model in others.items():
        reads = [not np.allclose(run(model), run(plain), atol=1e-5) for run in (by_reference, by_runtime)]
        print(f"{operator}: {name} changes the reference: {reads[0]}, onnxruntime: {reads[1]}")
        found.append(agree and reads == [False, True])
print("as known" if all(found) else "CHANGED")
sys.exit(0 if all(found) else 1)
PYTHON
