#!/usr/bin/env bash
# TensorRT-RTX does not build an LSTM, GRU or RNN of FLOAT whose sequence comes straight out of a Cast.
#
# The model is valid: onnx.checker takes it and ONNX's reference computes it. With a zero added between the Cast
# and the layer it builds. No GPU is needed: the engine is compiled ahead of time, for sm_89.
# Exits 0 while it behaves so, 1 when it does not any more.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorrt-rtx==1.7.1.116 onnx==1.23.2 numpy

"$folder/venv/bin/python" - <<'PYTHON'
import re
import sys

import numpy as np
import onnx
import tensorrt_rtx as trt
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def model_of(operator, apart):
    shapes = {"w": (1, 8 * GATES[operator], 4), "r": (1, 8 * GATES[operator], 8), "zero": ()}
    weights = [
        numpy_helper.from_array(np.full(shape, 0.0 if name == "zero" else 0.1, dtype=np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Cast", ["x"], ["half"], to=HALF),
        helper.make_node("Cast", ["half"], ["full"], to=FLOAT),
        *([helper.make_node("Add", ["full", "zero"], ["more"])] if apart else []),
        helper.make_node(operator, ["more" if apart else "full", "w", "r"], ["y"], hidden_size=8),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [value("x", FLOAT, [4, 2, 4])], [value("y", FLOAT, [4, 1, 2, 8])], weights
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    assert np.isfinite(ReferenceEvaluator(model).run(None, {"x": np.ones((4, 2, 4), dtype=np.float32)})[0]).all()
    return model.SerializeToString()


class Logger(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
        self.errors = []

    def log(self, severity, message):
        if severity == trt.ILogger.ERROR:
            self.errors.append(message)


def is_built(content):
    logger = Logger()
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(content), parser.get_error(0).desc()
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM89, 0)
    plan = builder.build_serialized_network(network, config)
    said = next(filter(None, (re.search("Mismatched number[^,]*,", error) for error in logger.errors)), None)
    return plan is not None, said[0].rstrip(",") if said else ""


print("tensorrt_rtx", trt.__version__, "onnx", onnx.__version__)
found = {}
for operator in GATES:
    for apart in (False, True):
        found[operator, apart], said = is_built(model_of(operator, apart))
        between = "cast, zero added, " if apart else "cast, "
        print(f"{between}{operator}: {'built' if found[operator, apart] else 'not built'} {said}")
as_known = all(found[operator, True] and not found[operator, False] for operator in GATES)
print("as known" if as_known else "CHANGED")
sys.exit(0 if as_known else 1)
PYTHON
