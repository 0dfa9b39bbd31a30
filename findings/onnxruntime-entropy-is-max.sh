#!/usr/bin/env bash
# onnxruntime's quantizer asked for CalibrationMethod.Entropy gives the range of CalibrationMethod.MinMax,
# whatever the data: its histogram has 128 bins for 128 levels, so the search for the range with the least
# divergence has one candidate. One value of 200 among 131,072 of deviation 1 sets the scale.
# Exits 0 while it behaves so, 1 when it does not any more.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.31.1 onnx==1.23.2 numpy==2.4.6 sympy==1.14.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import logging

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static

logging.disable(logging.WARNING)
values = np.random.default_rng(0).standard_normal((2, 256, 256)).astype(np.float32)
values[0, 0, 0] = 200


class Data(CalibrationDataReader):
    def __init__(self):
        self.left = [{"x": value} for value in values]

    def get_next(self):
        return self.left.pop() if self.left else None


weight = numpy_helper.from_array(np.ones((256, 8), np.float32), "w")
ends = [helper.make_tensor_value_info(*value) for value in (("x", 1, [256, 256]), ("y", 1, [256, 8]))]
graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weight])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")


def scale(method):
    """Return the step between two levels of x that a method finds."""
    kinds = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}
    settings = {"ActivationSymmetric": True, "CalibTensorRangeSymmetric": True}
    quantize_static("m.onnx", "q.onnx", Data(), calibrate_method=method, extra_options=settings, **kinds)
    made = {item.name: numpy_helper.to_array(item) for item in onnx.load("q.onnx").graph.initializer}
    return float(made["x_scale"])


entropy, largest = scale(CalibrationMethod.Entropy), scale(CalibrationMethod.MinMax)
print(f"onnxruntime {onnxruntime.__version__}: the step by Entropy {entropy:.4f}, by MinMax {largest:.4f}")
as_known = abs(entropy / largest - 1) < 0.02 and largest > 1.5
print("as known" if as_known else "CHANGED")
raise SystemExit(not as_known)
PYTHON
