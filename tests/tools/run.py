"""
Run the test layers one after another and say at the end what ran and what did not.

``python tests/tools/run.py unit unit-3.10 cluster gpu``. Each layer is one pytest run in its own process,
because the layers must not share fixtures; ``unit-3.10`` is the unit layer without the hub, on the oldest
Python that runs beside TensorRT. A layer this machine cannot run is skipped with its reason; a layer that
fails does not stop the next, but decides the exit status.

``stores`` is what depends on the S3 server of the cluster layer, once on each of ``stores.table.BESIDE``;
``stores-ceph`` is the same on one server that is named.
"""

import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import setup
from besidetensorrt import OLDEST, files_for_newer, oldest_python
from stores.table import BESIDE, CHOSEN_BY, OUTSIDE, SERVERS

ROOT = Path(__file__).resolve().parents[2]
NOTHING_COLLECTED = 5
UNIT_OLDEST = f"unit-{OLDEST}"
VENV_OLDEST = ROOT / f".venv-{OLDEST}"
STORES = {f"stores-{kind.name}": kind.name for kind in (*BESIDE, *OUTSIDE)}
"""The layers of S3 servers, and their servers."""
OF_CI = [f"stores-{kind.name}" for kind in BESIDE]
"""The layers that ``stores`` stands for."""
CLUSTER_TESTS = ["localcluster", "build", "--set", "cluster-tests"]
STORE_TESTS = (
    "store",
    "gateway/test_flow.py",
    "gateway/test_timing.py",
    "gateway/test_builder_timing_store.py",
    "gateway/test_builder_bundles.py",
)
"""Of the cluster layer; what it has besides asks the API server more than the store."""
WHERE_CONDITIONS_HOLD = ("test_local_artifacts.py",)
"""Of the cluster layer too: machines outside the cluster do not write into a bucket of other servers."""


@dataclass(frozen=True)
class Outcome:
    """What one layer did: how many tests passed, failed, were skipped, and why."""

    layer: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    reasons: tuple[str, ...] = ()
    broken: bool = False


def main(layers: list[str]) -> int:
    """Run ``layers`` in order; 0 when nothing failed."""
    layers = [each for layer in layers for each in (OF_CI if layer == "stores" else [layer])]
    # All before any: the unit layer checks with the helm, promtool and Triton that a later layer builds.
    ready = {layer: prepare(layer) for layer in layers if not reason_not_to_run(layer)}
    outcomes = [run_layer(layer, is_ready=ready.get(layer, False)) for layer in layers]
    for outcome in outcomes:
        print(line(outcome))
        for reason in outcome.reasons:
            print(f"{'':26}skipped: {reason}")
    passed, failed = sum(o.passed for o in outcomes), sum(o.failed for o in outcomes)
    print(f"{passed} passed, {failed} failed, {sum(o.skipped for o in outcomes)} skipped")
    return 1 if failed or any(o.broken for o in outcomes) else 0


def run_layer(layer: str, *, is_ready: bool) -> Outcome:
    """Run one layer's tests, if what they need could be built."""
    if reason := reason_not_to_run(layer):
        return Outcome(layer, skipped=1, reasons=(f"the whole layer: {reason}",))
    if not is_ready:
        return Outcome(layer, broken=True, reasons=("its preparation failed, see above",))
    print(f"==> {layer}", flush=True)
    started = time.monotonic()
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [python_of(layer), "-m", "pytest", "-q", f"--junit-xml={report}", *paths_of(layer)]
        environment = {**os.environ, **({CHOSEN_BY: STORES[layer]} if layer in STORES else {})}
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        outcome = read_report(layer, report, code, time.monotonic() - started)
        return replace(outcome, reasons=(*outcome.reasons, *files_not_run(layer)))


def files_not_run(layer: str) -> list[str]:
    """Say how many files of ``layer`` were left out, and why."""
    if layer != UNIT_OLDEST:
        return []
    files, left_out = list(folder_of(layer).rglob("test_*.py")), files_for_newer(folder_of(layer))
    return [f"{len(left_out)} of {len(files)} files: they need the hub or development's Python, 3.11"]


def folder_of(layer: str) -> Path:
    """Return where the tests of ``layer`` are."""
    return ROOT / "tests" / {UNIT_OLDEST: "unit", **dict.fromkeys(STORES, "cluster")}.get(layer, layer)


def paths_of(layer: str) -> list[str]:
    """Return what pytest runs of ``layer``."""
    folder = folder_of(layer)
    if layer not in STORES:
        return [str(folder)]
    holds = SERVERS[STORES[layer]].keeps_writers_apart
    return [str(folder / name) for name in (*STORE_TESTS, *(WHERE_CONDITIONS_HOLD if holds else ()))]


def python_of(layer: str) -> str:
    """Return the Python that runs the tests of ``layer``."""
    return str(VENV_OLDEST / "bin" / "python") if layer == UNIT_OLDEST else sys.executable


def reason_not_to_run(layer: str) -> str | None:
    """Say why this machine cannot run ``layer``, or None when it can."""
    if not any(folder_of(layer).rglob("test_*.py")):
        return "it has no tests yet"
    if layer == UNIT_OLDEST and oldest_python() is None:
        return f"needs a CPython {OLDEST}: python{OLDEST} on the PATH, or one that pyenv or uv installed"
    if layer == "e2e" and os.geteuid() != 0:
        return "needs root for real nodes (network namespaces, mounts, cgroups)"
    if layer == "gpu" and shutil.which("nvidia-smi") is None:
        return "needs an NVIDIA GPU and its driver"
    return None


def prepare(layer: str) -> bool:
    """Make the binaries or the environment that a layer needs; minutes the first time, nothing after."""
    if layer == UNIT_OLDEST:
        return prepare_oldest()
    steps = {
        **{each: [CLUSTER_TESTS, ["stores", "build", name]] for each, name in STORES.items()},
        "cluster": [
            CLUSTER_TESTS,
            ["ociregistry", "build"],
            ["promtool", "build"],
            ["triton", "build"],
        ],
        "e2e": [
            ["localcluster", "packages"],
            ["localcluster", "build", "--set", "all"],
            ["ociregistry", "build"],
            ["images", "build"],
        ],
    }
    if layer == "cluster":
        ran("localcluster", "packages", "--set", "browser")  # tests that lack it are skipped, and say so
    return all(ran(*step) for step in steps.get(layer, []))


def ran(module: str, *arguments: str) -> bool:
    """Run a program of ``tests/tools``; tell whether it succeeded."""
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=False).returncode == 0


def prepare_oldest() -> bool:
    """Make the environment of the oldest Python."""
    interpreter = oldest_python()
    if interpreter is None:
        return False
    try:
        setup.make_oldest(VENV_OLDEST, interpreter, Path(sys.executable).with_name("uv"))
    except SystemExit as failed:
        print(failed, file=sys.stderr)
        return False
    return True


def read_report(layer: str, report: Path, code: int, seconds: float) -> Outcome:
    """Count one pytest run from its JUnit report."""
    if not report.exists():
        return Outcome(layer, seconds=seconds, broken=True, reasons=(f"pytest stopped with {code}",))
    cases = list(ET.parse(report).getroot().iter("testcase"))
    skips = [skip for case in cases for skip in case.iter("skipped")]
    failed = sum(any(True for _ in case.iter(kind)) for case in cases for kind in ("failure", "error"))
    reasons = tuple(sorted({skip.get("message", "") for skip in skips}))
    passed = len(cases) - failed - len(skips)
    broken = code not in (0, NOTHING_COLLECTED)
    return Outcome(layer, passed, failed, len(skips), seconds, reasons, broken)


def line(outcome: Outcome) -> str:
    """Lay one layer's outcome out for people."""
    counts = f"{outcome.passed:5d} passed {outcome.failed:3d} failed {outcome.skipped:3d} skipped"
    return f"{outcome.layer:25} {counts}  {outcome.seconds:6.1f} s"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
