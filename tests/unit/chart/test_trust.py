"""The chart: certificates, the authority behind them, and the key that signs manifests."""

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import (
    DNSName,
    ExtensionOID,
    KeyUsage,
    SubjectAlternativeName,
    load_pem_x509_certificate,
)

from chart_harness import HELM, Json, find, render, secret

pytestmark = pytest.mark.skipif(
    not HELM.exists(), reason="helm is not built: PYTHONPATH=tests/tools python3 -m localcluster build"
)


@pytest.fixture(scope="module")
def trial() -> list[Json]:
    return render()


def test_everybody_may_read_the_authoritys_certificate_and_nothing_else(trial: list[Json]):
    everybody = [
        document["roleRef"]["name"]
        for document in trial
        if document["kind"].endswith("RoleBinding")
        and any(subject["name"] == "system:authenticated" for subject in document["subjects"])
    ]

    assert everybody == ["ignition-hub-ca"]
    assert find(trial, "Role", "ignition-hub-ca")["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["ignition-hub-ca"],
            "verbs": ["get"],
        }
    ]


def test_the_gateways_certificate_is_signed_by_the_authority_that_everybody_gets(trial: list[Json]):
    authority = load_pem_x509_certificate(secret(trial, "ignition-hub-gateway-tls", "ca.crt"))
    served = load_pem_x509_certificate(secret(trial, "ignition-hub-gateway-tls", "tls.crt"))
    served.verify_directly_issued_by(authority)

    names = served.extensions.get_extension_for_class(SubjectAlternativeName).value
    assert "ignition-hub-gateway.ignition-hub.svc" in names.get_values_for_type(DNSName)

    bundle = find(trial, "MutatingWebhookConfiguration", "ignition-hub")["webhooks"][0]["clientConfig"][
        "caBundle"
    ]
    for text in (
        b64decode(bundle).decode(),
        find(trial, "ConfigMap", "ignition-hub-ca", "ignition-hub-builds")["data"]["ca.crt"],
        find(trial, "ConfigMap", "ignition-hub-ca", "ignition-hub")["data"]["ca.crt"],
    ):
        assert load_pem_x509_certificate(text.encode()) == authority


def test_the_authority_is_one_that_strict_clients_accept(trial: list[Json]):
    authority = load_pem_x509_certificate(secret(trial, "ignition-hub-ca", "tls.crt"))
    served = load_pem_x509_certificate(secret(trial, "ignition-hub-gateway-tls", "tls.crt"))

    usage = authority.extensions.get_extension_for_class(KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert served.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)


def test_the_signing_key_is_ed25519_and_outlives_the_release(trial: list[Json]):
    made = find(trial, "Secret", "ignition-hub-signing-key")
    assert made["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"

    key = load_pem_private_key(secret(trial, "ignition-hub-signing-key", "signing.key"), password=None)
    assert isinstance(key, Ed25519PrivateKey)


def test_cert_manager_issues_from_the_charts_own_authority():
    documents = render({"certificates": {"mode": "certManager"}})

    certificate = find(documents, "Certificate", "ignition-hub-gateway")["spec"]
    assert certificate["secretName"] == "ignition-hub-gateway-tls"
    assert certificate["issuerRef"] == {"name": "ignition-hub", "kind": "Issuer"}
    assert find(documents, "Issuer", "ignition-hub")["spec"]["ca"]["secretName"] == "ignition-hub-ca"
    assert not [d for d in documents if d["kind"] == "Secret" and d["metadata"]["name"].endswith("-tls")]


def test_an_external_certificate_is_mounted_and_its_authority_handed_out():
    bundle = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    external = {"mode": "external", "existingSecret": "gateway-tls", "caBundle": bundle}
    documents = render({"certificates": external})

    volumes = find(documents, "Deployment", "ignition-hub-gateway")["spec"]["template"]["spec"]["volumes"]
    assert next(v for v in volumes if v["name"] == "tls")["secret"]["secretName"] == "gateway-tls"
    assert find(documents, "ConfigMap", "ignition-hub-ca", "ignition-hub")["data"]["ca.crt"] == bundle
    assert not [
        d for d in documents if d["metadata"]["name"] in {"ignition-hub-ca"} and d["kind"] == "Secret"
    ]
