"""
What ``ignition inspect`` was pointed at: an engine or a manifest, in a file or in a bucket, with what was
checked.

Of a bucket's engine only the header is read. Nothing here needs TensorRT or a GPU.
"""

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ignition_hub.cli.errors import CliError, Unreachable
from ignition_hub.compatibility.loading import EngineFacts
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.plan_header import PlanHeader, read_plan_header
from ignition_hub.engine.sources import parse_s3_uri
from ignition_hub.local.artifacts import store_settings
from ignition_hub.local.digests import sha256_of
from ignition_hub.local.keyring import trusted_keys
from ignition_hub.local.settings import ACCESS_KEY, ENDPOINT, TRUSTED_KEYS, artifacts_settings
from ignition_hub.runtime.errors import EngineRefused
from ignition_hub.runtime.fitting import facts_of, require_same_plan
from ignition_hub.runtime.vouched import read_voucher, voucher_of
from ignition_hub.store.errors import ObjectMissing, StoreMisconfigured, StoreUnavailable
from ignition_hub.store.find import DOCUMENT_BYTES, believe, manifest_key_of
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.trust import PublicKeys, claim_in, manifest_from_bytes, verify

S3 = "s3://"
DOCUMENT = ".json"
NO_KEYS = f"not checked: no keys in {TRUSTED_KEYS}"
NO_MANIFEST = "there is no manifest beside it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """
    One engine as far as it can be seen; ``header`` or ``manifest`` may be missing, never both.

    ``digest`` and ``signature`` say in words what was checked; ``trouble`` is why the file is not to be used.
    """

    where: str
    header: PlanHeader | None = None
    manifest: Manifest | None = None
    digest: str = "not checked"
    signature: str = NO_KEYS
    trouble: str | None = None

    @property
    def facts(self) -> EngineFacts:
        """What is known about where it loads."""
        return facts_of(self.header, self.manifest)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object, without what is not known."""
        known = {
            "where": self.where,
            "plan": header_to_json(self.header) if self.header else None,
            "manifest": self.manifest.to_json() if self.manifest else None,
            "digest": self.digest,
            "signature": self.signature,
            "trouble": self.trouble,
        }
        return {name: value for name, value in known.items() if value is not None}


def subject_of(name: str, environ: Mapping[str, str] = os.environ) -> Subject:
    """Return what a path or an ``s3://`` URI names; CliError or an IgnitionError when it cannot be read."""
    text = environ.get(TRUSTED_KEYS)
    keys = trusted_keys(text) if text else {}
    if name.startswith(S3):
        return _in_bucket(name, keys, environ)
    try:
        return _in_file(Path(name), keys)
    except OSError as error:
        raise CliError(f"{name}: {error.strerror}") from error


def header_to_json(header: PlanHeader) -> dict[str, Any]:
    """Return the JSON object of a plan's own header."""
    known = {
        "flavor": header.flavor,
        "version": header.version,
        "sizeBytes": header.size,
        "gpuArchs": list(header.capabilities),
        "ultralyticsPrefixBytes": header.ultralytics_prefix,
    }
    return {name: value for name, value in known.items() if value}


def _in_file(path: Path, keys: PublicKeys) -> Subject:
    if path.suffix == DOCUMENT:
        manifest = read_voucher(path).manifest
        return Subject(where=str(path), manifest=manifest, signature="not checked: give the engine itself")
    with path.open("rb") as stream:
        header = read_plan_header(stream)
    voucher = voucher_of(path)
    if voucher is None:
        return Subject(
            where=str(path),
            header=header,
            digest=f"not checked: {NO_MANIFEST}",
            signature=f"not checked: {NO_MANIFEST}",
            trouble=_wrong_size(path.stat().st_size, header),
        )
    is_theirs = sha256_of(path) == voucher.sha256
    return Subject(
        where=str(path),
        header=header,
        manifest=voucher.manifest,
        digest=f"{'matches' if is_theirs else 'does not match'} {voucher.document.name}",
        signature=_signature_of(path, voucher.document, keys),
        trouble=_wrong_size(path.stat().st_size, header)
        or _another_plan(path, header, voucher.manifest)
        or (None if is_theirs else f"its SHA-256 is not the one in {voucher.document}"),
    )


def _signature_of(engine: Path, document: Path, keys: PublicKeys) -> str:
    """Say whether a believed key signed the manifest beside an engine."""
    if not keys:
        return NO_KEYS
    envelope = engine.with_name(f"{engine.name}.intoto.json")
    if not envelope.is_file():
        return "missing: there is no provenance beside it"
    verify(document.read_bytes(), envelope.read_bytes(), keys)
    return "holds"


def _in_bucket(uri: str, keys: PublicKeys, environ: Mapping[str, str]) -> Subject:
    try:
        location = parse_s3_uri(uri)
    except ValueError as error:
        raise CliError(str(error)) from error
    settings = artifacts_settings(f"{S3}{location.bucket}", environ, given_as="URI")
    if settings is None:
        raise CliError(f"{uri}: no artifacts store is configured")
    try:
        with closing(ObjectStore(store_settings(settings))) as store:
            if location.key.endswith(DOCUMENT):
                return _of_manifest(store, uri, location.key, keys)
            return _of_engine(store, uri, location.key, keys)
    except StoreUnavailable as error:
        raise Unreachable(error.message) from error
    except StoreMisconfigured as error:
        # Its own remedy speaks of an EngineStore, which this machine has not.
        raise CliError(f"{error.message}: check the URI, {ENDPOINT} and {ACCESS_KEY}") from error


def _of_manifest(store: ObjectStore, uri: str, key: str, keys: PublicKeys) -> Subject:
    manifest, signature = _manifest(store, key, keys)
    return Subject(where=uri, manifest=manifest, signature=signature)


def _of_engine(store: ObjectStore, uri: str, key: str, keys: PublicKeys) -> Subject:
    found = store.head(key)
    if found is None:
        raise ObjectMissing(uri)
    header = read_plan_header(_Ranged(store, key, found.size))
    try:
        manifest, signature = _manifest(store, manifest_key_of(uri), keys)
    except ObjectMissing:
        return Subject(
            where=uri,
            header=header,
            signature=f"not checked: {NO_MANIFEST}",
            trouble=_wrong_size(found.size, header),
        )
    about_another = manifest.engine.key != key
    return Subject(
        where=uri,
        header=header,
        manifest=manifest,
        digest="not checked: only the header was read",
        signature=signature,
        trouble=_wrong_size(found.size, header)
        or _another_plan(uri, header, manifest)
        or (f"the manifest beside it is about {manifest.engine.key}" if about_another else None),
    )


def _manifest(store: ObjectStore, key: str, keys: PublicKeys) -> tuple[Manifest, str]:
    data = store.get(key, DOCUMENT_BYTES)
    if not keys:
        return manifest_from_bytes(data), NO_KEYS
    return believe(store, keys, key, data, claim_in(data).identity), "holds"


def _wrong_size(size: int, header: PlanHeader) -> str | None:
    held = size - header.ultralytics_prefix
    if held == header.size:
        return None
    return f"the plan has {held} bytes but its header says {header.size}: it is truncated or padded"


def _another_plan(where: Path | str, header: PlanHeader, manifest: Manifest) -> str | None:
    try:
        require_same_plan(where, header, manifest)
    except EngineRefused as error:
        return error.message
    return None


class _Ranged:
    """An object of a bucket as a stream that asks for the bytes that are read, and for no others."""

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        self._store = store
        self._key = key
        self._size = size
        self._position = 0

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer at the end, of which no server is asked."""
        size = min(size, self._size - self._position)
        data = self._store.read_range(self._key, self._position, size) if size > 0 else b""
        self._position += len(data)
        return data
