"""Keys and certificates, made from randomness and a clock. No cluster."""

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = timedelta(days=3650)
"""How long an authority and the certificates that it signs are valid."""
EARLIER = timedelta(minutes=5)
"""How long before now a certificate begins: the clocks of nodes differ."""
AUTHORITY_NAME = "ignition-hub"

PublicKey = ec.EllipticCurvePublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


def signing_key() -> bytes:
    """Return a new Ed25519 private key (PKCS#8 PEM), which signs engines."""
    return _pem(Ed25519PrivateKey.generate())


def store_keys() -> dict[str, bytes]:
    """Return new ``accessKey`` and ``secretKey`` of the embedded S3 server."""
    return {"accessKey": _letters(20), "secretKey": _letters(40)}


def authority(now: datetime) -> KeyPair:
    """Return a new certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(AUTHORITY_NAME)
    unsigned = _certificate(name, name, key.public_key(), now, is_authority=True)
    return KeyPair(unsigned.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM), _pem(key))


def server_certificate(issuer: KeyPair, hosts: Sequence[str], now: datetime) -> KeyPair:
    """
    Return a certificate for ``hosts``: DNS names and IP addresses, of which the first is the common name.

    ValueError or TypeError when ``issuer`` is not a certificate with an RSA or elliptic-curve key.
    """
    signer = x509.load_pem_x509_certificate(issuer.certificate)
    signing = load_pem_private_key(issuer.key, password=None)
    if not isinstance(signing, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError(f"the authority's key is {type(signing).__name__}; it must be RSA or elliptic-curve")
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    unsigned = (
        _certificate(_name(hosts[0]), signer.subject, key.public_key(), now, is_authority=False)
        .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
    )
    return KeyPair(unsigned.sign(signing, hashes.SHA256()).public_bytes(Encoding.PEM), _pem(key))


def _certificate(
    subject: x509.Name, issuer: x509.Name, public: PublicKey, now: datetime, *, is_authority: bool
) -> x509.CertificateBuilder:
    # Python 3.13 and newer refuse chains without key usage and key identifiers.
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + VALID)
        .add_extension(
            x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True
        )
        .add_extension(_usage(is_authority=is_authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _letters(count: int) -> bytes:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(count)).encode()


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
