"""
What the fetcher is worth: one large engine, verified, against boto3 and a SHA-256 pass in the same run.

Both start as a fresh process, read the same object from the same S3 server on the loopback and write into
the same memory-backed folder; wall time includes their start. Bars: at least 2 times the speed of boto3 and
at most 64 MiB of memory. ``python tests/bench/bench_fetch.py [--mib 2048] [--rounds 3]``.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import boto3
from botocore.config import Config

from s3server import REGION, S3Server

ROOT = Path(__file__).resolve().parents[2]
RATIO_BAR = 2.0
MEMORY_BAR_MIB = 64
MIB = 1024 * 1024
BLOCK = 64 * MIB
BUCKET, KEY = "engines", "bench/model.trt"

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
    """One measured process: seconds of wall time, and its peak resident memory."""

    seconds: float
    peak_mib: float


def main() -> int:
    """Measure in turn, print both speeds and say whether the bars hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    size = options.mib * MIB
    tempfile.tempdir = memory_backed(2 * size)
    with S3Server.start() as s3, tempfile.TemporaryDirectory() as folder:
        client = {
            "endpoint_url": s3.endpoint,
            "region_name": REGION,
            "aws_access_key_id": s3.access_key,
            "aws_secret_access_key": s3.secret_key,
        }
        sha256, url = publish(client, s3, size, Path(folder))
        with gateway({"name": "bench", "url": url, "size": size, "sha256": sha256}) as address:
            pairs = [
                (by_boto3(client, sha256, Path(folder)), by_fetcher(address, Path(folder)))
                for _ in range(options.rounds)
            ]
    return judge(size, [peer for peer, _ in pairs], [ours for _, ours in pairs])


def memory_backed(needed: int) -> str | None:
    """Return /dev/shm when it has room for object and copy, else None: the default folder, a disk."""
    shm = Path("/dev/shm")
    roomy = shm.is_dir() and shutil.disk_usage(shm).free > needed * 1.1
    print(f"storage: {'memory (/dev/shm)' if roomy else 'disk'}")
    return str(shm) if roomy else None


def publish(client: dict[str, str], s3: S3Server, size: int, folder: Path) -> tuple[str, str]:
    """Put ``size`` bytes that do not compress into the bucket; their SHA-256 and a presigned URL."""
    source, digest = folder / "source", hashlib.sha256()
    with source.open("wb") as file:
        for _ in range(0, size, BLOCK):
            block = os.urandom(min(BLOCK, size - file.tell()))
            digest.update(block)
            file.write(block)
    s3.create_bucket(BUCKET)
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
    )
    api = boto3.client("s3", config=config, **client)
    api.upload_file(str(source), BUCKET, KEY)
    source.unlink()
    url = api.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": KEY}, ExpiresIn=3600)
    return digest.hexdigest(), url


@contextmanager
def gateway(answer: dict[str, object]) -> Iterator[str]:
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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Resolve)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def by_boto3(client: dict[str, str], sha256: str, folder: Path) -> Run:
    """Download with boto3's own parallel transfer, then hash the file: what people do today."""
    path = folder / "boto3.trt"
    at = {"client": client, "bucket": BUCKET, "key": KEY, "path": str(path), "sha256": sha256}
    run = measured([sys.executable, "-c", BOTO3, json.dumps(at)], {})
    path.unlink()
    return run


def by_fetcher(address: str, folder: Path) -> Run:
    """Let the fetcher bring the same object."""
    token = folder / "token"
    token.write_text("bench")
    mount = folder / "mount"
    run = measured(
        [sys.executable, "-m", "ignition_hub.fetch"],
        {
            "PYTHONPATH": str(ROOT / "operator"),
            "IGNITION_GATEWAY_URL": address,
            "IGNITION_TOKEN_FILE": str(token),
            "IGNITION_ENGINES": "bench=bench",
            "IGNITION_MOUNT": str(mount),
        },
    )
    shutil.rmtree(mount)
    return run


def measured(command: list[str], environment: dict[str, str]) -> Run:
    """Run ``command`` to its end; its failure ends the benchmark."""
    started = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    # The peak that wait4 reports would include this process's own, inherited at exec.
    peak = 0
    while process.poll() is None:
        peak = max(peak, high_water(process.pid))
        time.sleep(0.01)
    seconds = time.monotonic() - started
    if process.returncode:
        raise SystemExit(f"{command[1:3]} ended with {process.returncode}")
    return Run(seconds, peak / 1024)


def high_water(pid: int) -> int:
    """Return the peak resident memory of ``pid`` so far, in KiB; 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) if lines else 0


def judge(size: int, peers: list[Run], ours: list[Run]) -> int:
    """Print the medians and the ratio; 1 when a bar is missed."""
    peer, our = (statistics.median(run.seconds for run in runs) for runs in (peers, ours))
    peak = max(run.peak_mib for run in ours)
    print(f"{'':10}{'MB/s':>8}{'s':>8}{'peak MiB':>10}")
    print(f"{'boto3':10}{size / 1e6 / peer:8.0f}{peer:8.2f}{max(run.peak_mib for run in peers):10.0f}")
    print(f"{'fetcher':10}{size / 1e6 / our:8.0f}{our:8.2f}{peak:10.0f}")
    ratio = peer / our
    print(f"ratio {ratio:.2f} (bar {RATIO_BAR}), peak {peak:.0f} MiB (bar {MEMORY_BAR_MIB})")
    return 0 if ratio >= RATIO_BAR and peak <= MEMORY_BAR_MIB else 1


if __name__ == "__main__":
    raise SystemExit(main())
