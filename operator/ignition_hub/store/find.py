"""
Look an engine up: its manifest, believed only with its signature.

Controller (before it builds) and gateway (before it hands out a URL) both come through here, every time: an
engine is native code, and whoever can write to the bucket could otherwise run it in every serving pod.
"""

from ignition_hub.engine.identity import EngineInputs, identity_of
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.naming import StorePaths
from ignition_hub.engine.sources import parse_s3_uri
from ignition_hub.store.errors import ManifestRefused, ObjectMissing, ObjectTooLarge
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.trust import PublicKeys, claim_in, verify

DOCUMENT_BYTES = 4 * 1024 * 1024
"""The most of a manifest or a provenance that is read before its signature is; real ones have a few KiB."""


def find(store: ObjectStore, keys: PublicKeys, inputs: EngineInputs, identity: str) -> Manifest | None:
    """
    Return the verified manifest of an identity; None when nobody published one, or its engine is gone.

    Raise ManifestRefused when there is one that is not to be believed, NewerRelease when only a later
    release can read it, and the store's errors.
    """
    paths = StorePaths(store.settings.prefix, inputs, identity)
    manifest = read_manifest(store, keys, paths.manifest, identity)
    return manifest if manifest is not None and engine_exists(store, manifest) else None


def engine_exists(store: ObjectStore, manifest: Manifest) -> bool:
    """Tell whether the engine of a manifest is in the store; ManifestRefused when it has another size."""
    engine = manifest.engine
    found = store.head(engine.key)
    if found is not None and found.size != engine.size:
        message = f"the engine {engine.key} has {found.size} bytes; its manifest says {engine.size}"
        raise ManifestRefused(message)
    return found is not None


def read_manifest(store: ObjectStore, keys: PublicKeys, manifest_key: str, identity: str) -> Manifest | None:
    """Return the verified manifest at a key, if it is the one of ``identity``; None when there is none."""
    try:
        manifest_bytes = store.get(manifest_key, DOCUMENT_BYTES)
    except ObjectMissing:
        return None
    except ObjectTooLarge as error:
        raise ManifestRefused(f"{manifest_key}: {error.message}") from error
    return believe(store, keys, manifest_key, manifest_bytes, identity)


def believe(
    store: ObjectStore, keys: PublicKeys, manifest_key: str, manifest_bytes: bytes, identity: str
) -> Manifest:
    """
    Return the manifest in these bytes if its provenance vouches for it and it is in its own place.

    The signature comes first, over the bytes: what is not ours is ManifestRefused, and only of what is ours
    can be told that a later release wrote it (NewerRelease).
    """
    claimed = claim_in(manifest_bytes)
    folder = manifest_key.rpartition("/")[0] + "/"
    if not claimed.provenance_key.startswith(folder) or not claimed.engine_key.startswith(folder):
        raise ManifestRefused(f"{manifest_key} points outside its own folder")
    # The folder shows 16 digits of the identity only, and a signed manifest may have been copied elsewhere.
    if claimed.identity != identity:
        raise _of_another(manifest_key, claimed.identity, identity)
    try:
        envelope = store.get(claimed.provenance_key, DOCUMENT_BYTES)
    except ObjectMissing as error:
        raise ManifestRefused(f"{manifest_key} has no provenance at {claimed.provenance_key}") from error
    manifest = verify(manifest_bytes, envelope, keys)
    if (made_of := identity_of(manifest.inputs)) != identity:
        raise _of_another(manifest_key, made_of, identity)
    return manifest


def _of_another(manifest_key: str, found: str, identity: str) -> ManifestRefused:
    return ManifestRefused(f"{manifest_key} is the manifest of identity {found:.64}, not {identity}")


def manifest_key_of(engine_uri: str) -> str:
    """Return the key of the manifest beside an engine, from the engine's ``s3://`` URI."""
    folder, _, file_name = parse_s3_uri(engine_uri).key.rpartition("/")
    return f"{folder.rpartition('/')[0]}/{file_name}.json"
