"""
What tells one model from another: the digest of its bytes where it is pinned, else where it lies and how.

A fingerprint is the model's part of an ``identity``.
"""

import re
from collections.abc import Mapping

from ignition_hub.engine.canonical import canonical_json, sha256_hex
from ignition_hub.engine.errors import ContractError

MOST_DATA_FILES = 256
"""As many files of external data as one bundle may have."""


def fingerprint(
    uri: str, *, sha256: str | None = None, etag: str | None = None, size: int | None = None
) -> str:
    """
    Return the fingerprint of a model source: of its bytes when they are pinned, else of (uri, etag, size).

    The URI is part of an unpinned fingerprint: an ETag is whatever a server says, and alone it would let
    one tenant answer for another's model. Raises ContractError for a digest that is not 64 hex digits, or
    when nothing is known.
    """
    if sha256 is not None:
        digest = sha256.lower()
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ContractError(f"source.sha256: {digest!r} is not valid", "expected 64 hex digits")
        return f"sha256:{digest}"
    if not etag:
        raise ContractError(
            f"source.uri: {uri!r} has no ETag, so a change of the model would not be detected", "pin sha256"
        )
    return "object:" + sha256_hex(canonical_json([uri, etag.strip('"'), size]))


def bundle_digest(files: Mapping[str, tuple[str, int]]) -> str:
    """Return the one digest of a bundle's files: relative name to (SHA-256, size in bytes) of every file."""
    return sha256_hex(canonical_json([[name, *facts] for name, facts in sorted(files.items())]))


def bundle_fingerprint(uri: str, files: Mapping[str, tuple[str, int]]) -> str:
    """
    Return the fingerprint of the bundle at ``uri``: relative name to (ETag, size in bytes) of every file.

    Raises ContractError when a file has no ETag.
    """
    for name, (etag, _) in files.items():
        if not etag:
            raise ContractError(
                f"source.uri: {name!r} has no ETag, so a change would not be detected",
                "use a store that returns ETags",
            )
    listing = [[name, etag.strip('"'), size] for name, (etag, size) in sorted(files.items())]
    return "object:" + sha256_hex(canonical_json([uri, listing]))
