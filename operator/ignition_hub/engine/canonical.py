"""
One spelling for every JSON value, so that equal values have equal digests.

Identities, fingerprints, manifests and signatures are digests of what ``canonical_json`` returns.
"""

import json
import math
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from ignition_hub.engine.errors import ContractError

_LEVELS = 100
"""How deep a document may be nested: fewer than any reader takes, wherever it is called."""

_STEPS = 16
"""How many steps of a place a message shows."""


class Place(NamedTuple):
    """
    Where a value is: the place of what holds it, None for the document, and its key or index there.

    Written down when it is wrong: in a deep document of long keys all places together are gigabytes.
    """

    holder: "Place | None"
    step: Any


def canonical_json(value: Any) -> bytes:
    """
    Return the UTF-8 JSON of ``value`` with sorted keys and no blanks.

    Raises ContractError for what JSON cannot hold: NaN, infinities, keys that are not strings, other types.
    """
    plain = _plain(value, None, _LEVELS)
    try:
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ContractError(
            f"value: contains a lone surrogate, which UTF-8 cannot encode ({error.reason})"
        ) from error


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as 64 lower-case hex digits."""
    return sha256(data).hexdigest()


def _plain(value: Any, where: Place | None, levels: int) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return _number(value, where)
    if levels == 0:
        raise ContractError(f"{_path(where)}: nested too deeply", f"nest at most {_LEVELS} levels")
    if isinstance(value, Mapping):
        return {_key(key, where): _plain(item, Place(where, key), levels - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, Place(where, index), levels - 1) for index, item in enumerate(value)]
    raise ContractError(f"{_path(where)}: {type(value).__name__} is not a JSON type")


def _number(value: float, where: Place | None) -> float | int:
    """Spell 2.0 as 2: a YAML parser, etcd and Python disagree about it, and it is the same number."""
    if not math.isfinite(value):
        raise ContractError(f"{_path(where)}: {value} is not a JSON number")
    return int(value) if value.is_integer() else value


def _key(key: Any, where: Place | None) -> str:
    if not isinstance(key, str):
        raise ContractError(f"{_path(where)}: the key {key!r:.80} is not a string")
    return str(key)


def _path(where: Place | None) -> str:
    """Return a place as people write it, its start left out where it is long."""
    steps: list[str] = []
    while where is not None and len(steps) < _STEPS:
        where, step = where
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step!s:.40}")
    return "".join(["value" if where is None else "…", *reversed(steps)])
