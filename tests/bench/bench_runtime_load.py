"""
What loading verified engines costs the host, against the usual three lines, in the same run.

The usual lines read every file into memory and hand the bytes on; ours maps, hashes and drops one at a time.
Both are fresh processes over the same files, and what "deserialises" is a fake that reads every page. Bars:
a peak of at most the largest engine and 64 MiB, and at most 1.25 times the seconds of reading and hashing.
``python tests/bench/bench_runtime_load.py [--mib 256] [--rounds 3]``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from fakeruntime import Engine

SUPPORT = Path(__file__).resolve().parents[1] / "support"
MIB = 1 << 20
PEAK_BAR_MIB = 64
SECONDS_BAR = 1.25
SIZES = (1.0, 0.5, 0.25, 0.25)
"""Sizes of the engines, as parts of the largest."""

COMMON = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
paths = sys.argv[2:]
from fakeruntime import FakeBackend, FakeEngine, machine
from ignition_hub.runtime import load_engines
from hashlib import sha256

def highest():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

class Reader(FakeBackend):
    def deserialize(self, plan, *, host_code, lean_runtime):
        sum(plan[::4096])
        return FakeEngine(b""), ()

before, started = highest(), time.perf_counter()
{load}
seconds = time.perf_counter() - started
print(json.dumps({{"seconds": seconds, "peak": highest() - before}}))
"""
OURS = "engines = load_engines(paths, machine=machine(), backends=Reader())"
USUAL = """
contents = [open(path, "rb").read() for path in paths]
for content in contents:
    sha256(content).hexdigest()
    Reader().deserialize(memoryview(content), host_code=False, lean_runtime=None)
"""


@dataclass(frozen=True)
class Run:
    """One measured process: seconds of loading, and how far its resident memory rose, in bytes."""

    seconds: float
    peak: int


def measured(load: str, paths: Sequence[Path]) -> Run:
    """Load the files in a fresh process."""
    command = [sys.executable, "-c", COMMON.format(load=load), str(SUPPORT), *map(str, paths)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return Run(**json.loads(done.stdout))


def placed(folder: Path, largest: int) -> list[Path]:
    """Write engines with manifests; contents differ, for they are random."""
    return [
        Engine(body=os.urandom(int(largest * part))).fetched(folder, f"engine-{index}")
        for index, part in enumerate(SIZES)
    ]


def report(title: str, runs: Sequence[Run]) -> tuple[float, float]:
    """Print one line; return the median seconds and the highest peak in MiB."""
    seconds, peak = statistics.median(run.seconds for run in runs), max(run.peak for run in runs) / MIB
    print(f"{title:<28} {seconds:6.2f} s   peak {peak:6.0f} MiB")
    return seconds, peak


def main() -> int:
    """Measure in turn, print both, and fail above a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = placed(Path(folder), options.mib * MIB)
        pairs = [(measured(USUAL, paths), measured(OURS, paths)) for _ in range(options.rounds)]
    usual_seconds, usual_peak = report("read, hash, deserialise", [usual for usual, _ in pairs])
    seconds, peak = report("load_engines", [ours for _, ours in pairs])
    print(f"{seconds / usual_seconds:.2f} times the seconds, {peak / usual_peak:.2f} times the memory")
    return 0 if peak <= options.mib + PEAK_BAR_MIB and seconds <= SECONDS_BAR * usual_seconds else 1


if __name__ == "__main__":
    sys.exit(main())
