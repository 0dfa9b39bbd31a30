"""
Peak memory of a build, all processes together, against the size of the model's fp32 weights.

The bar is 2.5 times the weights and 150 MiB; int8 is calibrated before, with eight samples. Resident memory
is sampled every 5 ms over the whole process tree. Models have external data; those below 2 GiB, where
protobuf ends, are measured as one file too, and against the ten lines a person would write: load the model,
parse its bytes, build, hold the engine.

``python tests/bench/bench_builder_memory.py [--gib 0.5 2] [--precision fp32 fp16 bf16 int8] [--method max]``
With ``--peer FOLDER``, a checkout of another state, its build is measured beside each, and the ratio printed.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from smallmodels import model_of, request_for

HERE = Path(__file__).resolve().parents[2]
MIB = 1 << 20
ONE_FILE = "one file"
PROTOBUF_MIB = 2048
LAYER_MIB = 64
SIDE = 4096
FACTOR, FIXED_MIB = 2.5, 150

OURS = """
import json, sys
from pathlib import Path
from ignition_builder.pipeline import build
from ignition_hub.engine.request import BuildRequest
request = BuildRequest.from_json(json.loads(sys.argv[2]))
files = {}
if request.inputs.precision == "int8":
    from ignition_builder.files import Files
    files["files"] = Files(calibration=Path(sys.argv[1]).parent / "calibration.npz")
build(request, Path(sys.argv[1]), Path(sys.argv[3]), lambda *_: None, **files)
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
    """Print a line per model and precision; the exit status is 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, nargs="+", default=[0.5])
    parser.add_argument("--precision", nargs="+", default=["fp32", "fp16"])
    parser.add_argument("--method", default="entropy")
    parser.add_argument("--peer", type=Path)
    wanted = parser.parse_args()
    missed = False
    for gib in wanted.gib:
        with TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
            size = round(gib * 1024)
            for layout, path in models(Path(folder), size).items():
                for precision in wanted.precision:
                    missed |= misses(layout, path, precision, size, wanted)
    return int(missed)


def misses(layout: str, path: Path, precision: str, size: int, wanted: argparse.Namespace) -> bool:
    """Build one model of ``size`` MiB, print what it took, and tell whether that is beyond the bar."""
    bar = FACTOR * size + FIXED_MIB
    options = {"calibration": {"method": wanted.method}} if precision == "int8" else {}
    request = json.dumps(request_for(precision, options=options, timeout_seconds=900).to_json())
    ours, seconds = measured(OURS, path, request)
    line = f"{layout}, {size} MiB, {precision}: {ours:.0f} MiB (bar {bar:.0f}), {seconds:.1f} s"
    if layout == ONE_FILE and precision == "fp32":
        peer, peer_seconds = measured(BY_HAND, path, request)
        line += f"; by hand {peer:.0f} MiB, {peer_seconds:.1f} s; ratio {ours / peer:.2f}"
    if wanted.peer:
        peer, peer_seconds = measured(OURS, path, request, wanted.peer)
        line += f"; {wanted.peer.name} {peer:.0f} MiB, {peer_seconds:.1f} s; ratio {ours / peer:.2f}"
    print(line, flush=True)
    return ours > bar


def models(folder: Path, mib: int) -> dict[str, Path]:
    """Make the same model in the layouts that can hold it, a layer at a time."""
    layers = max(1, mib // LAYER_MIB)
    path = folder / "external" / "model.onnx"
    path.parent.mkdir()
    numbers, data = np.random.default_rng(0), path.with_name("model.data")
    with data.open("wb") as file:
        for _ in range(layers):
            file.write((numbers.standard_normal((SIDE, SIDE), dtype=np.float32) * 0.01).tobytes())
    model = chain_of(layers, data.name)
    path.write_bytes(model.SerializeToString())
    paths = {"external data": path}
    for place in (path.parent, folder):
        np.savez(place / "calibration.npz", x0=numbers.standard_normal((8, SIDE), dtype=np.float32))
    if mib < PROTOBUF_MIB:
        paths[ONE_FILE] = folder / "one.onnx"
        onnx.save(onnx.load(str(path)), str(paths[ONE_FILE]))
    return paths


def chain_of(layers: int, data: str) -> Any:
    """Return a chain of matrix products, whose weights lie one after another in the file ``data``."""
    weights = []
    for index in range(layers):
        tensor = TensorProto(
            name=f"w{index}",
            data_type=TensorProto.FLOAT,
            dims=[SIDE, SIDE],
            data_location=TensorProto.EXTERNAL,
        )
        place = {"location": data, "offset": index * LAYER_MIB * MIB, "length": LAYER_MIB * MIB}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        weights.append(tensor)
    nodes = [
        helper.make_node("MatMul", [f"x{n}", f"w{n}"], [f"x{n + 1}"], name=f"fc{n}") for n in range(layers)
    ]
    return model_of(nodes, {"x0": [1, SIDE]}, {f"x{layers}": [1, SIDE]}, weights=weights)


def measured(script: str, model: Path, request: str, checkout: Path = HERE) -> tuple[float, float]:
    """Return the peak resident memory in MiB of a script and its children, and the seconds it took."""
    sources = os.pathsep.join(str(checkout / part) for part in ("operator", "builder-image"))
    with TemporaryDirectory(dir=model.parent) as work:
        started, peak = time.monotonic(), 0
        command = [sys.executable, "-c", script, str(model), request, work]
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": sources})
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
