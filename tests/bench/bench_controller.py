"""
How the controller's cost grows with the number of resources, beside a Go operator that does the least.

The peer is ``peers/operator``: controller-runtime, one Job a resource, one status patch, no events. Both work
in turn on one API server of their own on this machine. ``peers/loader`` creates N distinct resources and
waits until all are Ready; ``peers/player`` stands in for builders and Job controller of both. Then each is
started again with its N Ready resources there, until it has judged all of them, and is left alone: what it
writes then is a write at rest.

CPU and memory are the operator process's own, as the kernel has them; of the run to Ready from its first
request to a second after the last resource was Ready. Writes are counted by the API server, events apart.

    python tests/bench/bench_controller.py [--counts 100,300,1000] [--rest 10]
"""

import argparse
import asyncio
import json
import math
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from controller_harness import plane_of_its_own
from fakeworld import MODEL_URI, make_engine, make_pool
from ignition_hub.controller.policy.pool_status import COUNT_AFTER
from ignition_hub.engine.names import BUILD_NAMESPACE, RELEASE_NAMESPACE
from ignition_hub.kube import ENGINES, JOBS, NAMESPACES, POOLS, Kube, RateLimiter, path_of
from localcluster import ControlPlane
from localcluster.paths import cache_folder
from localcluster.toolchain import find_go, go_environment

HERE = Path(__file__).resolve().parent
TO_READY = 600.0
TO_JUDGED = 120.0
TO_END = 30.0
SETTLED = 1.0
WARM_UP = 20
"""Resources of each side that are not measured: the first of everything costs the API server more."""
WRITES = re.compile(
    r'^apiserver_request_total\{.*resource="(tensorrtengines|buildpools|jobs|pods)"'
    r'.*verb="(?:POST|PUT|PATCH|APPLY|DELETE)".*\} (\S+)$',
    re.MULTILINE,
)


@dataclass(frozen=True)
class Run:
    """What one side cost for ``count`` resources; seconds and MiB."""

    side: str
    count: int
    wall: float
    cpu: float
    peak: float
    writes: float
    """A resource; the Job and the status of the player's are not in it."""
    passes: str
    restart: float
    restart_cpu: float
    writes_at_rest: int
    growth_at_rest: float
    """MiB of resident memory."""


class Program:
    """A process at work, and what it says on standard output."""

    def __init__(self, command: list[str]) -> None:
        self._started = time.monotonic()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._lines: queue.Queue[tuple[str, float]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put((line.strip(), time.monotonic()))
        self._lines.put(("", time.monotonic()))

    def wait_for(self, word: str, seconds: float) -> float:
        """Return how many seconds after its start it said ``word``."""
        return self._line(word, seconds)[1] - self._started

    def _line(self, beginning: str, seconds: float) -> tuple[str, float]:
        deadline = time.monotonic() + seconds
        while (line := self._lines.get(timeout=max(0.0, deadline - time.monotonic()))) and line[0]:
            if line[0].startswith(beginning):
                return line
        raise RuntimeError(f"{self._process.args} ended before it said {beginning}")

    @property
    def cpu(self) -> float:
        """User and system seconds so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def peak_mib(self) -> float:
        return self._memory("VmHWM")

    @property
    def resident_mib(self) -> float:
        return self._memory("VmRSS")

    def _memory(self, row: str) -> float:
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{row}:"))

    def ends(self) -> str:
        """Ask it to end; return how many passes it made."""
        self._process.terminate()
        return self._line("passes", TO_END)[0].removeprefix("passes ")

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()


@contextmanager
def running(command: list[str]) -> Iterator[Program]:
    """Run a program for as long as the block lasts."""
    program = Program(command)
    try:
        yield program
    finally:
        program.kill()


class Bench:
    """One API server, and what works on it."""

    def __init__(self, plane: ControlPlane, programs: Path) -> None:
        self._plane = plane
        self._programs = programs
        flags = ["--build-namespace", BUILD_NAMESPACE]
        self._commands = {
            "Go": [str(programs / "operator"), *flags, "--release-namespace", RELEASE_NAMESPACE],
            "ours": [sys.executable, str(HERE / "controller_process.py")],
        }

    def measure(self, side: str, count: int, rest: float) -> Run:
        """Let one side bring ``count`` resources to Ready, then start it again."""
        namespace = f"bench-{uuid4().hex[:8]}"
        asyncio.run(self._prepare(namespace))
        with running(self._commands[side]) as operator, running([str(self._programs / "player")]) as player:
            player.wait_for("plays", TO_END)
            operator.wait_for("leads", TO_JUDGED)
            before, cpu = self._writes(), operator.cpu
            wall = self._load(namespace, count)
            time.sleep(SETTLED)
            cpu, peak = operator.cpu - cpu, operator.peak_mib
            writes = self._writes() - before - 2 * count  # the resources themselves, and the player's
            passes = operator.ends()
        with running([*self._commands[side], "--expect", str(count)]) as operator:
            restart = operator.wait_for("judged", TO_JUDGED)
            restart_cpu = operator.cpu
            time.sleep(COUNT_AFTER + 3.0)  # the pool is described after the engines
            before, memory = self._writes(), operator.resident_mib
            time.sleep(rest)
            at_rest, growth = self._writes() - before, operator.resident_mib - memory
        asyncio.run(self._clear(namespace))
        return Run(
            side, count, wall, cpu, peak, writes / count, passes, restart, restart_cpu, at_rest, growth
        )

    def _load(self, namespace: str, count: int) -> float:
        command = [str(self._programs / "loader"), "-namespace", namespace, "-timeout", f"{TO_READY:.0f}s"]
        bodies = "\n".join(json.dumps(engine(namespace, number)) for number in range(count))
        done = subprocess.run(
            command, input=bodies, capture_output=True, text=True, check=False, timeout=TO_READY + TO_END
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return float(done.stdout)

    def _writes(self) -> int:
        metrics = self._plane.kubectl("get", "--raw", "/metrics")
        return sum(int(float(found[1])) for found in WRITES.findall(metrics))

    async def _prepare(self, namespace: str) -> None:
        kube = await Kube.connect(limiter=RateLimiter(qps=1000, burst=1000))
        await kube.create(NAMESPACES, {"metadata": {"name": namespace}})
        if not await kube.list(POOLS):
            await kube.create(POOLS, make_pool())
        await kube.close()

    async def _clear(self, namespace: str) -> None:
        kube = await Kube.connect(limiter=RateLimiter(qps=1000, burst=1000))
        for resource, where in ((ENGINES, namespace), (JOBS, BUILD_NAMESPACE)):
            while await kube.list(resource, where):
                body = {"propagationPolicy": "Background"}
                await kube.send("DELETE", path_of(resource, namespace=where), body=body)
        await kube.close()


def engine(namespace: str, number: int) -> dict:
    """Return one of the resources: each is of a model of its own, and so of an identity of its own."""
    model = {"name": f"model-{number}", "version": "v1", "source": {"uri": MODEL_URI}}
    return make_engine(f"engine-{number}", namespace, model=model)


def built_peers() -> Path:
    """Compile the Go programs; what did not change since is not compiled again."""
    go, target = find_go(), cache_folder() / "peers"
    flags = ["-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", f"{target}/"]
    subprocess.run(
        [str(go), "build", *flags, "./..."],
        cwd=HERE / "peers",
        env=go_environment(go),
        check=True,
        timeout=1200,
    )
    return target


def exponent(runs: list[Run], value: str) -> float:
    """Return how a cost grows from the smallest count to the largest: 1 is in proportion."""
    few, many = runs[0], runs[-1]
    return math.log(getattr(many, value) / getattr(few, value)) / math.log(many.count / few.count)


def table(runs: list[Run]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield (
        "| N | wall s Go / ours | ratio | CPU s Go / ours | ratio | ms of CPU each | MiB Go / ours | ratio"
        " | writes each Go / ours | restart s Go / ours | restart CPU s Go / ours"
        " | writes at rest | MiB more at rest | passes |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    for count in sorted({run.count for run in runs}):
        go, ours = (next(run for run in runs if (run.side, run.count) == (side, count)) for side in SIDES)
        yield (
            f"| {count:,} | {go.wall:.2f} / {ours.wall:.2f} | {ours.wall / go.wall:.2f}"
            f" | {go.cpu:.2f} / {ours.cpu:.2f} | {ours.cpu / go.cpu:.2f} | {1000 * ours.cpu / count:.1f}"
            f" | {go.peak:.0f} / {ours.peak:.0f} | {ours.peak / go.peak:.2f}"
            f" | {go.writes:.2f} / {ours.writes:.2f} | {go.restart:.2f} / {ours.restart:.2f}"
            f" | {go.restart_cpu:.2f} / {ours.restart_cpu:.2f}"
            f" | {go.writes_at_rest} / {ours.writes_at_rest}"
            f" | {go.growth_at_rest:.1f} / {ours.growth_at_rest:.1f} | {ours.passes} (Go {go.passes}) |"
        )


SIDES = ("Go", "ours")


def main() -> int:
    """Measure both sides at every count, print the table and how our CPU grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", default="100,300,1000", help="resources, comma separated")
    parser.add_argument("--rest", type=float, default=10.0, help="seconds at rest")
    options = parser.parse_args()
    counts = sorted(int(count) for count in options.counts.split(","))
    programs = built_peers()
    runs: list[Run] = []
    with plane_of_its_own() as plane:
        bench = Bench(plane, programs)
        for side in SIDES:
            bench.measure(side, WARM_UP, 0.0)
        for count in counts:
            for side in SIDES:
                runs.append(bench.measure(side, count, options.rest))
                print(runs[-1], file=sys.stderr, flush=True)
    print("\n".join(table(runs)))
    if len(counts) > 1:
        for side in SIDES:
            own = [run for run in runs if run.side == side]
            print(f"{side}: CPU grows with N to the power of {exponent(own, 'cpu'):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
