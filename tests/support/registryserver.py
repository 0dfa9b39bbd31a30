"""
A real registry for tests: that of the distribution project, its images in a temporary folder.

    with RegistryServer.start(folder) as registry:
        registry.host, registry.user, registry.password

The binary comes from ``python -m ociregistry build``. It needs no root.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ociregistry.paths import program

READY_SECONDS = 20.0
USER, PASSWORD = "ignition-tests", "ignition-tests-secret"
HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuBN18i9Yg6QGpAtT/pusCJn3ndi8ke9q\n"
"""The password as the registry wants it, in bcrypt's cheapest form that it takes."""


@dataclass(slots=True)
class RegistryServer:
    """A running registry; make it with ``start``."""

    host: str
    folder: Path
    user: str
    password: str
    process: subprocess.Popen[bytes]

    @classmethod
    @contextlib.contextmanager
    def start(
        cls,
        folder: Path,
        *,
        address: str = "127.0.0.1",
        asks: bool = True,
        tls: Path | None = None,
    ) -> Iterator[RegistryServer]:
        """Run a registry that ``asks`` for a password; ``tls`` is a file with its certificate and key."""
        folder.mkdir(parents=True, exist_ok=True)
        host = f"{address}:{_free_port(address)}"
        file = folder / "config.json"
        file.write_text(json.dumps(_configuration(folder, host, asks=asks, tls=tls)))
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen([str(program()), "serve", str(file)], stdout=log, stderr=log)
        server = cls(host, folder, USER if asks else "", PASSWORD if asks else "", process)
        try:
            server.wait_ready()
            yield server
        finally:
            server.stop()

    @property
    def pull_secret(self) -> str:
        """The text of a Secret of the type ``kubernetes.io/dockerconfigjson``."""
        return json.dumps({"auths": {self.host: {"username": self.user, "password": self.password}}})

    def wait_ready(self) -> None:
        """Return when the port is open; raise with the log when it stays closed."""
        deadline = time.monotonic() + READY_SECONDS
        host, _, port = self.host.rpartition(":")
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"the registry did not start: {self.log()[-2000:]}")

    def log(self) -> str:
        """Return what it wrote."""
        return (self.folder / "log").read_text()

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=5)


def _configuration(folder: Path, host: str, *, asks: bool, tls: Path | None) -> dict[str, Any]:
    http: dict[str, Any] = {"addr": host, "secret": "of these tests"}
    if tls:
        http["tls"] = {"certificate": str(tls), "key": str(tls)}
    document: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}, "delete": {"enabled": True}},
        "http": http,
    }
    if asks:
        (folder / "htpasswd").write_text(HTPASSWD)
        document["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    return document


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port
