"""
What the cache of a node is worth: the second pod of a node against the first, and against no cache.

The store is a real S3 server behind a wire of a given speed, 100 Mbit/s unless told otherwise: on the
loopback a store is as near as the cache, and nothing is gained. The cache is a process of its own, over TLS,
as the chart runs it. Bars, at every size: the second pod takes at most a tenth of the first, and the first at
most 1.1 times what it takes without a cache. ``cp`` and ``sha256sum`` of the same file are the floor.
``python tests/bench/bench_node_cache.py [--mib 512,2048] [--rounds 1] [--megabytes-a-second 12.5]``.
"""

import argparse
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench_fetch import (
    BUCKET,
    MIB,
    Peer,
    Reached,
    Run,
    gateway,
    measured,
    memory_backed,
    publish,
    whole_fetcher,
)

from loopback_certificate import loopback_certificate
from s3server import S3Server

ROOT = Path(__file__).resolve().parents[2]
SECOND_BAR = 0.1
FIRST_BAR = 1.1
PIECE = 64 * 1024


class Wire:
    """Carries bytes between clients and a server, all together no faster than ``pace`` bytes a second."""

    def __init__(self, port: int) -> None:
        self.pace = 0.0
        self._port, self._lock, self._free_at = port, threading.Lock(), 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._port))
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while piece := one.recv(PIECE):
                self._wait(len(piece))
                other.sendall(piece)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def _wait(self, count: int) -> None:
        if not self.pace:
            return
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + count / self.pace
            ahead = self._free_at - time.monotonic()
        time.sleep(max(0.0, ahead))


@contextmanager
def node_cache(folder: Path, engines: str, size: int) -> Iterator[str]:
    """Run the cache as the chart does; yields its URL."""
    kept = folder / "kept"
    kept.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    flags = [f"--port={port}", f"--folder={kept}", f"--max-bytes={2 * size}", f"--engines={engines}"]
    trust = [f"--tls-cert={folder / 'tls.pem'}", f"--tls-key={folder / 'tls.pem'}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ignition_hub.fetch.node_cache", *flags, *trust],
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(kept)


def wait_for(port: int) -> None:
    """Return when something listens on the port."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit("the node cache did not start")


def main() -> int:
    """Measure every size, print what it takes and say whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", default="512,2048")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--megabytes-a-second", type=float, default=12.5)
    options = parser.parse_args()
    sizes = [int(mib) * MIB for mib in options.mib.split(",")]
    tempfile.tempdir = memory_backed(4 * max(sizes))
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    held = [measure(size, options.rounds, options.megabytes_a_second * 1e6) for size in sizes]
    return 0 if all(held) else 1


def measure(size: int, rounds: int, pace: float) -> bool:
    """Measure one size behind a wire of ``pace`` bytes a second; whether the bars hold."""
    with tempfile.TemporaryDirectory() as name, S3Server.start() as s3:
        folder = Path(name)
        (folder / "authority.pem").write_text(loopback_certificate(folder))
        wire = Wire(int(s3.endpoint.rpartition(":")[2]))
        behind = Reached(f"http://{wire.address}", s3.access_key, s3.secret_key)
        published = publish(behind, size, folder, None)
        wire.pace = pace
        answer = {"name": "bench", "url": published.url, "size": size, "sha256": published.sha256}
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / "tls.pem")
        with gateway(answer, tls) as address:
            fetcher = whole_fetcher(address, folder)
            engines = f"http://{wire.address}/{BUCKET}"
            print(f"\n{size // MIB} MiB at {pace / 1e6:.1f} MB/s")
            return judge([one_round(fetcher, folder, engines, size) for _ in range(rounds)])


def one_round(fetcher: Peer, folder: Path, engines: str, size: int) -> tuple[Run, Run, Run, Run]:
    """Fetch without a cache, then as the first and the second pod of a node; then copy and hash a file."""
    alone, _ = one_pod(fetcher, folder, "")
    with node_cache(folder, engines, size) as url:
        first, _ = one_pod(fetcher, folder, url)
        second, floor = one_pod(fetcher, folder, url)
    return alone, first, second, floor


def one_pod(fetcher: Peer, folder: Path, cache: str) -> tuple[Run, Run]:
    """Run the fetcher with a volume of its own, copy and hash what it brought, and remove both."""
    mount = folder / "mount"
    environment = {**fetcher.environment, "IGNITION_MOUNT": str(mount), "IGNITION_NODE_CACHE_URL": cache}
    cpus = sorted(os.sched_getaffinity(0))
    run = measured(list(fetcher.command), environment, cpus)
    copied = f"cp {mount}/bench/model.engine {mount}/copy && sha256sum {mount}/copy"
    floor = measured(["sh", "-c", copied], {}, cpus)
    shutil.rmtree(mount)
    return run, floor


def judge(runs: list[tuple[Run, Run, Run, Run]]) -> bool:
    """Print the medians; whether the bars hold."""
    alone, first, second, floor = (
        statistics.median(run.seconds for run in each) for each in zip(*runs, strict=True)
    )
    peak = max(run.peak_mib for each in runs for run in each)
    print(f"without a cache {alone:.2f} s, first pod {first:.2f} s, second pod {second:.2f} s")
    print(f"cp and sha256sum: {floor:.2f} s, second pod {second / floor:.2f} times")
    print(f"first to without: {first / alone:.3f} (bar {FIRST_BAR}); peak {peak:.0f} MiB")
    print(f"second to first: {second / first:.3f} (bar {SECOND_BAR})")
    return second <= SECOND_BAR * first and first <= FIRST_BAR * alone


if __name__ == "__main__":
    raise SystemExit(main())
