#!/usr/bin/env bash
# TensorRT-RTX 1.7.1: ReduceSumSquare, ReduceL1, ReduceL2 and ReduceLogSum with noop_with_empty_axes=1 and without axes give
# the input as it came: the engines of all four are the same, byte for byte. ONNX's page says that the squares,
# absolute values and logarithms are still taken, and its reference and onnxruntime take them. GlobalLpPool with p=1 and
# with p=3 is a power, a sum and a root, and nothing takes the absolute values. Nothing is said of either.
#
# No GPU is needed: engines for sm_89 are compiled ahead of time. Exits 0 while it behaves so, 1 when it does not any more.
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
from onnx import TensorProto, helper

REDUCTIONS = ("ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSum")
SAMPLE = np.array([[[[0.25, 4.0], [-2.0, 1.0]]]], dtype=np.float32)


def model_of(operator, **attributes):
    node = helper.make_node(operator, ["x"], ["y"], name="n", **attributes)
    value = helper.make_tensor_value_info
    x, y = value("x", TensorProto.FLOAT, SAMPLE.shape), value("y", TensorProto.FLOAT, [1, 1, "h", "w"])
    graph = helper.make_graph([node], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def computed(model):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": SAMPLE})[0].ravel().tolist()


class Logger(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)

    def log(self, severity, message):
        pass


LOGGER = Logger()


def engine_of(model):
    builder = trt.Builder(LOGGER)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, LOGGER)
    assert parser.parse(model), parser.get_error(0).desc()
    network.name = "fixed"  # else it is numbered, and the number is in the engine
    layers = [network.get_layer(index).type.name for index in range(network.num_layers)]
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM89, 0)
    return bytes(builder.build_serialized_network(network, config)), layers


print("tensorrt_rtx", trt.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
models = {name: model_of(name, noop_with_empty_axes=1) for name in REDUCTIONS}
engines = {name: engine_of(model) for name, model in models.items()}
for name, model in models.items():
    print(f"{name} of {SAMPLE.ravel().tolist()}: onnxruntime {computed(model)}, layers {engines[name][1]}")
plans = {plan for plan, _ in engines.values()}
print(f"{len(plans)} different engines")
pools = {p: model_of("GlobalLpPool", p=p) for p in (1, 3)}
layers = {p: engine_of(model)[1] for p, model in pools.items()}
for p, model in pools.items():
    print(f"GlobalLpPool with p={p}: onnxruntime {computed(model)}, layers {layers[p]}")
without = [sorted(set(names)) == ["CONSTANT", "ELEMENTWISE", "REDUCE"] for names in layers.values()]
as_known = len(plans) == 1 and all(without) and computed(pools[1]) == [7.25]
print("as known" if as_known else "CHANGED")
sys.exit(0 if as_known else 1)
PYTHON
