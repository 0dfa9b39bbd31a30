"""
Share an engine that was built here: signed into the hub's tree, or unsigned into a tree of its own.

The order is the gateway's: engine, log, provenance, manifest last. What others published is left alone
unless a rebuild was forced, and a manifest in the hub's tree that this machine does not believe is left alone
always: it may well be the hub's own, signed with a key that is not configured here.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.manifest import EngineFile, Manifest
from ignition_hub.engine.naming import StorePaths, Tree
from ignition_hub.engine.sources import S3Location
from ignition_hub.local.artifacts import declined, store_settings
from ignition_hub.local.cache import LOG_FILE
from ignition_hub.local.engine import LocalEngine
from ignition_hub.local.errors import StoreDeclined
from ignition_hub.local.keyring import Keyring
from ignition_hub.local.settings import ArtifactsSettings
from ignition_hub.store.errors import ManifestRefused, ObjectMissing, PublishConflict
from ignition_hub.store.find import DOCUMENT_BYTES, believe
from ignition_hub.store.habits import CONDITIONAL, Relied, habits_of
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.publish import publish
from ignition_hub.store.trust import SigningKey

PART_BYTES = 64 * 1024 * 1024
"""10,000 parts of this size are more than any engine."""

LOG_BYTES = 1024 * 1024

QUICKLY_ASKED = tuple(relied for relied in CONDITIONAL if relied is not Relied.OVERLAPPING)
"""What is asked before an upload: a few bytes each."""

UPLOADING = "Uploading engine"


def upload(
    engine: LocalEngine,
    settings: ArtifactsSettings,
    keyring: Keyring,
    watch: Callable[[str, float], None],
    *,
    force: bool,
) -> str:
    """Publish an engine and return its URI; after StoreDeclined nothing half-done is visible."""
    tree = "" if keyring.signing else Tree.UNSIGNED
    store = ObjectStore(store_settings(settings, tree))
    try:
        manifest = _moved(engine.manifest, store.settings.prefix)
        paths = StorePaths(store.settings.prefix, manifest.inputs, manifest.identity)
        current = _current(store, paths.manifest)
        if current is not None:
            _check_ours(store, keyring, paths, current[0])
        if current is None or force:
            _check_conditions(store)
            _send(store, manifest.engine.key, engine.path, watch)
            _send_log(store, paths.log(manifest.engine.sha256), engine.path.with_name(LOG_FILE))
            _publish(store, keyring.signing, keyring, manifest, current[1] if current else None)
    except IgnitionError as error:
        raise declined(settings, error) from error
    finally:
        store.close()
    return S3Location(settings.bucket, manifest.engine.key).uri


def _moved(manifest: Manifest, prefix: str) -> Manifest:
    """Return a manifest with the keys that its engine gets below ``prefix``."""
    paths, engine = StorePaths(prefix, manifest.inputs, manifest.identity), manifest.engine
    return replace(
        manifest,
        engine=EngineFile(paths.engine(engine.sha256), engine.sha256, engine.size),
        provenance_key=paths.provenance(engine.sha256),
    )


def _current(store: ObjectStore, key: str) -> tuple[bytes, str] | None:
    try:
        return store.get_with_etag(key, DOCUMENT_BYTES)
    except ObjectMissing:
        return None


def _check_ours(store: ObjectStore, keyring: Keyring, paths: StorePaths, manifest_bytes: bytes) -> None:
    if keyring.signing is None:
        return
    try:
        believe(store, keyring.believed, paths.manifest, manifest_bytes, paths.identity)
    except ManifestRefused as error:
        raise StoreDeclined(
            Reason.ManifestRefused,
            f"an engine of this identity is there already, and it is not trusted here ({error.message})",
            "add the hub's keys to ARTIFACTS_TRUSTED_KEYS",
        ) from error


def _check_conditions(store: ObjectStore) -> None:
    """Refuse a server that ignores conditions: two machines would overwrite each other's engines."""
    for broken in habits_of(store, QUICKLY_ASKED).broken:
        raise StoreDeclined(
            Reason.StoreMisconfigured,
            f"{store.settings.endpoint} does not keep two writers apart ({broken.relied}: {broken.seen})",
            "engines are read from it but not written to it",
        )


def _send(store: ObjectStore, key: str, path: Path, watch: Callable[[str, float], None]) -> None:
    upload_id = store.start_upload(key)
    try:
        with path.open("rb") as file:
            put = functools.partial(store.put_part, key, upload_id)
            etags = _parts(put, file, path.stat().st_size, watch)
        # False: an engine with this digest is there already, which is as good.
        store.complete_upload(key, upload_id, etags)
    except BaseException:
        store.abort_upload(key, upload_id)
        raise


def _parts(
    put: Callable[[int, bytes], str], file: BinaryIO, size: int, watch: Callable[[str, float], None]
) -> list[str]:
    etags: list[str] = []
    while part := file.read(PART_BYTES):
        etags.append(put(len(etags) + 1, part))
        watch(UPLOADING, file.tell() / size)
    return etags


def _send_log(store: ObjectStore, key: str, log: Path) -> None:
    if log.exists():
        store.put(key, log.read_bytes()[-LOG_BYTES:])


def _publish(
    store: ObjectStore, key: SigningKey | None, keyring: Keyring, manifest: Manifest, etag: str | None
) -> None:
    if key is not None:
        publish(store, key, keyring.believed, manifest, replace=etag is not None)
        return
    where, document = (
        StorePaths(store.settings.prefix, manifest.inputs, manifest.identity).manifest,
        manifest.to_bytes(),
    )
    is_written = store.put(where, document, if_match=etag) if etag else store.put_new(where, document)
    if not is_written and store.get(where, DOCUMENT_BYTES) != document:
        raise PublishConflict(f"{where} was written by another machine meanwhile")
