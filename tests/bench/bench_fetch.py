"""
What the fetcher is worth: one large engine, verified, against what else brings an object out of a bucket.

Every program starts as a fresh process, reads the same object from the same S3 server on the loopback and
writes it into the same memory-backed folder; wall time includes its start. They take turns within each round,
over plain HTTP and TLS, on one CPU and on two (of the program: the server has all). curl and aria2c get a
presigned URL and verify nothing; boto3 and s5cmd have the keys, and boto3's file is hashed afterwards. A
program that is not installed is left out, and said.

Bars, of medians: at least 2.5 times as fast as boto3 and SHA-256, at most 1.4 times the time of curl, at most
64 MiB of memory.
``python tests/bench/bench_fetch.py [--mib 2048] [--rounds 3] [--schemes http,https] [--cpus 1,2]``.
"""

import argparse
import hashlib
import json
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import boto3
from botocore.config import Config

from localcluster.paths import cache_folder
from localcluster.toolchain import find_go, go_environment
from loopback_certificate import loopback_certificate
from loopbackserver import LoopbackServer
from s3server import REGION, S3Server

ROOT = Path(__file__).resolve().parents[2]
BOTO3_BAR = 2.5
CURL_BAR = 1.4
MEMORY_BAR_MIB = 64
MIB = 1024 * 1024
BLOCK = 64 * MIB
BUCKET, KEY = "engines", "bench/model.trt"
S5CMD = "github.com/peak/s5cmd/v2"

BOTO3 = """
import hashlib, json, sys
import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
at = json.loads(sys.argv[1])
config = Config(signature_version="s3v4", s3={"addressing_style": "path"},
                response_checksum_validation="when_required")
client = boto3.client("s3", config=config, **at["client"])
classic = TransferConfig(preferred_transfer_client="classic")
client.download_file(at["bucket"], at["key"], at["path"], Config=classic)
with open(at["path"], "rb") as file:
    assert hashlib.file_digest(file, "sha256").hexdigest() == at["sha256"]
"""


@dataclass(frozen=True)
class Run:
    """One measured process: seconds of wall time and of CPU, and its peak resident memory."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Reached:
    """Where and with which keys an S3 server is reached."""

    endpoint: str
    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Published:
    """The object: how a client of S3 reaches it, a URL that needs no keys, and what it is."""

    client: Mapping[str, str]
    url: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Peer:
    """A program that brings the object to ``{path}`` of its command, and the environment it needs."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def main() -> int:
    """Measure all programs in turn, print their speeds and say whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--schemes", default="http,https")
    parser.add_argument("--cpus", default="1,2")
    options = parser.parse_args()
    tempfile.tempdir = memory_backed(2 * options.mib * MIB)
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    held = [
        measure(scheme, [int(count) for count in options.cpus.split(",")], options.mib * MIB, options.rounds)
        for scheme in options.schemes.split(",")
    ]
    print(f"load after: {os.getloadavg()[0]:.1f}")
    return 0 if all(held) else 1


@dataclass(frozen=True)
class Measurement:
    """What is measured: the programs, over one scheme, with what they bring into ``folder``."""

    scheme: str
    peers: Mapping[str, Peer]
    published: Published
    folder: Path
    rounds: int


def measure(scheme: str, cpus: list[int], size: int, rounds: int) -> bool:
    """Measure all programs over one scheme; whether the bars hold for every number of CPUs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = loopback_certificate(folder)
        tls = (folder / "tls.pem", folder / "tls.pem") if scheme == "https" else None
        with S3Server.start(tls=tls) as s3:
            (folder / "authority.pem").write_text(authority)
            reached = Reached(s3.endpoint, s3.access_key, s3.secret_key)
            published = publish(reached, size, folder, folder / "authority.pem" if tls else None)
            answer = {"name": "bench", "url": published.url, "size": size, "sha256": published.sha256}
            with gateway(answer) as address:
                peers = all_peers(published, address, folder)
                measurement = Measurement(scheme, peers, published, folder, rounds)
                held = [measure_on(count, measurement) for count in cpus]
    return all(held)


def measure_on(cpus: int, what: Measurement) -> bool:
    """Run every program on ``cpus`` CPUs in each round; whether the bars hold."""
    runs: dict[str, list[Run]] = {name: [] for name in what.peers}
    for _ in range(what.rounds):
        for name, peer in what.peers.items():
            runs[name].append(one_run(peer, cpus, what.published.size, what.folder))
    print(f"\n{what.published.size // MIB} MiB over {what.scheme}, {cpus} CPU{'s' if cpus > 1 else ''}")
    return judge(what.published.size, runs)


def one_run(peer: Peer, cpus: int, size: int, folder: Path) -> Run:
    """Run a program, and remove what it brought."""
    arrived = folder / "arrived"
    arrived.mkdir()
    path = arrived / "bench" / "model.engine"
    path.parent.mkdir()
    command = [word.replace("{path}", str(path)).replace("{folder}", str(arrived)) for word in peer.command]
    mount = {"IGNITION_MOUNT": str(arrived)}
    run = measured(command, {**peer.environment, **mount}, sorted(os.sched_getaffinity(0))[:cpus])
    if path.stat().st_size != size:
        raise SystemExit(f"{command[0]} brought {path.stat().st_size} bytes")
    shutil.rmtree(arrived)
    return run


def all_peers(published: Published, address: str, folder: Path) -> dict[str, Peer]:
    """Return the programs that are installed here."""
    authority = folder / "authority.pem"
    at = {"client": {**published.client}, "bucket": BUCKET, "key": KEY, "path": "{path}"}
    boto = json.dumps({**at, "sha256": published.sha256})
    keys = {
        "AWS_ACCESS_KEY_ID": published.client["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": published.client["aws_secret_access_key"],
        "AWS_REGION": REGION,
        "AWS_CA_BUNDLE": str(authority),
    }
    endpoint = ("--endpoint-url", published.client["endpoint_url"])
    aria2c = ("--quiet", "--split=8", "--max-connection-per-server=8", "--file-allocation=none")
    trust = f"--ca-certificate={authority}"
    peers = {
        "fetcher": whole_fetcher(address, folder),
        "boto3+sha": Peer((sys.executable, "-c", BOTO3, boto)),
        "curl": Peer(("curl", "-sSf", "--cacert", str(authority), "-o", "{path}", published.url)),
        "aria2c": Peer(
            ("aria2c", *aria2c, trust, "--dir={folder}/bench", "--out=model.engine", published.url)
        ),
        "s5cmd": Peer((built_s5cmd(), *endpoint, "cp", f"s3://{BUCKET}/{KEY}", "{path}"), keys),
    }
    for name, peer in peers.items():
        if shutil.which(peer.command[0]) is None:
            print(f"{name}: {peer.command[0]} is not installed, left out")
    return {name: peer for name, peer in peers.items() if shutil.which(peer.command[0])}


def whole_fetcher(address: str, folder: Path) -> Peer:
    """Return the fetcher, which asks the gateway at ``address``."""
    token = folder / "token"
    token.write_text("bench")
    environment = {
        "PYTHONPATH": str(ROOT / "operator"),
        "IGNITION_GATEWAY_URL": address,
        "IGNITION_TOKEN_FILE": str(token),
        "IGNITION_ENGINES": "bench=bench",
        "IGNITION_CA_FILE": str(folder / "authority.pem"),
    }
    return Peer((sys.executable, "-m", "ignition_hub.fetch"), environment)


def built_s5cmd() -> str:
    """Compile s5cmd out of its Go module; what is there is not compiled again. Empty when that fails."""
    go, target = find_go(), cache_folder() / "peers" / "s5cmd"
    command = [str(go), "build", "-trimpath", "-o", str(target), S5CMD]
    sources = Path(__file__).parent / "peers" / "s5cmd"
    done = subprocess.run(command, cwd=sources, env=go_environment(go), check=False, timeout=1200)
    return str(target) if done.returncode == 0 else ""


def memory_backed(needed: int) -> str | None:
    """Return /dev/shm when it has room for object and copy, else None: the default folder, a disk."""
    shm = Path("/dev/shm")
    roomy = shm.is_dir() and shutil.disk_usage(shm).free > needed * 1.1
    print(f"storage: {'memory (/dev/shm)' if roomy else 'disk'}")
    return str(shm) if roomy else None


def publish(s3: Reached, size: int, folder: Path, authority: Path | None) -> Published:
    """Put ``size`` bytes that do not compress into the bucket."""
    source, digest = folder / "source", hashlib.sha256()
    with source.open("wb") as file:
        for _ in range(0, size, BLOCK):
            block = os.urandom(min(BLOCK, size - file.tell()))
            digest.update(block)
            file.write(block)
    client = {
        "endpoint_url": s3.endpoint,
        "region_name": REGION,
        "aws_access_key_id": s3.access_key,
        "aws_secret_access_key": s3.secret_key,
        **({"verify": str(authority)} if authority else {}),
    }
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
    )
    api = boto3.client("s3", config=config, **client)
    api.create_bucket(Bucket=BUCKET)
    api.upload_file(str(source), BUCKET, KEY)
    source.unlink()
    url = api.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": KEY}, ExpiresIn=3600)
    return Published(client, url, size, digest.hexdigest())


@contextmanager
def gateway(answer: dict[str, object], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Answer every resolve with ``answer``; yields the URL to ask."""

    class Resolve(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with LoopbackServer(Resolve, tls) as server:
        yield server.url


def measured(command: list[str], environment: Mapping[str, str], cpus: list[int]) -> Run:
    """Run ``command`` on ``cpus`` to its end; its failure ends the benchmark."""
    started = time.monotonic()
    pinned = ["taskset", "--cpu-list", ",".join(map(str, cpus)), *command]
    process = subprocess.Popen(pinned, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    # The peak that wait4 reports would include this process's own, inherited at exec.
    peak = 0
    while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        peak = max(peak, high_water(process.pid))
        time.sleep(0.01)
    seconds = time.monotonic() - started
    _, status, used = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[:3]} ended with {process.returncode}")
    return Run(seconds, used.ru_utime + used.ru_stime, peak / 1024)


def high_water(pid: int) -> int:
    """Return the peak resident memory of ``pid`` so far, in KiB; 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) if lines else 0


def judge(size: int, runs: Mapping[str, list[Run]]) -> bool:
    """Print the medians and the ratios; whether all bars hold."""
    median = {name: statistics.median(run.seconds for run in each) for name, each in runs.items()}
    peak = {name: max(run.peak_mib for run in each) for name, each in runs.items()}
    cpu = {name: statistics.median(run.cpu_seconds for run in each) for name, each in runs.items()}
    print(f"{'':10}{'MB/s':>8}{'s':>8}{'CPU s':>8}{'peak MiB':>10}")
    for name, seconds in median.items():
        print(f"{name:10}{size / 1e6 / seconds:8.0f}{seconds:8.2f}{cpu[name]:8.2f}{peak[name]:10.0f}")
    faster, slower = median["boto3+sha"] / median["fetcher"], median["fetcher"] / median["curl"]
    print(f"as fast as boto3 and SHA-256: {faster:.2f} times (bar {BOTO3_BAR})")
    print(f"time of curl: {slower:.2f} times (bar {CURL_BAR})")
    print(f"peak: {peak['fetcher']:.0f} MiB (bar {MEMORY_BAR_MIB})")
    return faster >= BOTO3_BAR and slower <= CURL_BAR and peak["fetcher"] <= MEMORY_BAR_MIB


if __name__ == "__main__":
    raise SystemExit(main())
