"""Mutants of published engines by the ten thousand: altered after they were signed, or signed as nonsense."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ignition_hub.engine.canonical import canonical_json, sha256_hex
from ignition_hub.engine.errors import ContractError, NewerRelease
from ignition_hub.engine.manifest import Manifest
from ignition_hub.store.errors import ManifestRefused
from ignition_hub.store.trust import (
    PAYLOAD_TYPE,
    SigningKey,
    _pre_authentication,
    claim_in,
    key_id,
    keys_from_json,
    keys_to_json,
    sign,
    statement_of,
    verify,
)
from mutants import COUNT, FEW, of_bytes, of_document, says, survey
from storefixtures import make_manifest

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
KEYS = {KEY.keyid: KEY.public}
MANIFEST = make_manifest()
BYTES = MANIFEST.to_bytes()
ENVELOPE = sign(MANIFEST, BYTES, KEY)
REFUSALS = (ManifestRefused, NewerRelease)


def signed(payload: bytes) -> bytes:
    """Return an envelope of ours around any payload."""
    signature = KEY.private.sign(_pre_authentication(PAYLOAD_TYPE, payload))
    return canonical_json(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": KEY.keyid, "sig": base64.b64encode(signature).decode()}],
        }
    )


@pytest.mark.parametrize("mutants", [of_document, of_bytes])
def test_a_manifest_that_was_altered_after_it_was_signed_is_refused(mutants):
    origin = json.loads(BYTES) if mutants is of_document else BYTES

    def nothing_changed(data: bytes, manifest: Manifest) -> None:
        assert (data, manifest) == (BYTES, MANIFEST)

    found = survey(
        "altered manifest",
        21,
        mutants(origin, 21),
        lambda data: verify(data, ENVELOPE, KEYS),
        nothing_changed,
        refusals=ManifestRefused,
    )

    assert found.shown == COUNT


@pytest.mark.parametrize("mutants", [of_document, of_bytes])
def test_an_envelope_that_was_altered_vouches_for_nothing_else(mutants):
    origin = json.loads(ENVELOPE) if mutants is of_document else ENVELOPE

    def same_engine(_: bytes, read: Any) -> None:
        assert read == MANIFEST

    found = survey(
        "altered envelope",
        22,
        mutants(origin, 22, FEW),
        lambda data: verify(BYTES, data, KEYS),
        same_engine,
        refusals=ManifestRefused,
    )

    assert found.shown == FEW


def test_a_manifest_that_was_signed_as_nonsense_is_refused_or_waited_for():
    def read(data: bytes) -> Manifest:
        return verify(data, sign(MANIFEST, data, KEY), KEYS)

    def same_engine(data: bytes, manifest: Manifest) -> None:
        says(manifest, json.loads(data))
        assert manifest.engine.sha256 == MANIFEST.engine.sha256

    found = survey(
        "nonsense, signed", 23, of_document(json.loads(BYTES), 23), read, same_engine, refusals=REFUSALS
    )

    assert found.shown == COUNT
    assert found.accepted > 0


@pytest.mark.parametrize("mutants", [of_document, of_bytes])
def test_a_statement_that_was_signed_as_nonsense_is_refused_or_waited_for(mutants):
    statement = statement_of(MANIFEST, BYTES)
    origin = statement if mutants is of_document else canonical_json(statement)

    def same_engine(data: bytes, read: Manifest) -> None:
        engine, manifest = (one["digest"]["sha256"] for one in json.loads(data)["subject"])
        assert (engine, manifest) == (read.engine.sha256, sha256_hex(BYTES))
        assert read == MANIFEST

    found = survey(
        "nonsense statement",
        24,
        mutants(origin, 24, FEW),
        lambda data: verify(BYTES, signed(data), KEYS),
        same_engine,
        refusals=REFUSALS,
    )

    assert found.shown == FEW
    assert found.accepted > 0


@pytest.mark.parametrize("mutants", [of_document, of_bytes])
def test_what_a_manifest_claims_before_its_signature_is_looked_at_is_three_texts_or_refused(mutants):
    origin = json.loads(BYTES) if mutants is of_document else BYTES

    def three_texts(data: bytes, claim: Any) -> None:
        document = json.loads(data)
        said = document["identity"], document["provenance_key"], document["engine"]["key"]
        assert (claim.identity, claim.provenance_key, claim.engine_key) == said

    found = survey("claim", 25, mutants(origin, 25, FEW), claim_in, three_texts, refusals=ManifestRefused)

    assert found.shown == FEW
    assert found.accepted > 0


def test_every_mutant_of_the_public_keys_is_refused_or_names_keys_by_their_digest():
    other = SigningKey(Ed25519PrivateKey.from_private_bytes(b"\x02" * 32))
    published = keys_to_json({**KEYS, other.keyid: other.public})

    def read(data: bytes) -> Any:
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ContractError("not JSON") from error
        return keys_from_json(document)

    def named_by_digest(data: bytes, keys: Any) -> None:
        entries = json.loads(data).get("keys", [])
        ours = {entry["public"] for entry in entries if entry.get("algorithm") == "ed25519"}
        assert {entry["public"] for entry in keys_to_json(keys)["keys"]} == ours
        assert all(keyid == key_id(key) for keyid, key in keys.items())

    found = survey(
        "public keys", 26, of_document(published, 26, FEW), read, named_by_digest, refusals=ContractError
    )

    assert found.shown == FEW
    assert found.accepted > 0
