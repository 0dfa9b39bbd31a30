"""
A real S3 server for tests: versitygw on the loopback, its data in a temporary folder.

    with S3Server.start() as s3:
        s3.endpoint, s3.access_key, s3.secret_key, s3.create_bucket("engines")

The binary comes from ``python -m localcluster build``. It needs no root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config

from localcluster.paths import binary

READY_SECONDS = 20.0
REGION = "us-east-1"
ACCESS_KEY = "ignition-tests"
SECRET_KEY = "ignition-tests-secret"
ONE_AT_A_TIME = ("--concurrency", "1")
"""Without it this server's conditional writes are not atomic."""


@dataclass(slots=True)
class S3Server:
    """A running server; make it with ``start``."""

    endpoint: str
    access_key: str
    secret_key: str
    folder: Path
    """Of its data, metadata and log."""
    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes]

    @classmethod
    @contextlib.contextmanager
    def start(
        cls,
        *,
        host: str = "127.0.0.1",
        tls: tuple[Path, Path] | None = None,
        options: tuple[str, ...] = ONE_AT_A_TIME,
    ) -> Iterator[S3Server]:
        """Run a server on a free port of ``host`` until the block ends; ``tls``: a certificate, its key."""
        folder = Path(tempfile.mkdtemp(prefix="ignition-s3-"))
        for name in ("data", "meta"):
            (folder / name).mkdir()
        address = f"{host}:{_free_port(host)}"
        scheme, served = ("https", ("--cert", str(tls[0]), "--key", str(tls[1]))) if tls else ("http", ())
        arguments = ("--port", address, *served, "posix", *options)
        process = _run(arguments, folder)
        server = cls(f"{scheme}://{address}", ACCESS_KEY, SECRET_KEY, folder, arguments, process)
        try:
            server.wait_ready()
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)

    def start_again(self) -> None:
        """Run the server anew after ``stop``, at the same address with the same data."""
        self.process = _run(self.arguments, self.folder)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return when the server answers; raise with its log when it does not."""
        deadline = time.monotonic() + READY_SECONDS
        url, unverified = f"{self.endpoint}/healthz", ssl._create_unverified_context()
        while time.monotonic() < deadline and self.process.poll() is None:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(url, timeout=1, context=unverified),
            ):
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"versitygw did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def create_bucket(self, name: str) -> None:
        """Make a bucket."""
        config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=config,
        )
        client.create_bucket(Bucket=name)
        client.close()

    def stop(self) -> None:
        """End the server."""
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=5)


def _run(arguments: tuple[str, ...], folder: Path) -> subprocess.Popen[bytes]:
    command = [str(binary("versitygw")), "--quiet", "--health", "/healthz", *arguments]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [*command, "--sidecar", str(folder / "meta"), str(folder / "data")],
            env={**os.environ, "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
