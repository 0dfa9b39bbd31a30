"""
Seconds of a build, request to engine on disk, against the script a person would write for the same engine.

The peer converts with the same converter and compiles with the same TensorRT-RTX, in one process and without
a check of anything. Both are run in turn on public models; the bar is 1.15.

``python tests/bench/bench_builder_seconds.py [--rounds 5]``
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from smallmodels import request_for
from stage.models import public_model

BAR = 1.15
MODELS = ("squeezenet", "resnet50", "densenet121")

OURS = """
import json, sys
from pathlib import Path
from ignition_builder.building import build
from ignition_hub.engine.request import BuildRequest
request = BuildRequest.from_json(json.loads(sys.argv[2]))
build(request, Path(sys.argv[1]), Path(sys.argv[3]), lambda *_: None)
"""

BY_HAND = """
import sys, onnx, tensorrt_rtx as trt
from onnxconverter_common import float16
half = float16.convert_float_to_float16(onnx.load(sys.argv[1]), keep_io_types=True)
onnx.save(half, sys.argv[3] + "/half.onnx")
logger = trt.Logger(trt.Logger.ERROR)
builder = trt.Builder(logger)
network = builder.create_network(0)
trt.OnnxParser(network, logger).parse_from_file(sys.argv[3] + "/half.onnx")
config = builder.create_builder_config()
config.num_compute_capabilities = 1
config.set_compute_capability(trt.ComputeCapability.SM86, 0)
engine = bytes(builder.build_serialized_network(network, config))
open(sys.argv[3] + "/engine.trt", "wb").write(engine)
"""


def main() -> int:
    """Print the ratio of the medians per model; the exit status is 1 when one misses the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    request = json.dumps(request_for("fp16", timeout_seconds=600).to_json())
    missed = False
    for name in MODELS:
        pairs = [(seconds(OURS, name, request), seconds(BY_HAND, name, request)) for _ in range(rounds)]
        ours, by_hand = (statistics.median(column) for column in zip(*pairs, strict=True))
        missed |= ours / by_hand > BAR
        print(f"{name}: {ours:.2f} s, by hand {by_hand:.2f} s, ratio {ours / by_hand:.2f} (bar {BAR})")
    return int(missed)


def seconds(script: str, model: str, request: str) -> float:
    """Return how long a script took for one build."""
    with TemporaryDirectory() as work:
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, str(public_model(model)), request, work],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())
