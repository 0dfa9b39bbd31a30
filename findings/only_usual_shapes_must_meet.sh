#!/bin/sh
# TensorRT-RTX builds an engine whose smallest, or largest, shapes cannot meet in any call; only the usual
# ones (kOPT) are held against the network. Two inputs that are added: [n, 8] and [m, 8].
# Prints the version and what was built; exits 1 when the behaviour is another.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorrt-rtx==1.7.1.116 onnx==1.23.2
cat > "$folder/ask.py" <<'PYTHON'
import sys

import onnx
import tensorrt_rtx as trt
from onnx import TensorProto, helper

LOGGER = trt.Logger(trt.Logger.INTERNAL_ERROR)


def is_built(names, one, other):
    """Whether an engine comes of a + b with these (min, opt, max) of their first dimensions."""
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [d, 8]) for n, d in zip("ab", names)]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [names[0], 8])
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", values, [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    builder = trt.Builder(LOGGER)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, LOGGER)
    assert parser.parse(model.SerializeToString())
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    for name, sizes in (("a", one), ("b", other)):
        profile.set_shape(name, *((size, 8) for size in sizes))
    config.add_optimization_profile(profile)
    return builder.build_serialized_network(network, config) is not None


print("TensorRT-RTX", trt.__version__)
CASES = {
    "the same shapes": ((1, 4, 8), (1, 4, 8), True),
    "smallest 2 and 3": ((2, 4, 8), (3, 4, 8), True),
    "largest 8 and 9": ((1, 4, 8), (1, 4, 9), True),
    "no size in common but the usual": ((4, 4, 8), (2, 4, 4), True),
    "usual 4 and 5": ((1, 4, 8), (1, 5, 8), False),
}
as_known = True
for names in ("nm", "nn"):
    for what, (one, other, expected) in CASES.items():
        built = is_built(names, one, other)
        as_known &= built == expected
        print(f"dimensions named {names[0]} and {names[1]}, {what}: {'built' if built else 'refused'}")
sys.exit(0 if as_known else 1)
PYTHON
"$folder/venv/bin/python" "$folder/ask.py"
