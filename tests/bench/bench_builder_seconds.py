"""
Seconds of a build, request to engine on disk, against the script a person would write for the same engine.

The peer converts with onnxconverter-common and compiles with the same TensorRT-RTX, in one process and
without a check of anything. Both are run in turn on public models, with bytecode on disk as in the images;
the bar is 1.15. The smallest model has no bar: it is done in half a second, and shows what processes of
their own cost.

``python tests/bench/bench_builder_seconds.py [--rounds 5]``
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from script import seconds

from installation.models import public_model
from smallmodels import request_for

BAR = 1.15
SMALLEST = "squeezenet"
MODELS = (SMALLEST, "resnet50", "densenet121")

OURS = """
import json, sys
from pathlib import Path
from ignition_builder.pipeline import build
from ignition_hub.engine.request import BuildRequest
request = BuildRequest.from_json(json.loads(sys.argv[3]))
build(request, Path(sys.argv[2]), Path(sys.argv[1]), lambda *_: None)
"""

BY_HAND = """
import sys, onnx, tensorrt_rtx as trt
from onnxconverter_common import float16
half = float16.convert_float_to_float16(onnx.load(sys.argv[2]), keep_io_types=True)
onnx.save(half, sys.argv[1] + "/half.onnx")
logger = trt.Logger(trt.Logger.ERROR)
builder = trt.Builder(logger)
network = builder.create_network(0)
trt.OnnxParser(network, logger).parse_from_file(sys.argv[1] + "/half.onnx")
config = builder.create_builder_config()
config.num_compute_capabilities = 1
config.set_compute_capability(trt.ComputeCapability.SM86, 0)
engine = bytes(builder.build_serialized_network(network, config))
open(sys.argv[1] + "/engine.trt", "wb").write(engine)
"""


def main() -> int:
    """Print the ratio of the medians per model; the exit status is 1 when one misses the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    request = json.dumps(request_for("fp16", timeout_seconds=600).to_json())
    with TemporaryDirectory() as bytecode:
        ratios = {name: ratio(name, request, rounds, bytecode) for name in MODELS}
    return int(any(found > BAR for name, found in ratios.items() if name != SMALLEST))


def ratio(name: str, request: str, rounds: int, bytecode: str) -> float:
    """Print and return how the medians of one model compare."""
    scripts = (OURS, BY_HAND)
    # The first of each compiles the bytecode.
    pairs = [
        [seconds(script, (public_model(name), request), bytecode) for script in scripts]
        for _ in range(rounds + 1)
    ]
    ours, by_hand = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
    bar = "no bar" if name == SMALLEST else f"bar {BAR}"
    print(f"{name}: {ours:.2f} s, by hand {by_hand:.2f} s, ratio {ours / by_hand:.2f} ({bar})")
    return ours / by_hand


if __name__ == "__main__":
    sys.exit(main())
