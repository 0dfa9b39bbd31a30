"""
What a hit in the local cache costs: ``build_or_load_engine``, warm, against one SHA-256 pass over its engine.

The engine and the model are large files; neither is read on a warm hit, for what is known of them holds while
the files stay as they are. Bars: at most a hundredth of the pass, and at most 10 ms.
``python tests/bench/bench_local_hit.py [--mib 1024] [--rounds 20]``.
"""

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from ignition_hub import build_or_load_engine
from ignition_hub.engine.manifest import EngineFile, Manifest
from ignition_hub.local.cache import Cache, Finished
from ignition_hub.local.resolution import EngineRequest, resolved_request
from local_harness import ARCH
from smallmodels import dense
from storefixtures import make_facts

RATIO_BAR = 0.01
SECONDS_BAR = 0.010
MIB = 1024 * 1024
COLD = """
import sys
from ignition_hub import build_or_load_engine
build_or_load_engine(sys.argv[1], arch=sys.argv[2], cache_dir=sys.argv[3])
"""


def main() -> int:
    """Measure, print, and tell by the exit code whether the bars hold."""
    words = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    words.add_argument("--mib", type=int, default=1024, help="size of the engine; the model has half of it")
    words.add_argument("--rounds", type=int, default=20)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="ignition-bench-") as folder:
        return measured(Path(folder), asked.mib * MIB, asked.rounds)


def measured(folder: Path, size: int, rounds: int) -> int:
    model, cache = large_model(folder, size // 2), Cache(folder / "cache")
    engine = placed(cache, model, size)
    time.sleep(2.1)  # younger files are not remembered
    load = lambda: build_or_load_engine(model, arch=ARCH, cache_dir=cache.root)  # noqa: E731
    first = seconds_of(load)
    hit = statistics.median(seconds_of(load) for _ in range(rounds))
    digest = statistics.median(seconds_of(lambda: digest_of(engine)) for _ in range(3))
    command = [sys.executable, "-c", COLD, str(model), ARCH, str(cache.root)]
    process = statistics.median(seconds_of(lambda: subprocess.run(command, check=True)) for _ in range(3))
    print(f"engine {size / MIB:.0f} MiB, model {size / 2 / MIB:.0f} MiB")
    print(f"first hit, both files hashed   {first:8.3f} s")
    print(f"SHA-256 of the engine          {digest:8.3f} s")
    print(f"warm hit                       {hit * 1000:8.3f} ms   {hit / digest:.5f} of it (bar {RATIO_BAR})")
    print(f"warm hit in a fresh process    {process * 1000:8.1f} ms")
    return 0 if hit <= RATIO_BAR * digest and hit <= SECONDS_BAR else 1


def large_model(folder: Path, size: int) -> Path:
    """Write a model whose bytes are mostly one unused weight."""
    model = dense()
    path = folder / "model.onnx"
    with path.open("wb") as file:
        file.write(model.SerializeToString())
        # A field that protobuf readers step over: number 2000, length delimited.
        file.write(varint(2000 << 3 | 2) + varint(size))
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    return path


def placed(cache: Cache, model: Path, size: int) -> Path:
    """Put an engine of ``size`` random bytes into the cache, where the model's engine belongs."""
    resolved = resolved_request(EngineRequest(onnx_path=model, arch=ARCH), cache.digests)
    with cache.staging(resolved.identity) as staging:
        path = staging / "engine.trt"
        with path.open("wb") as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))
        sha256, paths = digest_of(path), cache.paths(resolved.inputs, resolved.identity)
        manifest = Manifest(
            identity=resolved.identity,
            inputs=resolved.inputs,
            engine=EngineFile(paths.engine(sha256), sha256, size),
            provenance_key=paths.provenance(sha256),
            built_at="2026-01-02T03:04:05Z",
            build=make_facts(),
        )
        return cache.place(resolved.inputs, resolved.identity, Finished(path, manifest.to_bytes())).path


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


if __name__ == "__main__":
    sys.exit(main())
