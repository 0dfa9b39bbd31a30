"""Keys and certificates: of the kinds that the programs which read them accept."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.verification import PolicyBuilder, Store

from ignition_hub.bootstrap import material
from ignition_hub.bootstrap.material import KeyPair
from ignition_hub.store.trust import SigningKey

NOW = datetime(2026, 5, 1, tzinfo=UTC)
HOSTS = ("ignition-hub-gateway.hub.svc", "localhost", "127.0.0.1")


def verified(authority: KeyPair, served: KeyPair, host: str, at: datetime) -> list[x509.Certificate]:
    store = Store(x509.load_pem_x509_certificates(authority.certificate))
    verifier = PolicyBuilder().store(store).time(at).build_server_verifier(x509.DNSName(host))
    return verifier.verify(x509.load_pem_x509_certificate(served.certificate), [])


def rsa_authority() -> KeyPair:
    """An authority as Helm's ``genCA`` made them: RSA, its key in PKCS#1."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "ignition-hub")])
    usage = dict.fromkeys(
        ["content_commitment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"], False
    ) | dict.fromkeys(["digital_signature", "key_encipherment", "key_cert_sign", "crl_sign"], True)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return KeyPair(certificate.public_bytes(Encoding.PEM), pem)


@pytest.mark.parametrize("host", HOSTS[:2])
@pytest.mark.parametrize("make", [lambda: material.authority(NOW), rsa_authority], ids=["ours", "of Helm"])
def test_the_gateways_certificate_is_verified_with_the_authority(make, host):
    authority = make()
    served = material.server_certificate(authority, HOSTS, NOW)

    for at in (NOW, NOW + timedelta(days=3649)):
        assert len(verified(authority, served, host, at)) == 2


def test_the_certificate_of_one_authority_is_refused_with_another():
    served = material.server_certificate(material.authority(NOW), HOSTS, NOW)

    with pytest.raises(x509.verification.VerificationError):
        verified(material.authority(NOW), served, HOSTS[0], NOW)


def test_an_authority_whose_key_signs_no_certificates_is_refused():
    pair = KeyPair(material.authority(NOW).certificate, material.signing_key())

    with pytest.raises(TypeError, match="must be RSA or elliptic-curve"):
        material.server_certificate(pair, HOSTS, NOW)


def test_the_gateway_can_sign_with_the_signing_key_and_no_two_are_alike():
    keys = {SigningKey.from_pem(material.signing_key()).keyid for _ in range(3)}

    assert len(keys) == 3


def test_the_keys_of_the_store_are_letters_and_digits_that_every_client_sends_unchanged():
    keys = material.store_keys()

    assert {name: len(value) for name, value in keys.items()} == {"accessKey": 20, "secretKey": 40}
    assert all(value.decode().isalnum() for value in keys.values())
