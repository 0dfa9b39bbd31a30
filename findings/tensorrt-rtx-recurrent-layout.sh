#!/usr/bin/env bash
# TensorRT-RTX 1.7.1 takes an LSTM, GRU or RNN with layout=1, whose first dimension is the batch, and does not read the
# attribute: without an error or a warning the engine is byte for byte the one of layout=0, which takes the batch
# for the sequence.
#
# The model is valid: onnx.checker takes it and ONNX's reference computes it; onnxruntime refuses layout=1. No GPU is needed:
# the engine is compiled ahead of time, for sm_89. Exits 0 while it behaves so, 1 when it does not any more.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorrt-rtx==1.7.1.116 onnx==1.23.2 numpy

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import tensorrt_rtx as trt
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
FIRST, SECOND, HIDDEN = 3, 5, 8
SAMPLE = np.random.default_rng(1).standard_normal((FIRST, SECOND, 4)).astype(np.float32)


def model_of(operator, layout):
    drawn = np.random.default_rng(0)
    shapes = {"w": (1, HIDDEN * GATES[operator], 4), "r": (1, HIDDEN * GATES[operator], HIDDEN)}
    weights = [
        numpy_helper.from_array(drawn.standard_normal(shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    node = helper.make_node(operator, ["x", "w", "r"], ["y"], name="n", hidden_size=HIDDEN, layout=layout)
    made = [FIRST, SECOND, 1, HIDDEN] if layout else [FIRST, 1, SECOND, HIDDEN]
    value = helper.make_tensor_value_info
    x, y = value("x", TensorProto.FLOAT, [FIRST, SECOND, 4]), value("y", TensorProto.FLOAT, made)
    graph = helper.make_graph([node], "g", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


class Logger(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
        self.said = []

    def log(self, severity, message):
        # What it says of a machine without a driver is left out.
        if severity in (trt.ILogger.ERROR, trt.ILogger.WARNING) and "error: 35" not in message:
            self.said.append(message)


def engine_of(model):
    logger = Logger()
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(model.SerializeToString()), parser.get_error(0).desc()
    network.name = "fixed"  # else it is numbered, and the number is in the engine
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM89, 0)
    plan = builder.build_serialized_network(network, config)
    said = [message for message in logger.said if "layout" in message]
    return bytes(plan), tuple(network.get_output(0).shape), said


print("tensorrt_rtx", trt.__version__, "onnx", onnx.__version__)
found = []
for operator in GATES:
    models = [model_of(operator, layout) for layout in (0, 1)]
    engines = [engine_of(model) for model in models]
    wanted = [ReferenceEvaluator(model).run(None, {"x": SAMPLE})[0].shape for model in models]
    same = engines[0][0] == engines[1][0]
    print(f"{operator}: ONNX gives {wanted[0]} with layout=0 and {wanted[1]} with layout=1; "
          f"engines of {engines[0][1]} and {engines[1][1]}, {'the same' if same else 'different'} bytes")
    found.append(same and wanted[0] != wanted[1] and not engines[1][2])
print("as known" if all(found) else "CHANGED")
sys.exit(0 if all(found) else 1)
PYTHON
