"""The gateway's certificate while it is renewed, told by handshakes with a client."""

import asyncio
import contextlib
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ignition_hub.bootstrap import material
from ignition_hub.bootstrap.material import KeyPair
from ignition_hub.gateway.process.certificate import Certificate

HOST = "gateway.hub.svc"
NOW = datetime.now(UTC)
KINDS = ["EC", "RSA"]


def pair(authority: KeyPair, kind: str = "EC", *, host: str = HOST, days: int = 30) -> KeyPair:
    """A certificate of ``authority`` that ends in ``days``, with its key."""
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "EC" else rsa.generate_private_key(65537, 2048)
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    signing = material.load_pem_private_key(authority.key, None)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=60))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(signing, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(certificate.public_bytes(Encoding.PEM), pem)


@dataclass
class Served:
    """A listener with a certificate in a folder, and the authority that clients trust."""

    folder: Path
    authority: KeyPair
    certificate: Certificate
    port: int = 0

    def put(self, pair: KeyPair) -> KeyPair:
        """Write a pair as the kubelet does: with another time."""
        for name, content in (("tls.crt", pair.certificate), ("tls.key", pair.key)):
            path = self.folder / name
            before = path.stat().st_mtime_ns if path.exists() else 0
            path.write_bytes(content)
            os.utime(path, ns=(before + 1, before + 1))
        return pair

    async def shown(self, host: str | None = HOST) -> bytes:
        """Shake hands as a client that names ``host``, and return the certificate that was shown (PEM)."""
        client = ssl.create_default_context(cadata=self.authority.certificate.decode())
        client.verify_flags &= ~ssl.VERIFY_X509_STRICT
        client.check_hostname = host is not None
        _, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=client, server_hostname=host or ""
        )
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return ssl.DER_cert_to_PEM_cert(shown).encode()


@pytest.fixture
async def served(tmp_path):
    authority = material.authority(NOW)
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    Served.put(made := Served(tmp_path, authority, None), pair(authority))
    made.certificate = Certificate(
        tmp_path / "tls.crt", tmp_path / "tls.key", host=HOST, authorities=tmp_path / "ca.crt"
    )
    server = await asyncio.start_server(
        lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=made.certificate.context
    )
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
async def test_a_renewed_certificate_is_served_whatever_its_key_is(served, first, second):
    for kind in (first, second):
        renewed = served.put(pair(served.authority, kind))

        assert served.certificate.reload_if_changed()
        assert await served.shown() == renewed.certificate


async def test_a_client_that_names_no_host_is_served_too(served):
    renewed = served.put(pair(served.authority))
    served.certificate.reload_if_changed()

    assert await served.shown(host=None) == renewed.certificate


async def test_files_that_did_not_change_are_not_loaded(served):
    assert not served.certificate.reload_if_changed()


def broken(authority: KeyPair) -> KeyPair:
    return KeyPair(b"not a certificate", b"not a key")


def of_two_pairs(kind: str):
    def made(authority: KeyPair) -> KeyPair:
        return KeyPair(pair(authority, kind).certificate, pair(authority, kind).key)

    return made


@pytest.mark.parametrize(
    "wrong",
    [
        broken,
        *map(of_two_pairs, KINDS),
        lambda authority: pair(material.authority(NOW)),
        lambda authority: pair(authority, host="other.hub.svc"),
        lambda authority: pair(authority, days=-1),
    ],
    ids=["no certificate", "two EC pairs", "two RSA pairs", "another authority", "another name", "expired"],
)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_certificate_that_does_not_fit_never_replaces_the_live_one(served, wrong, kind, caplog):
    live = served.put(pair(served.authority, kind))
    assert served.certificate.reload_if_changed()

    served.put(wrong(served.authority))

    assert not served.certificate.reload_if_changed()
    assert "keeping the old one" in caplog.text
    assert await served.shown() == live.certificate

    renewed = served.put(pair(served.authority, kind))
    assert served.certificate.reload_if_changed()
    assert await served.shown() == renewed.certificate


async def test_where_clients_refuse_the_live_one_too_the_new_one_is_used(served):
    served.put(pair(served.authority))
    served.certificate.reload_if_changed()
    (served.folder / "ca.crt").write_bytes((others := material.authority(NOW)).certificate)

    renewed = served.put(pair(served.authority))

    assert others.certificate != served.authority.certificate
    assert served.certificate.reload_if_changed()
    assert await served.shown() == renewed.certificate


async def test_the_end_of_the_certificate_in_use_is_known_and_not_that_of_one_that_does_not_fit(served):
    served.put(pair(served.authority, days=20))
    served.certificate.reload_if_changed()
    ends = served.certificate.expires_at
    served.put(pair(material.authority(NOW), days=300))

    assert not served.certificate.reload_if_changed()
    assert served.certificate.expires_at == ends
    assert 19 * 86400 < ends - NOW.timestamp() <= 20 * 86400
