"""
One spelling for every JSON value, so that equal values have equal digests.

Identities, fingerprints, manifests and signatures are digests of what ``canonical_json`` returns.
"""

import json
import math
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from ignition_hub.engine.errors import ContractError


def canonical_json(value: Any) -> bytes:
    """
    Return the UTF-8 JSON of ``value`` with sorted keys and no blanks.

    Raises ContractError for what JSON cannot hold: NaN, infinities, keys that are not strings, other types.
    """
    try:
        plain = _plain(value, "value")
    except RecursionError as error:
        raise ContractError("value: nested too deeply") from error
    try:
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ContractError(
            f"value: contains a lone surrogate, which UTF-8 cannot encode ({error.reason})"
        ) from error


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as 64 lower-case hex digits."""
    return sha256(data).hexdigest()


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return _number(value, where)
    if isinstance(value, Mapping):
        return {_key(key, where): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise ContractError(f"{where}: {type(value).__name__} is not a JSON type")


def _number(value: float, where: str) -> float | int:
    """Spell 2.0 as 2: a YAML parser, etcd and Python disagree about it, and it is the same number."""
    if not math.isfinite(value):
        raise ContractError(f"{where}: {value} is not a JSON number")
    return int(value) if value.is_integer() else value


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise ContractError(f"{where}: the key {key!r} is not a string")
    return str(key)
