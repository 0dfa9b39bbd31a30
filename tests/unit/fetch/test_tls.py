"""The fetcher speaks TLS to the gateway, and believes only the authority it was given."""

import datetime
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fetch_harness import ENGINE, KIB, running_world


@pytest.fixture
def world(tmp_path, monkeypatch):
    with running_world(tmp_path, monkeypatch) as world:
        yield world


def test_tls_is_used_where_the_url_says_so(world, tmp_path):
    authority = secured(world, tmp_path)

    assert world.run(IGNITION_CA=authority) == 0
    assert world.paths.engine.read_bytes() == ENGINE


def test_a_part_that_was_cut_goes_on_from_the_byte_it_reached_over_tls_too(world, tmp_path):
    world.store = ["cut"]

    assert world.run(IGNITION_CA=secured(world, tmp_path)) == 0
    assert world.paths.engine.read_bytes() == ENGINE
    assert any((first + 8 * KIB, stop) in world.ranges for first, stop in world.ranges)


def test_a_certificate_nobody_vouches_for_is_refused(world, tmp_path):
    secured(world, tmp_path)

    assert world.run(IGNITION_DEADLINE_SECONDS="0.1") == 43
    assert "not trusted" in world.message
    assert world.tokens == []


def secured(world, folder):
    """Put the server behind TLS; returns its certificate authority as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
    now = datetime.datetime.now(datetime.timezone.utc)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, **usage), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "tls.pem").write_bytes(pem + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem")
    world.server.socket = context.wrap_socket(world.server.socket, server_side=True)
    world.scheme = "https"
    return pem.decode()
