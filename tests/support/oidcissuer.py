"""
An OpenID Connect issuer on this machine, whose people a real API server knows by its own rules.

    with running_issuer(folder) as issuer:
        ControlPlane.start(authentication=issuer.configuration)
        token = issuer.token("anna", groups=["vision"])
"""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from loopback_certificate import loopback_certificate
from loopbackserver import LoopbackServer

AUDIENCE = "kubernetes"
"""What the API server is, to the issuer: the client for which kubectl signs people in."""
PREFIX = "oidc:"
"""What the API server puts before the names of people and of their groups."""


@dataclass(frozen=True)
class Issuer:
    """A running issuer."""

    url: str
    configuration: Path
    """An AuthenticationConfiguration that trusts it."""
    _key: ec.EllipticCurvePrivateKey

    def token(self, user: str, *, groups: Sequence[str] = (), audience: str = AUDIENCE) -> str:
        """Return what a person has after signing in."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": audience, "sub": user, "groups": [*groups], "iat": now}
        return jwt.encode({**claims, "exp": now + 600}, self._key, "ES256", headers={"kid": "people"})


@contextlib.contextmanager
def running_issuer(folder: Path) -> Iterator[Issuer]:
    """Run an issuer until the block ends."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = loopback_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem")
    pages: dict[str, Any] = {}
    server = LoopbackServer(_answering(pages), context)
    url = server.url
    public: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    pages["/.well-known/openid-configuration"] = _discovery(url)
    pages["/keys"] = {"keys": [{**public, "kid": "people", "alg": "ES256", "use": "sig"}]}
    configuration = folder / "authentication.json"
    configuration.write_text(json.dumps(_configuration(url, authority)))
    with server:
        yield Issuer(url, configuration, key)


def _discovery(url: str) -> dict[str, Any]:
    return {
        "issuer": url,
        "jwks_uri": f"{url}/keys",
        "authorization_endpoint": f"{url}/authorize",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }


def _configuration(url: str, authority: str) -> dict[str, Any]:
    issuer = {"url": url, "certificateAuthority": authority, "audiences": [AUDIENCE]}
    mappings = {each: {"claim": claim, "prefix": PREFIX} for each, claim in _CLAIMS.items()}
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [{"issuer": issuer, "claimMappings": mappings}],
    }


_CLAIMS = {"username": "sub", "groups": "groups"}


def _answering(pages: dict[str, Any]) -> type[BaseHTTPRequestHandler]:
    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(pages.get(self.path, {})).encode()
            self.send_response(200 if self.path in pages else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Pages
