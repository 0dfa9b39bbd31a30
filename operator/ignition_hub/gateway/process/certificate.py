"""
The server's certificate, followed in its files: cert-manager renews it while we run.

A new pair is loaded into a context of its own and tried, in memory, on a client that trusts what pods trust.
Only one that passes replaces the live one. Loading into the context in use would take its key away even when
loading fails, and every handshake after that would fail.
"""

import asyncio
import contextlib
import logging
import math
import ssl
from pathlib import Path

from cryptography import x509

log = logging.getLogger(__name__)

RELOAD_SECONDS = 10.0
"""How long a changed file is not noticed."""
ROUND_TRIPS = 4
"""More than any handshake takes."""


class Certificate:
    """
    The certificate of ``context``, which a listener uses for as long as it lives.

    ``host`` is what clients call the server; with the certificates in ``authorities`` they verify it. Without
    both, a pair fits when certificate and key belong together.
    """

    def __init__(self, cert: Path, key: Path, *, host: str = "", authorities: Path | None = None) -> None:
        self._cert, self._key = cert, key
        self._host, self._authorities = host, authorities
        self._loaded = self._stamp()
        self._live = context_of(cert, key)
        self.expires_at = expiry_of(cert)
        """When the certificate in use expires, in seconds since the epoch."""
        self.context = _without_certificate()
        self.context.sni_callback = self._answer

    async def follow(self) -> None:
        """Reload for ever; new connections get the new certificate."""
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            self.reload_if_changed()

    def reload_if_changed(self) -> bool:
        """Use the files if they changed and fit; tell whether they are used from now on."""
        try:
            stamp = self._stamp()
            if stamp == self._loaded:
                return False
            new = context_of(self._cert, self._key)
            self._require_no_worse(new)
            expires_at = expiry_of(self._cert)
        except (OSError, ssl.SSLError) as error:
            log.warning("the new certificate does not fit, keeping the old one: %s", error)
            return False
        self._loaded, self._live, self.expires_at = stamp, new, expires_at
        log.info("the certificate was reloaded")
        return True

    def _require_no_worse(self, new: ssl.SSLContext) -> None:
        """Raise SSLError when clients refuse ``new`` and accept the live one."""
        refusal = self._refusal(new)
        if refusal is None:
            return
        if self._refusal(self._live) is None:
            raise refusal
        log.warning("clients refuse the new certificate as they do the old one: %s", refusal)

    def _refusal(self, server: ssl.SSLContext) -> ssl.SSLError | None:
        if not (self._host and self._authorities):
            return None
        return refusal(server, self._host, self._authorities)

    def _answer(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._live

    def _stamp(self) -> tuple[int, ...]:
        return tuple(path.stat().st_mtime_ns for path in (self._cert, self._key))


def context_of(cert: Path, key: Path) -> ssl.SSLContext:
    """Return a server's context; SSLError when certificate and key do not belong together."""
    context = _without_certificate()
    context.load_cert_chain(cert, key)
    return context


def expiry_of(cert: Path) -> float:
    """
    Return when the first certificate of a PEM file expires, in seconds since the epoch.

    NaN for one that OpenSSL serves and ``cryptography`` does not read: it is served all the same.
    """
    try:
        return x509.load_pem_x509_certificate(cert.read_bytes()).not_valid_after_utc.timestamp()
    except ValueError:
        return math.nan


def refusal(server: ssl.SSLContext, host: str, authorities: Path) -> ssl.SSLError | None:
    """Return why a client that trusts ``authorities`` (PEM) refuses ``server`` as ``host``, or None."""
    try:
        client = ssl.create_default_context(cafile=str(authorities))
        _shake_hands(client, server, host)
    except ssl.SSLError as error:
        return error
    return None


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> None:
    sent, received = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(received, sent, server_hostname=host),
        server.wrap_bio(sent, received, server_side=True),
    )
    for _ in range(ROUND_TRIPS):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()


def _without_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
