"""
Where a URL leads: one host per connection, a timeout on every call, no proxy, no redirect.

``http.client`` knows neither proxies nor redirects, which is exactly right here: a proxy variable of
the pod must not see a presigned URL, and a redirect would lead where nobody was asked about.
"""

import http.client
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from ignition_hub.wire.tls_stream import BulkTlsConnection

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a URL leads: scheme, host and port to connect to, and the target to ask for."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def of(cls, url: str) -> "Address":
        """Read ``url``; ValueError says what is wrong with it, without repeating a signature in it."""
        parts = urlsplit(url)
        if parts.scheme not in PORTS:
            raise ValueError(f"scheme {parts.scheme!r:.80} is not http or https")
        if not parts.hostname or parts.username or parts.password:
            raise ValueError("a URL needs a host and must carry no user or password")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme], target)

    @property
    def place(self) -> str:
        """The part that may be shown to people: a presigned query is a secret."""
        # Of an IPv6 address, whose own colons a URL keeps in brackets.
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def url(self) -> str:
        """All of it: a secret where it is presigned."""
        return f"{self.place}{self.target}"

    def connection(self, tls: ssl.SSLContext, timeout: float) -> http.client.HTTPConnection:
        """Return an unopened connection."""
        if self.scheme == "https":
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def bulk_connection(self, tls: ssl.SSLContext, timeout: float) -> http.client.HTTPConnection:
        """Return an unopened connection for large answers."""
        if self.scheme == "https":
            return BulkTlsConnection(self.host, self.port, timeout=timeout, context=tls)
        return self.connection(tls, timeout)


def tls_context(authorities: str | None, *, only: bool) -> ssl.SSLContext:
    """
    Return the trust for one endpoint: ``authorities`` (PEM text) alone, or beside the system's.

    Without ``authorities`` the system's are used. ValueError when the PEM holds no certificate.
    """
    try:
        if authorities and only:
            return ssl.create_default_context(cadata=authorities)
        context = ssl.create_default_context()
        if authorities:
            context.load_verify_locations(cadata=authorities)
    except ssl.SSLError as error:
        raise ValueError(f"not a PEM certificate bundle ({error.reason or error})") from error
    return context
