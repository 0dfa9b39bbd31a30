"""
Make a built engine exist: sign, write the provenance, write the manifest last.

Written so that it can be cut off anywhere and begun again, by this gateway or by another. The provenance of
one set of engine bytes is written once; who comes second publishes what was signed first. The first manifest
wins, and everybody else answers with it.
"""

from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import datetime, timedelta

from ignition_hub.engine.manifest import BUILT_AT, Manifest
from ignition_hub.engine.naming import StorePaths
from ignition_hub.store.errors import ManifestRefused, ObjectMissing, ObjectTooLarge, PublishConflict
from ignition_hub.store.find import DOCUMENT_BYTES, believe, engine_exists, read_manifest
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.trust import PublicKeys, SigningKey, manifest_from_bytes, sign, signed_manifest_bytes

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Publication:
    """The manifest that counts for an identity, and whether this call made it so."""

    manifest: Manifest
    manifest_key: str
    is_new: bool


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
    manifest_key = StorePaths(store.settings.prefix, manifest.inputs, manifest.identity).manifest
    earlier = _signed_there(store, keys, manifest_key, manifest.identity)
    manifest_bytes = _vouched(store, key, keys, dated_after(earlier, manifest), earlier)
    ours = manifest_from_bytes(manifest_bytes)
    for _ in range(ATTEMPTS):
        if store.put_new(manifest_key, manifest_bytes):
            return Publication(ours, manifest_key, is_new=True)
        if (there := _current(store, manifest_key)) is None:
            continue
        current, etag = there
        published = _believed(store, keys, manifest_key, current, manifest.identity)
        if published is not None and (current == manifest_bytes or not replace):
            return Publication(published, manifest_key, is_new=False)
        if store.put(manifest_key, manifest_bytes, if_match=etag):
            return Publication(ours, manifest_key, is_new=True)
    raise PublishConflict(f"{manifest_key} was changed by others during {ATTEMPTS} attempts to write it")


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


def _signed_there(store: ObjectStore, keys: PublicKeys, manifest_key: str, identity: str) -> Manifest | None:
    """Return the manifest that this one would replace, if it is signed; its engine may be gone."""
    try:
        return read_manifest(store, keys, manifest_key, identity)
    except ManifestRefused:
        return None


def _current(store: ObjectStore, manifest_key: str) -> tuple[bytes, str] | None:
    """Return what lies where the manifest belongs, and its ETag; None when it is gone or just changed."""
    try:
        return store.get_with_etag(manifest_key, DOCUMENT_BYTES)
    except ObjectMissing:
        return None
    except ObjectTooLarge:
        # None of ours: whoever wrote it must not keep the engine from being published for ever.
        facts = store.head(manifest_key)
        return (b"", facts.etag) if facts is not None and facts.size > DOCUMENT_BYTES else None


def _vouched(
    store: ObjectStore, key: SigningKey, keys: PublicKeys, manifest: Manifest, there: Manifest | None
) -> bytes:
    """
    Make the engine's provenance exist and return the manifest bytes it vouches for.

    What was signed before counts, unless ``there`` has replaced it since: then it would be rolled back to.
    """
    manifest_bytes = manifest.to_bytes()
    envelope = sign(manifest, manifest_bytes, key)
    if store.put_new(manifest.provenance_key, envelope):
        return manifest_bytes
    try:
        signed = signed_manifest_bytes(store.get(manifest.provenance_key, DOCUMENT_BYTES), keys)
        earlier = manifest_from_bytes(signed)
        # Of the same engine too: an older engine's statement could have been copied here.
        is_this = (earlier.identity, earlier.engine) == (manifest.identity, manifest.engine)
        if is_this and (there is None or earlier == there or earlier.built_at > there.built_at):
            return signed
    except (ManifestRefused, ObjectMissing, ObjectTooLarge):
        pass
    # Signed by nobody we believe, or about something else: no manifest that counts relies on it.
    store.put(manifest.provenance_key, envelope)
    return manifest_bytes


def _believed(
    store: ObjectStore, keys: PublicKeys, manifest_key: str, manifest_bytes: bytes, identity: str
) -> Manifest | None:
    try:
        manifest = believe(store, keys, manifest_key, manifest_bytes, identity)
        return manifest if engine_exists(store, manifest) else None
    except ManifestRefused:
        return None
