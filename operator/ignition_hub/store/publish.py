"""
Make a built engine exist: sign, write the provenance, write the manifest last, and look at what is there.

Written so that it can be cut off anywhere and begun again, by this gateway or by another. Each manifest has a
provenance of its own, named by the manifest's digest: whichever of two manifests stays, what vouches for it
is there, even on a server that ignores conditions. The answer is what a look at the store finds afterwards.
"""

import hashlib
from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import datetime, timedelta

from ignition_hub.engine.manifest import BUILT_AT, Manifest
from ignition_hub.engine.naming import StorePaths
from ignition_hub.store.errors import ManifestRefused, ObjectMissing, ObjectTooLarge, PublishConflict
from ignition_hub.store.find import DOCUMENT_BYTES, believe, engine_exists
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.trust import PublicKeys, SigningKey, sign

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Publication:
    """The manifest that counts for an identity, and whether this call made it so."""

    manifest: Manifest
    manifest_key: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class _There:
    """What lies where the manifest belongs; ``signed``: what is believed; ``counts``: with its engine."""

    content: bytes
    etag: str | None
    signed: Manifest | None = None
    counts: bool = False


def publish(
    store: ObjectStore, key: SigningKey, keys: PublicKeys, manifest: Manifest, *, replace: bool = False
) -> Publication:
    """
    Publish ``manifest``, whose engine is already in the store and was checked.

    ``keys`` are those that earlier publications may be signed with; ``replace`` puts this manifest in the
    place of a good one (a forced rebuild). One that is not to be believed, or whose engine is gone, is
    replaced always; one of a later release never: it is a NewerRelease, and nothing is written. Raise
    PublishConflict when others keep changing the manifest, and the store's errors.
    """
    paths = StorePaths(store.settings.prefix, manifest.inputs, manifest.identity)
    written = b""
    for _ in range(ATTEMPTS + 1):
        there = _look(store, keys, paths, written)
        is_ours = bool(written) and there.content == written
        if there.signed is not None and (is_ours or (there.counts and (written or not replace))):
            return Publication(there.signed, paths.manifest, is_new=is_ours)
        ours = vouched_for(dated_after(there.signed, manifest), paths)
        document = ours.to_bytes()
        store.put(ours.provenance_key, sign(ours, document, key))
        if _replaced(store, paths.manifest, there, document):
            written = document
    raise PublishConflict(f"{paths.manifest} was changed by others during {ATTEMPTS} attempts to write it")


def vouched_for(manifest: Manifest, paths: StorePaths) -> Manifest:
    """Return ``manifest`` with the key of its own provenance."""
    anywhere = replaced(manifest, provenance_key=paths.provenance(manifest.engine.sha256))
    digest = hashlib.sha256(anywhere.to_bytes()).hexdigest()
    return replaced(anywhere, provenance_key=paths.provenance(manifest.engine.sha256, digest))


def dated_after(there: Manifest | None, manifest: Manifest) -> Manifest:
    """
    Return ``manifest``, dated later than the one it replaces, whatever this gateway's clock says.

    By this time controller and gateway tell a replacement from what it replaced (``is_rolled_back``).
    """
    if there is None or there.engine == manifest.engine or manifest.built_at > there.built_at:
        return manifest
    # Times of the format have no zone of their own, and none is needed to add a second.
    second_after = datetime.strptime(there.built_at, BUILT_AT) + timedelta(seconds=1)
    return replaced(manifest, built_at=second_after.strftime(BUILT_AT))


def _look(store: ObjectStore, keys: PublicKeys, paths: StorePaths, written: bytes) -> _There:
    try:
        content, etag = store.get_with_etag(paths.manifest, DOCUMENT_BYTES)
    except ObjectMissing:
        return _There(b"", None)
    except ObjectTooLarge:
        # None of ours: whoever wrote it must not keep the engine from being published for ever.
        facts = store.head(paths.manifest)
        return _There(b"", facts.etag if facts else None)
    try:
        signed = believe(store, keys, paths.manifest, content, paths.identity)
    except ManifestRefused:
        return _There(content, etag)
    try:
        # The engine of what was written here was checked: that it is there needs no request.
        return _There(content, etag, signed, content == written or engine_exists(store, signed))
    except ManifestRefused:
        return _There(content, etag, signed)


def _replaced(store: ObjectStore, manifest_key: str, there: _There, document: bytes) -> bool:
    if there.etag is None:
        return store.put_new(manifest_key, document)
    return store.put(manifest_key, document, if_match=there.etag)
