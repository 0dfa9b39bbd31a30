"""
A real gateway process for tests, and a client that speaks to it over TLS.

    with running_gateway(kubeconfig, folder) as gateway:
        gateway.ask("GET", "/v1/keys").body
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

READY_SECONDS = 30.0
KEYS = ("tls.crt", "tls.key", "signing.pem")


@dataclass(frozen=True)
class Answer:
    """What the gateway said."""

    status: int
    body: dict[str, Any]

    @property
    def reason(self) -> str:
        """The reason of a refusal."""
        return str(self.body.get("reason", ""))

    @property
    def message(self) -> str:
        """The message of a refusal."""
        return str(self.body.get("message", ""))


@dataclass
class Gateway:
    """A running gateway."""

    folder: Path
    port: int
    metrics_port: int
    process: subprocess.Popen[bytes]

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request; a body that is not bytes is sent as JSON."""
        context = ssl.create_default_context(cafile=str(self.folder / "tls.crt"))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=context)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        with contextlib.closing(connection):
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            text = answer.read()
        return Answer(answer.status, json.loads(text) if text else {})

    def metrics(self) -> str:
        """Return the metrics page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as page:
            return str(page.read().decode())

    def log(self) -> str:
        """Return what the gateway logged."""
        return (self.folder / "log").read_text()

    def stop(self) -> int:
        """Ask it to stop and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@contextlib.contextmanager
def running_gateway(
    kubeconfig: Path, folder: Path, *flags: str, wait: bool = True, like: Path | None = None
) -> Iterator[Gateway]:
    """
    Run a gateway until the block ends; its certificate and signing key are made in ``folder``.

    With ``like``, they are those of a replica whose folder that is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if like is None:
        write_certificate(folder)
    else:
        for name in KEYS:
            shutil.copy(like / name, folder / name)
    port, metrics_port = free_port(), free_port()
    settings = {
        "--tls-cert": folder / "tls.crt",
        "--tls-key": folder / "tls.key",
        "--signing-key": folder / "signing.pem",
        "--ca-bundle": folder / "tls.crt",
        "--host": "127.0.0.1",
        "--port": port,
        "--metrics-port": metrics_port,
        "--fetcher-image": "fetcher:test",
        "--drain-seconds": 0.2,
        "--shutdown-seconds": 20,
    }
    arguments = [f"{flag}={value}" for flag, value in settings.items()]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ignition_hub.gateway", *arguments, *flags],
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
            stderr=log,
            stdout=log,
        )
    gateway = Gateway(folder, port, metrics_port, process)
    try:
        wait_for(gateway, "/readyz" if wait else "/healthz")
        yield gateway
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=10)


def wait_for(gateway: Gateway, path: str) -> None:
    """Return when ``path`` answers 200; raise with the log when it does not."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and gateway.process.poll() is None:
        with contextlib.suppress(OSError):
            if gateway.ask("GET", path).status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the gateway did not come up:\n{gateway.log()[-3000:]}")


def write_certificate(folder: Path) -> None:
    """Write a self-signed certificate for 127.0.0.1, its key, and a signing key unless there is one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    now = datetime.now(UTC)
    addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.key").write_bytes(_pem(key))
    (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    if not (folder / "signing.pem").exists():
        (folder / "signing.pem").write_bytes(_pem(Ed25519PrivateKey.generate()))


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _pem(key: Any) -> bytes:
    encoded: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return encoded
