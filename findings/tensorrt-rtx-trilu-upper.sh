#!/usr/bin/env bash
# TensorRT-RTX 1.7.1 keeps the lower triangle of a Trilu that does not say "upper", without an error or a warning: ONNX
# defines that it keeps the upper one, which ONNX's reference and onnxruntime do.
#
# No GPU is needed: the engine is compiled ahead of time, for sm_89, and compared with those of upper=0 and
# upper=1. Exits 0 while it behaves so, 1 when it does not any more.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  tensorrt-rtx==1.7.1.116 onnx==1.23.2 onnxruntime==1.31.1 numpy

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
import tensorrt_rtx as trt
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator


def model_of(**attributes):
    node = helper.make_node("Trilu", ["x", "k"], ["y"], name="n", **attributes)
    value = helper.make_tensor_value_info
    x, y = (value(name, TensorProto.FLOAT, [3, 3]) for name in "xy")
    graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(np.array(0), "k")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


class Logger(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)

    def log(self, severity, message):
        pass


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
    return bytes(builder.build_serialized_network(network, config))


def triangle_of(values):
    return {True: "upper", False: "lower"}[bool((values == np.triu(np.ones((3, 3)))).all())]


print("tensorrt_rtx", trt.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
left_out, feeds = model_of(), {"x": np.ones((3, 3), dtype=np.float32)}
session = onnxruntime.InferenceSession(left_out.SerializeToString(), providers=["CPUExecutionProvider"])
said = {
    "onnx's reference": triangle_of(ReferenceEvaluator(left_out).run(None, feeds)[0]),
    "onnxruntime": triangle_of(session.run(None, feeds)[0]),
}
engines = {engine_of(model_of(upper=0)): "lower", engine_of(model_of(upper=1)): "upper"}
said["TensorRT-RTX"] = engines.get(engine_of(left_out), "another")
for who, which in said.items():
    print(f"{who}: {which} triangle where upper is left out")
as_known = said == {"onnx's reference": "upper", "onnxruntime": "upper", "TensorRT-RTX": "lower"}
print("as known" if as_known else "CHANGED")
sys.exit(0 if as_known else 1)
PYTHON
