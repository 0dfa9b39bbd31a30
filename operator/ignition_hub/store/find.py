"""
Look an engine up: its manifest, believed only with its signature.

Controller (before it builds) and gateway (before it hands out a URL) both come through here, every time: an
engine is native code, and whoever can write to the bucket could otherwise run it in every serving pod.
"""

from dataclasses import dataclass

from ignition_hub.engine.identity import EngineInputs, identity_of
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.naming import StorePaths
from ignition_hub.engine.sources import parse_s3_uri
from ignition_hub.store.errors import ManifestRefused, ObjectMissing, ObjectTooLarge
from ignition_hub.store.objects import ObjectFacts, ObjectStore
from ignition_hub.store.trust import Claim, PublicKeys, claim_in, verify

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


@dataclass(frozen=True, slots=True)
class Unproven:
    """A manifest as it was read: it claims to be in its own place, and nothing vouches for it yet."""

    key: str
    content: bytes
    claim: Claim


def engine_exists(store: ObjectStore, manifest: Manifest) -> bool:
    """Tell whether the engine of a manifest is in the store; ManifestRefused when it has another size."""
    return is_engine_of(manifest, store.head(manifest.engine.key))


def is_engine_of(manifest: Manifest, found: ObjectFacts | None) -> bool:
    """Tell the same of what a look at the engine's key found."""
    engine = manifest.engine
    if found is not None and found.size != engine.size:
        message = f"the engine {engine.key} has {found.size} bytes; its manifest says {engine.size}"
        raise ManifestRefused(message)
    return found is not None


def read_manifest(store: ObjectStore, keys: PublicKeys, manifest_key: str, identity: str) -> Manifest | None:
    """Return the verified manifest at a key, if it is the one of ``identity``; None when there is none."""
    unproven = read_unproven(store, manifest_key, identity)
    return None if unproven is None else proven(store, keys, unproven)


def read_unproven(store: ObjectStore, manifest_key: str, identity: str) -> Unproven | None:
    """Return the manifest at a key before anything vouches for it; None when there is none."""
    try:
        manifest_bytes = store.get(manifest_key, DOCUMENT_BYTES)
    except ObjectMissing:
        return None
    except ObjectTooLarge as error:
        raise ManifestRefused(f"{manifest_key}: {error.message}") from error
    return _unproven(manifest_key, manifest_bytes, identity)


def believe(
    store: ObjectStore, keys: PublicKeys, manifest_key: str, manifest_bytes: bytes, identity: str
) -> Manifest:
    """Return the manifest in these bytes if it is in its own place and ``proven``."""
    return proven(store, keys, _unproven(manifest_key, manifest_bytes, identity))


def proven(store: ObjectStore, keys: PublicKeys, unproven: Unproven) -> Manifest:
    """
    Return a manifest whose provenance vouches for it.

    The signature comes first, over the bytes: what is not ours is ManifestRefused, and only of what is ours
    can be told that a later release wrote it (NewerRelease).
    """
    key, claim = unproven.key, unproven.claim
    try:
        envelope = store.get(claim.provenance_key, DOCUMENT_BYTES)
    except ObjectMissing as error:
        raise ManifestRefused(f"{key} has no provenance at {claim.provenance_key}") from error
    manifest = verify(unproven.content, envelope, keys)
    if (made_of := identity_of(manifest.inputs)) != claim.identity:
        raise _of_another(key, made_of, claim.identity)
    return manifest


def _unproven(manifest_key: str, manifest_bytes: bytes, identity: str) -> Unproven:
    """Return what the bytes claim; ManifestRefused where they claim to be another's, or point elsewhere."""
    claim = claim_in(manifest_bytes)
    folder = manifest_key.rpartition("/")[0] + "/"
    if not claim.provenance_key.startswith(folder) or not claim.engine_key.startswith(folder):
        raise ManifestRefused(f"{manifest_key} points outside its own folder")
    # The folder shows 16 digits of the identity only, and a signed manifest may have been copied elsewhere.
    if claim.identity != identity:
        raise _of_another(manifest_key, claim.identity, identity)
    return Unproven(manifest_key, manifest_bytes, claim)


def _of_another(manifest_key: str, found: str, identity: str) -> ManifestRefused:
    return ManifestRefused(f"{manifest_key} is the manifest of identity {found:.64}, not {identity}")


def manifest_key_of(engine_uri: str) -> str:
    """Return the key of the manifest beside an engine, from the engine's ``s3://`` URI."""
    folder, _, file_name = parse_s3_uri(engine_uri).key.rpartition("/")
    return f"{folder.rpartition('/')[0]}/{file_name}.json"
