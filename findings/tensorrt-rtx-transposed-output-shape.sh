#!/usr/bin/env bash
# TensorRT-RTX 1.7.1: a ConvTranspose with output_shape, of which an odd number of places is to be cut off, is cut at the
# other end than ONNX's page and onnxruntime cut it, so that the output is one place further on; and beside auto_pad
# output_shape is not read at all. Neither is said.
#
# Seen on a CPU: engines for sm_89 are compiled ahead of time and compared, byte for byte, with engines of models that
# say pads instead. Exits 0 while it behaves so, 1 when it does not any more.
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

WEIGHTS = np.random.default_rng(0).standard_normal((1, 1, 3, 3)).astype(np.float32)
SAMPLE = np.random.default_rng(1).standard_normal((1, 1, 4, 4)).astype(np.float32)
ENDS = {"the beginning": [1, 1, 0, 0], "the end": [0, 0, 1, 1]}


def model_of(**attributes):
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], name="n", strides=[2, 2], **attributes)
    value = helper.make_tensor_value_info
    x, y = value("x", TensorProto.FLOAT, [1, 1, 4, 4]), value("y", TensorProto.FLOAT, [1, 1, "h", "w"])
    graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(WEIGHTS, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def computed(model):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": SAMPLE})[0]


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
    assert parser.parse(model), parser.get_error(0).desc()
    network.name = "fixed"  # else it is numbered, and the number is in the engine
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM89, 0)
    return bytes(builder.build_serialized_network(network, config)), tuple(network.get_output(0).shape)


print("tensorrt_rtx", trt.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
asked, cut = model_of(output_shape=[8, 8]), {end: model_of(pads=pads) for end, pads in ENDS.items()}
said = {
    "onnxruntime": [end for end, model in cut.items() if np.array_equal(computed(model), computed(asked))],
    "TensorRT-RTX": [end for end, model in cut.items() if engine_of(model) == engine_of(asked)],
}
for who, ends in said.items():
    print(f"output_shape=[8, 8] of 9 x 9, {who}: one row and column are cut off at {' and '.join(ends)}")
padded = model_of(output_shape=[7, 7], auto_pad="SAME_UPPER")
shapes = {"onnxruntime": computed(padded).shape, "TensorRT-RTX": engine_of(padded)[1]}
for who, shape in shapes.items():
    print(f"output_shape=[7, 7] and auto_pad=SAME_UPPER, {who}: {shape}")
as_known = said == {"onnxruntime": ["the beginning"], "TensorRT-RTX": ["the end"]} and shapes == {
    "onnxruntime": (1, 1, 7, 7),
    "TensorRT-RTX": (1, 1, 8, 8),
}
print("as known" if as_known else "CHANGED")
sys.exit(0 if as_known else 1)
PYTHON
