"""
Whom this machine believes, and with which key it signs; both are chosen by whoever runs it.

A key that is configured and cannot be read is an error and never "no key": a slip must not turn verification
off.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ignition_hub.engine.errors import ContractError, Reason, RequestError
from ignition_hub.local.errors import wrong
from ignition_hub.local.settings import SIGNING_KEY, TRUSTED_KEYS, ArtifactsSettings
from ignition_hub.store.trust import PublicKeys, SigningKey, key_id, keys_from_json

_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Keyring:
    """``signing`` is None where uploads stay unsigned; without ``believed`` keys nothing is verified."""

    signing: SigningKey | None
    believed: PublicKeys


def keyring_of(settings: ArtifactsSettings) -> Keyring:
    """Read the keys; RequestError names the variable whose key cannot be read."""
    signing = _signing_key(settings.signing_key) if settings.signing_key else None
    believed = dict(trusted_keys(settings.trusted_keys)) if settings.trusted_keys else {}
    if signing is not None:
        believed[signing.keyid] = signing.public
    return Keyring(signing, believed)


def _signing_key(text: str) -> SigningKey:
    try:
        return SigningKey.from_pem(_content(text, SIGNING_KEY).encode())
    except (ValueError, TypeError) as error:
        remedy = "give an Ed25519 key as PKCS#8 PEM: openssl genpkey -algorithm ed25519"
        raise _unusable(SIGNING_KEY, str(error), remedy) from error


def trusted_keys(text: str) -> PublicKeys:
    """Return the public keys in ``text``, or in the file it names; RequestError when there is none."""
    content = _content(text, TRUSTED_KEYS)
    try:
        if content.lstrip().startswith("{"):
            keys: PublicKeys = keys_from_json(json.loads(content))
        else:
            keys = {key_id(key): key for key in map(_public_key, _PEM.findall(content))}
    except (ValueError, TypeError, ContractError) as error:
        raise _no_keys(str(error)) from error
    if not keys:
        raise _no_keys("it contains no Ed25519 public key")
    return keys


def _public_key(pem: str) -> Ed25519PublicKey:
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError(f"{type(key).__name__} is not an Ed25519 public key")
    return key


def _content(text: str, variable: str) -> str:
    if text.lstrip().startswith(("{", "-----BEGIN")):
        return text
    try:
        return Path(text).read_text(encoding="ascii")
    except (OSError, UnicodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise wrong(variable, text, why, "give the text of the key, or a file that contains it") from error


def _no_keys(why: str) -> Exception:
    remedy = "give public keys as PEM, or the JSON that the gateway's /v1/keys returns"
    return _unusable(TRUSTED_KEYS, why, remedy)


def _unusable(variable: str, why: str, remedy: str) -> RequestError:
    # Without the value: it may be the key itself.
    return RequestError(Reason.InvalidRequest, f"{variable}: {why.rstrip('?.')}", remedy)
