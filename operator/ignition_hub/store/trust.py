"""
Why a stored engine may be believed: Ed25519 over a DSSE envelope around an in-toto statement.

The statement names two subjects by digest: the engine, and the manifest that describes it. So neither can be
exchanged without the key, which only the gateway holds; the builder, which runs tenants' models, never sees
it. The statement also carries the manifest's bytes: a publication that was cut off between provenance and
manifest is finished from what was signed, never signed a second time.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from ignition_hub.engine.canonical import canonical_json, sha256_hex
from ignition_hub.engine.errors import ContractError, NewerRelease
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.quoting import shown
from ignition_hub.store.errors import ManifestRefused

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://ignitionhub.io/build/v1"
BUILDER_ID = "https://ignitionhub.io/gateway"
ALGORITHM = "ed25519"

PublicKeys = Mapping[str, Ed25519PublicKey]
"""Keys that are believed, by key id."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a manifest says before its signature is looked at: words that every release writes alike."""

    identity: str
    provenance_key: str
    engine_key: str


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The gateway's private key."""

    private: Ed25519PrivateKey

    @classmethod
    def from_pem(cls, pem: bytes) -> "SigningKey":
        """Read an unencrypted PKCS#8 PEM; raise ValueError or TypeError for anything else."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise ValueError(f"not an unencrypted private key in PEM: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError(f"the signing key is {type(key).__name__}; it must be Ed25519")
        return cls(key)

    @property
    def public(self) -> Ed25519PublicKey:
        """Return the key that others verify with."""
        return self.private.public_key()

    @property
    def keyid(self) -> str:
        """Return the key's id."""
        return key_id(self.public)


def key_id(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 (hex) of the raw public key."""
    return sha256_hex(_raw(key))


def keys_to_json(keys: PublicKeys) -> dict[str, Any]:
    """Return the answer of ``GET /v1/keys``."""
    entries = [
        {"keyid": keyid, "algorithm": ALGORITHM, "public": base64.b64encode(_raw(key)).decode()}
        for keyid, key in sorted(keys.items())
    ]
    return {"keys": entries}


def keys_from_json(document: Any) -> dict[str, Ed25519PublicKey]:
    """Read the answer of ``GET /v1/keys``; keys of other algorithms are passed over."""
    entries = document.get("keys", []) if isinstance(document, Mapping) else None
    if not isinstance(entries, list):
        raise ContractError(f"keys: expected an object with an array of keys, got {shown(document)}")
    ours = [
        entry for entry in entries if not isinstance(entry, Mapping) or entry.get("algorithm") == ALGORITHM
    ]
    return {key_id(key): key for key in map(_public_key, ours)}


def _public_key(entry: Any) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(entry["public"], validate=True))
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError(f"keys: {shown(entry)} is not an {ALGORITHM} key: {error!s:.80}") from error


def sign(manifest: Manifest, manifest_bytes: bytes, key: SigningKey) -> bytes:
    """Return the DSSE envelope that vouches for an engine and for exactly these manifest bytes."""
    payload = canonical_json(statement_of(manifest, manifest_bytes))
    signature = key.private.sign(_pre_authentication(PAYLOAD_TYPE, payload))
    return canonical_json(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": key.keyid, "sig": base64.b64encode(signature).decode()}],
        }
    )


def statement_of(manifest: Manifest, manifest_bytes: bytes) -> dict[str, Any]:
    """Return the in-toto statement about one publication."""
    file_name = manifest.engine.key.rpartition("/")[2]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": file_name, "digest": {"sha256": manifest.engine.sha256}},
            {"name": f"{file_name}.json", "digest": {"sha256": sha256_hex(manifest_bytes)}},
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": _predicate(manifest, manifest_bytes, file_name),
    }


def verify(manifest_bytes: bytes, envelope_bytes: bytes, keys: PublicKeys) -> Manifest:
    """
    Return the manifest if a believed key signed exactly these bytes and the engine they name.

    Raise ManifestRefused, saying which link is broken; NewerRelease where none is, and only a later release
    can read what was signed.
    """
    statement = _signed_statement(envelope_bytes, keys)
    engine_sha256, manifest_sha256 = _subjects(statement)
    if sha256_hex(manifest_bytes) != manifest_sha256:
        raise ManifestRefused("the signed provenance is about another manifest")
    _require_known_types(statement)
    manifest = _signed_manifest(manifest_bytes)
    if manifest.engine.sha256 != engine_sha256:
        raise ManifestRefused("the signed provenance does not cover the engine that the manifest names")
    return manifest


def _predicate(manifest: Manifest, manifest_bytes: bytes, file_name: str) -> dict[str, Any]:
    document = manifest.to_json()
    model, build = document["inputs"]["model"], document["build"]
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"identity": manifest.identity, "inputs": document["inputs"]},
            "internalParameters": {"flags": build["flags"], "builderImage": build["builder_image"]},
            "resolvedDependencies": [
                {"name": model["name"], "digest": {"sha256": build["model"].get("sha256", "")}}
            ],
        },
        "runDetails": {
            "builder": {"id": BUILDER_ID, "version": {build["flavor"]: build["tensorrt_version"]}},
            "metadata": {"invocationId": manifest.identity, "finishedOn": manifest.built_at},
            "byproducts": [
                {"name": f"{file_name}.json", "content": base64.b64encode(manifest_bytes).decode()}
            ],
        },
    }


def _pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """Return what DSSE signs: type and payload with their lengths, so neither can flow into the other."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _signed_statement(envelope_bytes: bytes, keys: PublicKeys) -> dict[str, Any]:
    try:
        envelope = json.loads(envelope_bytes)
        payload_type = envelope["payloadType"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [
            (str(s["keyid"]), base64.b64decode(s["sig"], validate=True)) for s in envelope["signatures"]
        ]
    except (KeyError, TypeError, ValueError, RecursionError, binascii.Error) as error:
        raise ManifestRefused(f"the provenance is not a DSSE envelope: {error}") from error
    if payload_type != PAYLOAD_TYPE:
        raise ManifestRefused(f"the provenance is of type {shown(payload_type)}, not {PAYLOAD_TYPE}")
    _require_signature(signatures, keys, _pre_authentication(payload_type, payload))
    return _statement_in(payload)


def _statement_in(payload: bytes) -> dict[str, Any]:
    try:
        statement = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ManifestRefused(f"the signed provenance is not JSON: {error}") from error
    if not isinstance(statement, dict):
        raise ManifestRefused("the signed provenance is not a JSON object")
    return statement


def _require_known_types(statement: Mapping[str, Any]) -> None:
    types = statement.get("_type"), statement.get("predicateType")
    if types != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise NewerRelease(f"the signed provenance is of types {shown(types)}")


def _require_signature(signatures: list[tuple[str, bytes]], keys: PublicKeys, message: bytes) -> None:
    known = [(keys[keyid], signature) for keyid, signature in signatures if keyid in keys]
    if not known:
        signers = ", ".join(keyid[:16] for keyid, _ in signatures) or "none"
        raise ManifestRefused(f"the provenance has no signature from a trusted key (signed by: {signers})")
    for key, signature in known:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            continue
        return
    raise ManifestRefused("the signature of the provenance does not match its content")


def _subjects(statement: Mapping[str, Any]) -> tuple[str, str]:
    """Return the digests of the engine and of the manifest, in the order in which they were signed."""
    try:
        engine, manifest = (subject["digest"]["sha256"] for subject in statement["subject"])
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestRefused("the signed provenance does not name an engine and a manifest") from error
    return engine, manifest


def _signed_manifest(manifest_bytes: bytes) -> Manifest:
    """Read what a believed key signed: what cannot be read of it, another release wrote."""
    try:
        return Manifest.from_bytes(manifest_bytes)
    except NewerRelease:
        raise
    except ContractError as error:
        raise NewerRelease(f"the manifest is signed, and cannot be read: {error}") from error


def claim_in(manifest_bytes: bytes) -> Claim:
    """Return what a manifest of any release claims; raise ManifestRefused when it is none."""
    try:
        document = json.loads(manifest_bytes)
        claim = Claim(document["identity"], document["provenance_key"], document["engine"]["key"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ManifestRefused(f"the manifest cannot be read: {shown(error)}") from error
    if not all(isinstance(word, str) for word in (claim.identity, claim.provenance_key, claim.engine_key)):
        raise ManifestRefused("the manifest cannot be read: identity and keys must be strings")
    return claim


def manifest_from_bytes(manifest_bytes: bytes) -> Manifest:
    """Read a manifest that nobody vouches for; ManifestRefused when it is none, NewerRelease as codec."""
    try:
        return Manifest.from_bytes(manifest_bytes)
    except NewerRelease:
        raise
    except ContractError as error:
        raise ManifestRefused(f"the manifest cannot be read: {error}") from error


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
