"""
Several builds of one program against as many programs of one build, and a rebuild with a warm timing cache.

The first builder of a process loads NVIDIA's kernels. Three ratios, each within one run:

* three small builds in one program, to the same three in programs of their own (aim 0.6);
* the same builds in one program, to one start and what the builds themselves take (bar 1.1);
* a rebuild with the timing cache of the first build, to the same build without one (bar 0.5), at two sizes.

Needs a GPU and full TensorRT; without them it says so and measures nothing.

``python tests/bench/bench_several_builds.py``
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from ignition_hub.device import NoGPU, device
from ignition_hub.engine.identity import PRODUCT, TENSORRT
from ignition_hub.local.installed import installed
from smallmodels import dense, model_of, saved

AIM, BAR, WARM_BAR = 0.6, 1.1, 0.5

PROGRAM = """
import json, sys, time
from ignition_hub import build_or_load_engine
for model, cache in json.loads(sys.argv[1]):
    begin = time.monotonic()
    build_or_load_engine(
        onnx_path=model, precision="fp16", flavor="TensorRT", compatibility=sys.argv[2], product=sys.argv[3],
        cache_dir=cache, force_rebuild=True,
    )
    print(time.monotonic() - begin, flush=True)
"""


def main() -> int:
    """Print the ratios; the exit status is 1 when one misses its bar."""
    try:
        product = device().product
    except NoGPU as error:
        print(f"nothing measured: needs an NVIDIA GPU ({error.message})")
        return 0
    if installed(TENSORRT) is None:
        print("nothing measured: needs full TensorRT")
        return 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        together = start_is_paid_once(folder, product)
        warm = [timings_are_kept(folder, product, layers) for layers in (4, 16)]
    return int(not together or not all(warm))


def start_is_paid_once(folder: Path, product: str) -> bool:
    """Print how three builds of one program compare with three programs; True when both bars hold."""
    models = [saved(dense(width=width), folder, f"dense{width}.onnx") for width in (64, 96, 128)]
    apart = sum(program([(model, fresh(folder))], product)[0] for model in models)
    whole, each = program([(model, fresh(folder)) for model in models], product)
    # The last build pays for nothing but itself.
    start = each[0] - each[-1]
    expected = whole - sum(each) + start + each[-1] * len(each)
    print(
        f"three builds: {whole:.1f} s in one program, {apart:.1f} s in three: {whole / apart:.2f} (aim {AIM})"
    )
    own = ", ".join(f"{seconds:.1f}" for seconds in each)
    print(f"one start and builds of {own} s are {expected:.1f} s: {whole / expected:.2f} (bar {BAR})")
    return whole / apart <= AIM and whole / expected <= BAR


def timings_are_kept(folder: Path, product: str, layers: int) -> bool:
    """Print how a rebuild with a warm timing cache compares with a cold build of ``layers`` convolutions."""
    first = saved(dense(), folder, "first.onnx")
    model, cache = saved(convolutions(layers), folder, f"convolutions{layers}.onnx"), fresh(folder)
    # One program, so that neither of the two pays for the start.
    _, (_, cold, warm) = program([(first, fresh(folder)), (model, cache), (model, cache)], product)
    print(f"{layers} convolutions: {cold:.2f} s cold, {warm:.2f} s warm: {warm / cold:.2f} (bar {WARM_BAR})")
    return warm / cold <= WARM_BAR


def program(builds: Sequence[tuple[Path, Path]], product: str) -> tuple[float, list[float]]:
    """Run a program that builds ``builds``, model and cache; return its seconds and those of each build."""
    asked = json.dumps([[str(model), str(cache)] for model, cache in builds])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, asked, PRODUCT, product],
        check=True,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    return time.monotonic() - begin, [float(line) for line in done.stdout.split()]


def fresh(folder: Path) -> Path:
    """Return a cache folder that nothing was built in."""
    return folder / f"cache-{len(list(folder.iterdir()))}-{time.monotonic_ns()}"


def convolutions(layers: int, channels: int = 64) -> Any:
    """Return a chain of convolutions whose channels differ, so that each is measured."""
    random, nodes, weights, came = np.random.default_rng(0), [], [], 3
    for index in range(layers):
        given = channels + 16 * index
        values = random.standard_normal((given, came, 3, 3)).astype(np.float32) / came
        weights.append(numpy_helper.from_array(values, f"w{index}"))
        taken = f"r{index - 1}" if index else "x"
        nodes.append(helper.make_node("Conv", [taken, f"w{index}"], [f"c{index}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"]))
        came = given
    return model_of(nodes, {"x": [4, 3, 64, 64]}, {f"r{layers - 1}": [4, came, 64, 64]}, weights=weights)


if __name__ == "__main__":
    sys.exit(main())
