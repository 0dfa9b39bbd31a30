"""
Who vouches for an engine file: the document that lies beside it, in each of the layouts that exist.

======================  =============================================================================
the fetcher's           ``/engines/<alias>/model.engine`` and ``engine.json``, the gateway's answer
a store or local cache  ``<identity>/<sha256>/<name>.trt`` and ``<identity>/<name>.trt.json``, a manifest
the classic one         ``<stem>.engine`` and ``<stem>.engine.json``, a manifest
======================  =============================================================================

The fetcher, the library and the gateway put these there after they had checked the signature; here only
digests are compared.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ignition_hub.engine.errors import ContractError, Reason
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.names import RECORD_FILE
from ignition_hub.runtime.errors import EngineRefused

LARGEST_DOCUMENT = 16 * 1024 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Voucher:
    """What ``document`` says of an engine: its SHA-256 (hex), size in bytes, and how it was built."""

    document: Path
    sha256: str
    size: int
    manifest: Manifest


def voucher_of(engine: Path) -> Voucher | None:
    """
    Return what vouches for ``engine``; None when no document lies beside it.

    Raises EngineRefused (ManifestRefused) for a document that cannot be read.
    """
    beside = (
        engine.with_name(f"{engine.name}.json"),
        engine.parent / RECORD_FILE,
        engine.parent.parent / f"{engine.name}.json",
    )
    found = next((document for document in beside if document.is_file()), None)
    return read_voucher(found) if found else None


def read_voucher(document: Path) -> Voucher:
    """Return what ``document`` vouches for; EngineRefused (ManifestRefused) when it cannot be read."""
    try:
        return _voucher(document, json.loads(_content(document)))
    except OSError as error:
        raise _unreadable(document, error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(document, f"not JSON ({error})") from error
    except ContractError as error:
        raise _unreadable(document, str(error)) from error


def _content(document: Path) -> bytes:
    with document.open("rb") as file:
        data = file.read(LARGEST_DOCUMENT + 1)
    if len(data) > LARGEST_DOCUMENT:
        raise ContractError(f"larger than {LARGEST_DOCUMENT} bytes")
    return data


def _voucher(document: Path, content: Any) -> Voucher:
    is_record = isinstance(content, Mapping) and "manifest" in content
    manifest = Manifest.from_json(content["manifest"] if is_record else content)
    sha256, size = manifest.engine.sha256, manifest.engine.size
    if not _SHA256.fullmatch(sha256):
        raise ContractError(f"engine.sha256: {sha256!r} is not a SHA-256")
    # The fetcher checked the engine against the record; a record that says otherwise was changed since.
    if is_record and (content.get("sha256"), content.get("size")) != (sha256, size):
        raise ContractError("sha256 and size are not those of the manifest in it")
    return Voucher(document, sha256, size, manifest)


def _unreadable(document: Path, why: str) -> EngineRefused:
    return EngineRefused(
        Reason.ManifestRefused,
        f"{document} cannot be trusted: {why}",
        "fetch the engine again; if a newer hub wrote it, upgrade ignition-hub here",
    )
