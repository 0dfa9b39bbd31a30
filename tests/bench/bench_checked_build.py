"""
Seconds of a whole build of all-MiniLM-L6-v2 with its accuracy check, against the script a person would write.

The peer compiles with the same TensorRT-RTX, converted with onnxruntime's own tool where the precision asks
for it, and runs the model once in onnxruntime on the same inputs; it compares and checks nothing. Both are
run in turn, with bytecode on disk as in the images. The floor is 1.0, the bar 1.3.

``python tests/bench/bench_checked_build.py [--rounds 5]``
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from script import seconds

from accuracy_checks.request import TOLERANCE, checked_request
from realzoo.catalogue import CASES
from realzoo.supplies import model_of, supplies_of

BAR = 1.3
CASE = next(case for case in CASES if case.name == "all-minilm-l6-v2")
PRECISIONS = ("fp32", "fp16")

OURS = """
import json, sys
from pathlib import Path
from ignition_builder.pipeline import build
from ignition_builder.files import Files
from ignition_hub.engine.request import BuildRequest
request = BuildRequest.from_json(json.loads(sys.argv[3]))
work, model, _, inputs, _ = (Path(given) for given in sys.argv[1:])
build(request, model, work, lambda *_: None, files=Files(inputs=inputs))
"""

BY_HAND = """
import json, sys, numpy, onnxruntime, tensorrt_rtx as trt
work, model, request, inputs, shapes = sys.argv[1:]
path = model
if json.loads(request)["inputs"]["precision"] == "fp16":
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    path = work + "/half.onnx"
    onnx.save(convert_float_to_float16(onnx.load(model), keep_io_types=True), path)
logger = trt.Logger(trt.Logger.ERROR)
builder = trt.Builder(logger)
network = builder.create_network(0)
trt.OnnxParser(network, logger).parse_from_file(path)
config, profile = builder.create_builder_config(), builder.create_optimization_profile()
for name, sizes in json.loads(shapes).items():
    profile.set_shape(name, *sizes)
config.add_optimization_profile(profile)
config.num_compute_capabilities = 1
config.set_compute_capability(trt.ComputeCapability.SM89, 0)
open(work + "/engine.trt", "wb").write(builder.build_serialized_network(network, config))
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
session.run(None, dict(numpy.load(inputs)))
"""


def main() -> int:
    """Print the ratio of the medians per precision; the exit status is 1 when one misses the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.npz"
        np.savez(inputs, **CASE.samples(supplies_of(CASE), 1, 0)[0])
        ratios = [ratio(precision, inputs, rounds, folder) for precision in PRECISIONS]
    return int(any(found > BAR for found in ratios))


def ratio(precision: str, inputs: Path, rounds: int, bytecode: str) -> float:
    """Print and return how the medians of one precision compare."""
    request = checked_request(CASE.profiles, precision, TOLERANCE[precision], calibrated=False)
    given = (model_of(CASE), json.dumps(request.to_json()), inputs, json.dumps(dict(CASE.shapes)))
    # The first of each compiles the bytecode.
    pairs = [[seconds(script, given, bytecode) for script in (OURS, BY_HAND)] for _ in range(rounds + 1)]
    ours, by_hand = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
    print(f"{precision}: {ours:.2f} s, by hand {by_hand:.2f} s, ratio {ours / by_hand:.2f} (bar {BAR})")
    return ours / by_hand


if __name__ == "__main__":
    sys.exit(main())
