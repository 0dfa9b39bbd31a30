"""
Send a model to the gateway, as ``docker push`` sends an image: hashed first, streamed, tried again.
"""

import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from ignition_hub.cli.errors import CliError, Unreachable
from ignition_hub.local.digests import sha256_of
from ignition_hub.wire.back_off import BackOff
from ignition_hub.wire.response import GatewayResponse

ATTEMPTS = 4
BACK_OFF = BackOff(first=2.0)
CHUNK = 1024 * 1024
TIMEOUT = httpx.Timeout(60.0, connect=10.0, read=300.0)
"""Seconds without progress; the gateway hashes and stores the model before it answers."""

ByteCallback = Callable[[int], None]
"""Told how many bytes of this attempt are sent."""


@dataclass(frozen=True, slots=True)
class GatewayEndpoint:
    """Where the gateway is, and who we are."""

    url: str
    token: str
    tls: ssl.SSLContext
    server_name: str | None = None
    """Name in its certificate, when it is reached by another."""
    transport: httpx.BaseTransport | None = None

    def client(self) -> httpx.Client:
        """Return a client for this gateway; a proxy of the environment is not asked."""
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token}"},
            verify=self.tls,
            timeout=TIMEOUT,
            transport=self.transport,
            trust_env=False,
        )


def tls_context(authority: str | None, *, system: bool) -> ssl.SSLContext:
    """Return what trusts the certificates of ``authority`` (PEM), and with ``system`` the system's too."""
    context = ssl.create_default_context() if system else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        context.load_verify_locations(cadata=authority)
    return context


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file to push, and what was announced about it."""

    path: Path
    sha256: str
    size: int
    name: str = ""
    """Its path inside ``bundle``."""
    bundle: str | None = None
    """Digest of the bundle it belongs to."""
    bundle_size: int = 0
    """Bytes of that bundle in all."""

    @property
    def headers(self) -> dict[str, str]:
        """What announces it."""
        own = {"X-Content-SHA256": self.sha256, "Content-Length": str(self.size)}
        if not self.bundle:
            return own
        size = {"X-Bundle-Size": str(self.bundle_size)} if self.bundle_size else {}
        return own | size | {"X-Bundle": self.bundle, "X-Name": quote(self.name)}

    def chunks(self, progress: ByteCallback) -> Iterator[bytes]:
        """Yield the file's content and tell how much of it is taken."""
        sent = 0
        progress(0)
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
                sent += len(chunk)
                progress(sent)

    @classmethod
    def of(cls, path: Path) -> "UploadFile":
        """Hash a file; raise CliError when it is none or empty."""
        try:
            digest, size = sha256_of(path), path.stat().st_size
        except OSError as error:
            raise CliError(f"{path}: {error.strerror}") from error
        if size == 0:
            raise CliError(f"{path}: the file is empty")
        return cls(path, digest, size)


def push(
    gateway: GatewayEndpoint,
    file: UploadFile,
    *,
    progress: ByteCallback = lambda sent: None,
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """
    Upload and return the URI of the model, or of the bundle with its trailing /.

    CliError when it is refused, Unreachable when nobody answers.
    """
    with gateway.client() as client:
        for attempt in range(1, ATTEMPTS):
            try:
                return _attempt(client, gateway, file, progress)
            except Unreachable:
                pause(BACK_OFF.delay(attempt))
        return _attempt(client, gateway, file, progress)


def _attempt(client: httpx.Client, gateway: GatewayEndpoint, file: UploadFile, progress: ByteCallback) -> str:
    extensions = {"sni_hostname": gateway.server_name} if gateway.server_name else {}
    try:
        response = client.post(
            "/v1/models", content=file.chunks(progress), headers=file.headers, extensions=extensions
        )
    except httpx.TransportError as error:
        raise Unreachable(f"the gateway at {gateway.url} rejected the model: {error}") from error
    answer = GatewayResponse.of(response.status_code, response.content)
    if response.is_error:
        kind = Unreachable if response.is_server_error else CliError
        raise kind(answer.message)
    model, asked = answer.body or {}, "bundle" if file.bundle else "uri"
    if model.get("sha256") != file.sha256 or not isinstance(model.get(asked), str):
        raise CliError(f"the gateway answered for another model: {model}")
    return str(model[asked])
