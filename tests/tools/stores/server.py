"""An S3 server of a kind that runs: started on a free port, stopped, started again."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from botocore.config import Config

from ignition_hub.store.settings import StoreSettings
from stores.kinds import Kind, Place, Processes

READY_SECONDS = 240.0
"""A server in Java or of several processes takes 20 of one core, and tests may share it with others."""
STOP_SECONDS = 5.0


@dataclass(slots=True)
class Server:
    """A running server; ``running`` starts one."""

    kind: Kind
    place: Place
    processes: Processes = field(default=())

    @property
    def endpoint(self) -> str:
        """The server's URL."""
        return self.place.endpoint

    @property
    def access_key(self) -> str:
        """The key that may do everything."""
        return self.kind.access_key

    @property
    def secret_key(self) -> str:
        """The secret of ``access_key``."""
        return self.kind.secret_key

    @property
    def folder(self) -> Path:
        """The folder of the server's data, settings and log."""
        return self.place.folder

    def start_again(self) -> None:
        """Run the server where it ran before ``stop``, with the same data, and wait until it answers."""
        self.processes = self.kind.start(self.place)
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or any(each.poll() is not None for each in self.processes):
                self.stop()
                raise RuntimeError(f"{self.kind.name} did not start: {self._end_of_log()}")
            time.sleep(0.05)

    def settings(self, *, bucket: str) -> StoreSettings:
        """Return what opens a bucket."""
        return StoreSettings(
            endpoint=self.endpoint,
            region=self.kind.region,
            bucket=bucket,
            prefix="ignition",
            access_key=self.access_key,
            secret_key=self.secret_key,
        )

    def create_bucket(self, name: str) -> None:
        """Make a bucket."""
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.kind.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )
        client.create_bucket(Bucket=name)
        client.close()

    def stop(self) -> None:
        """End the server."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=STOP_SECONDS)

    def _answers(self) -> bool:
        """Tell whether anything answers, a refusal included: the request carries no signature."""
        unverified = ssl._create_unverified_context()  # the certificate is a test's own
        try:
            with urllib.request.urlopen(self.endpoint, timeout=1, context=unverified):
                return True
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return True
        except OSError:
            return False

    def _end_of_log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]


@contextlib.contextmanager
def running(kind: Kind, *, host: str = "127.0.0.1", tls: tuple[Path, Path] | None = None) -> Iterator[Server]:
    """Run a server on a free port of ``host`` until the block ends; ``tls``: a certificate, its key."""
    folder = Path(tempfile.mkdtemp(prefix="ignition-s3-"))
    server = Server(kind, Place(folder, host, free_port(host), tls))
    try:
        server.start_again()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
