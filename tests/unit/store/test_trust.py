"""A manifest is believed with our signature over exactly its bytes, and never otherwise."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.errors import NewerRelease
from ignition_hub.store.errors import ManifestRefused
from ignition_hub.store.trust import (
    SigningKey,
    claim_in,
    keys_from_json,
    keys_to_json,
    sign,
    statement_of,
    verify,
)
from storefixtures import make_manifest

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
OTHER = SigningKey(Ed25519PrivateKey.from_private_bytes(b"\x02" * 32))
KEYS = {KEY.keyid: KEY.public}
MANIFEST = make_manifest()
BYTES = MANIFEST.to_bytes()
ENVELOPE = sign(MANIFEST, BYTES, KEY)


def forged(**changes):
    return canonical_json({**json.loads(ENVELOPE), **changes})


def signed(statement):
    """Return an envelope of ours around any statement."""
    from ignition_hub.store.trust import PAYLOAD_TYPE, _pre_authentication

    payload = canonical_json(statement)
    signature = KEY.private.sign(_pre_authentication(PAYLOAD_TYPE, payload))
    encoded = base64.b64encode(signature).decode()
    return forged(
        payload=base64.b64encode(payload).decode(), signatures=[{"keyid": KEY.keyid, "sig": encoded}]
    )


def test_what_was_signed_is_believed():
    assert verify(BYTES, ENVELOPE, KEYS) == MANIFEST


def test_the_envelope_carries_the_manifest_it_vouches_for():
    statement = json.loads(base64.b64decode(json.loads(ENVELOPE)["payload"]))

    (byproduct,) = statement["predicate"]["runDetails"]["byproducts"]
    assert base64.b64decode(byproduct["content"]) == BYTES


def test_another_digest_in_the_manifest_is_refused():
    tampered = BYTES.replace(MANIFEST.engine.sha256.encode(), b"cd" * 32)

    with pytest.raises(ManifestRefused, match="another manifest"):
        verify(tampered, ENVELOPE, KEYS)


def test_a_blank_more_in_the_manifest_is_refused():
    with pytest.raises(ManifestRefused, match="another manifest"):
        verify(BYTES + b" ", ENVELOPE, KEYS)


def test_a_key_that_is_not_ours_is_refused_by_id():
    with pytest.raises(ManifestRefused, match=OTHER.keyid[:16]):
        verify(BYTES, sign(MANIFEST, BYTES, OTHER), KEYS)


def test_our_key_id_on_a_foreign_signature_is_refused():
    theirs = json.loads(sign(MANIFEST, BYTES, OTHER))["signatures"][0]["sig"]

    with pytest.raises(ManifestRefused, match="does not match"):
        verify(BYTES, forged(signatures=[{"keyid": KEY.keyid, "sig": theirs}]), KEYS)


def test_a_signature_does_not_count_for_another_payload_type():
    with pytest.raises(ManifestRefused, match="of type"):
        verify(BYTES, forged(payloadType="application/json"), KEYS)


def test_an_exchanged_payload_is_refused():
    statement = statement_of(MANIFEST, BYTES)
    statement["subject"][0]["digest"]["sha256"] = "00" * 32

    with pytest.raises(ManifestRefused, match="does not match"):
        verify(BYTES, forged(payload=base64.b64encode(canonical_json(statement)).decode()), KEYS)


def test_a_statement_about_another_engine_does_not_cover_this_one():
    other = make_manifest(sha256="ef" * 32)

    with pytest.raises(ManifestRefused, match="does not cover the engine"):
        verify(BYTES, sign(other, BYTES, KEY), KEYS)


@pytest.mark.parametrize(
    "junk",
    [b"", b"{}", b"[]", b"\xff", b'{"payloadType":1,"payload":"%","signatures":[]}', b"[" * 100_000],
)
def test_what_is_no_envelope_is_refused(junk):
    with pytest.raises(ManifestRefused, match="not a DSSE envelope"):
        verify(BYTES, junk, KEYS)


def test_no_signature_at_all_is_refused():
    with pytest.raises(ManifestRefused, match="signed by: none"):
        verify(BYTES, forged(signatures=[]), KEYS)


def test_a_key_id_that_is_no_text_is_nobodys():
    with pytest.raises(ManifestRefused, match="no signature from a trusted key"):
        verify(BYTES, forged(signatures=[{"keyid": [], "sig": ""}]), KEYS)


def test_the_signature_is_over_the_dsse_encoding():
    # The example of the DSSE specification, so that other tools can verify what we sign.
    from ignition_hub.store.trust import _pre_authentication

    assert _pre_authentication("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_the_statement_names_the_engine_and_the_manifest():
    subjects = {s["name"]: s["digest"]["sha256"] for s in statement_of(MANIFEST, BYTES)["subject"]}

    assert subjects["resnet50_v1_fp16_sm_89_1.7.1.trt"] == MANIFEST.engine.sha256
    assert set(subjects) == {"resnet50_v1_fp16_sm_89_1.7.1.trt", "resnet50_v1_fp16_sm_89_1.7.1.trt.json"}


def test_published_keys_are_read_back():
    document = json.loads(json.dumps(keys_to_json(KEYS)))
    document["keys"].append({"keyid": "x", "algorithm": "ecdsa", "public": ""})

    assert set(keys_from_json(document)) == {KEY.keyid}


def test_a_key_of_another_algorithm_does_not_sign():
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

    with pytest.raises(TypeError, match="must be Ed25519"):
        SigningKey.from_pem(pem)


def test_a_file_that_is_no_key_is_refused():
    with pytest.raises(ValueError, match="not an unencrypted private key"):
        SigningKey.from_pem(b"-----BEGIN NOTHING-----")


def of_another_release(change):
    document = json.loads(BYTES)
    change(document)
    return canonical_json(document)


def test_a_signed_manifest_with_a_field_that_only_a_later_release_knows_is_believed():
    later = of_another_release(lambda document: document["build"].update(addedLater=1))

    assert verify(later, sign(MANIFEST, later, KEY), KEYS) == MANIFEST


LATER = {
    "another schema": lambda document: document.update(schema="ignitionhub.io/manifest/v2"),
    "another word": lambda document: document["build"].update(checked="twice"),
    "another input": lambda document: document["inputs"].update(addedLater=1),
    "a field less": lambda document: document.pop("built_at"),
    "a field of another kind": lambda document: document["engine"].update(size="3"),
}


@pytest.mark.parametrize("change", LATER.values(), ids=LATER)
def test_what_our_key_signed_and_only_another_release_can_read_is_no_forgery(change):
    later = of_another_release(change)

    with pytest.raises(NewerRelease, match="upgrade"):
        verify(later, sign(MANIFEST, later, KEY), KEYS)
    with pytest.raises(ManifestRefused, match="no signature from a trusted key"):
        verify(later, sign(MANIFEST, later, OTHER), KEYS)


def test_a_signed_statement_of_a_type_that_only_a_later_release_knows_is_no_forgery():
    statement = {**statement_of(MANIFEST, BYTES), "predicateType": "https://slsa.dev/provenance/v2"}
    later = signed(statement)

    with pytest.raises(NewerRelease, match="provenance/v2"):
        verify(BYTES, later, KEYS)
    with pytest.raises(ManifestRefused, match="another manifest"):
        verify(BYTES + b" ", later, KEYS)


@pytest.mark.parametrize("data", [b"[]", b"{}", b"[" * 100_000, b'{"identity":"a","provenance_key":"b"}'])
def test_bytes_that_claim_nothing_are_refused(data):
    with pytest.raises(ManifestRefused, match="the manifest cannot be read"):
        claim_in(data)


def test_a_claim_is_made_in_words():
    with pytest.raises(ManifestRefused, match="must be strings"):
        claim_in(of_another_release(lambda document: document.update(identity=["a"])))
