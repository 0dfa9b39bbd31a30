"""
Peak memory of a build of 512 MiB of fp32 weights, all processes together, against the weights' size.

The bar is 2.6 times the weights and 200 MiB. The peer is the ten lines a person would write: load the model,
parse its bytes, build, hold the engine. Measured once as one file and once with external data; resident
memory is sampled every 5 ms over the whole process tree.

``python tests/bench/bench_builder_memory.py [--mib 512] [--precision fp32]``
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from smallmodels import model_of, request_for

MIB = 1 << 20
LAYER_MIB = 64
SIDE = 4096
FACTOR, FIXED_MIB = 2.6, 200

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
model = onnx.load(sys.argv[1])
logger = trt.Logger(trt.Logger.ERROR)
builder = trt.Builder(logger)
network = builder.create_network(0)
trt.OnnxParser(network, logger).parse(model.SerializeToString())
config = builder.create_builder_config()
config.num_compute_capabilities = 1
config.set_compute_capability(trt.ComputeCapability.SM86, 0)
engine = bytes(builder.build_serialized_network(network, config))
open(sys.argv[3] + "/engine.trt", "wb").write(engine)
"""


def main() -> int:
    """Print a line per layout; the exit status is 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--precision", default="fp32")
    wanted = parser.parse_args()
    bar = FACTOR * wanted.mib + FIXED_MIB
    missed = False
    with TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        for layout, path in models(Path(folder), wanted.mib).items():
            request = json.dumps(request_for(wanted.precision, timeout_seconds=600).to_json())
            ours, seconds = measured(OURS, path, request)
            peer, peer_seconds = measured(BY_HAND, path, request)
            missed |= ours > bar
            print(
                f"{layout}: {ours:.0f} MiB for {wanted.mib} MiB of weights in {wanted.precision} "
                f"(bar {bar:.0f}), {seconds:.1f} s; by hand {peer:.0f} MiB, {peer_seconds:.1f} s; "
                f"ratio {ours / peer:.2f}"
            )
    return int(missed)


def models(folder: Path, mib: int) -> dict[str, Path]:
    """Make the same model in both layouts."""
    count = max(1, mib // LAYER_MIB)
    numbers = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(numbers.standard_normal((SIDE, SIDE), dtype=np.float32) * 0.01, f"w{n}")
        for n in range(count)
    ]
    nodes = [
        helper.make_node("MatMul", [f"x{n}", f"w{n}"], [f"x{n + 1}"], name=f"fc{n}") for n in range(count)
    ]
    model = model_of(nodes, {"x0": [1, SIDE]}, {f"x{count}": [1, SIDE]}, weights=weights)
    paths = {"one file": folder / "one" / "model.onnx", "external data": folder / "two" / "model.onnx"}
    for layout, path in paths.items():
        path.parent.mkdir()
        onnx.save(model, str(path), save_as_external_data=layout == "external data", location="model.data")
    return paths


def measured(script: str, model: Path, request: str) -> tuple[float, float]:
    """Return the peak resident memory in MiB of a script and its children, and the seconds it took."""
    with TemporaryDirectory(dir=model.parent) as work:
        started, peak = time.monotonic(), 0
        process = subprocess.Popen([sys.executable, "-c", script, str(model), request, work])
        while process.poll() is None:
            peak = max(peak, sum(resident(pid) for pid in tree(process.pid)))
            time.sleep(0.005)
        if process.returncode:
            raise SystemExit(f"the build failed with status {process.returncode}")
        return peak / MIB, time.monotonic() - started


def tree(pid: int) -> list[int]:
    """Return a process and everything below it."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(below for child in children for below in tree(child))]


def resident(pid: int) -> int:
    """Return the resident bytes of a process; 0 when it has gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
