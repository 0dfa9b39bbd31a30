"""
What importing the contract costs, against the standard library it stands on, in the same run.

Every measurement is a fresh process with bytecode on disk; the time is that of the imports alone, without
the start of the interpreter. The contract is ``ignition_hub`` and what every program shares of ``engine``
and ``compatibility``: identity, names, request, manifest, plan, GPUs, errors and the truth table. The peer
imports the modules of the standard library that the contract uses, and nothing of ours. Bar: at most 30 ms in
the fastest run, which is the one that other work on the machine disturbed least.
``python tests/bench/bench_import.py [--rounds 15]``.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import ignition_hub

BAR_MS = 30.0
SOURCE_ROOT = Path(ignition_hub.__file__).resolve().parents[1]

_SHARED = (
    *(f"engine.{name}" for name in ("identity", "naming", "plan_header", "request", "manifest", "errors")),
    "compatibility.gpus",
    "compatibility.verdict",
)
CONTRACT = ["ignition_hub", *(f"ignition_hub.{name}" for name in _SHARED)]
LIGHT = ["ignition_hub", "ignition_hub.device", "ignition_hub.runtime"]

MEASURE = """
import os, site, sys, time
started = time.perf_counter()
for name in sys.argv[1:]:
    __import__(name)
print((time.perf_counter() - started) * 1000)
"""

PEER = [
    "re",
    "json",
    "math",
    "enum",
    "types",
    "struct",
    "typing",
    "hashlib",
    "datetime",
    "functools",
    "dataclasses",
    "collections.abc",
]
"""What the contract imports of the standard library."""


def ran(code: str, names: list[str], cache: str) -> str:
    """Run ``code`` in a fresh interpreter that knows our sources and nothing of site-packages."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONPATH": str(SOURCE_ROOT), "PYTHONPYCACHEPREFIX": cache}
    command = [sys.executable, "-S", "-c", code, *names]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout


def milliseconds(names: list[str], rounds: int, cache: str) -> list[float]:
    """Return the time of every round; one before them writes the bytecode."""
    ran(MEASURE, names, cache)
    return [float(ran(MEASURE, names, cache)) for _ in range(rounds)]


def report(title: str, times: list[float]) -> float:
    """Print one line and return the fastest."""
    fastest = min(times)
    print(f"{title:<34} {fastest:6.1f} ms fastest, {statistics.median(times):6.1f} ms median")
    return fastest


def main() -> int:
    """Measure, print, and fail above the bar."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=15)
    rounds = arguments.parse_args().rounds
    with tempfile.TemporaryDirectory() as cache:
        peer = report(f"standard library ({len(PEER)} modules)", milliseconds(PEER, rounds, cache))
        contract = report(f"the contract ({len(CONTRACT)} modules)", milliseconds(CONTRACT, rounds, cache))
        report("ignition_hub.runtime", milliseconds(LIGHT, rounds, cache))
    print(f"the contract takes {contract / peer:.2f} times its standard library; bar {BAR_MS:.0f} ms")
    return 0 if contract <= BAR_MS else 1


if __name__ == "__main__":
    sys.exit(main())
