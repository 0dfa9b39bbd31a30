"""
The artifacts store as one machine sees it: look an engine up, download it, check it.
``upload`` is the other way.

There are two trees. ``engines/`` is the hub's: it is read with keys where keys are configured, and written
only with a signature. ``unsigned/engines/`` is what machines without a key leave for each other; it is read
only where no keys are configured, for then the bucket is trusted as it is (ADR 0008).
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.identity import EngineInputs, identity_of
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.naming import StorePaths, Tree
from ignition_hub.local.cache import Finished
from ignition_hub.local.errors import CacheUnusable, StoreDeclined
from ignition_hub.local.keyring import Keyring, keyring_of
from ignition_hub.local.settings import ArtifactsSettings
from ignition_hub.store.errors import ManifestRefused, ObjectMissing
from ignition_hub.store.find import DOCUMENT_BYTES, believe
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.settings import StoreSettings
from ignition_hub.store.trust import manifest_from_bytes

LOOKUP_SECONDS = 3.0
"""How long a store may be silent when it is asked first; a dead one must not hold up a build."""

PIECE = 16 * 1024 * 1024
ATTEMPTS = 3
DOWNLOADING = "Downloading engine"


@dataclass(frozen=True, slots=True)
class StoredEngine:
    """An engine of the store: its manifest, believed as far as this machine asks, and the bytes of both."""

    manifest: Manifest
    manifest_bytes: bytes
    provenance: bytes | None


class Artifacts:
    """One bucket and prefix; every failure leaves as StoreDeclined, in words of this machine's settings."""

    def __init__(self, settings: ArtifactsSettings) -> None:
        self.settings = settings
        self.keyring: Keyring = keyring_of(settings)
        try:
            self._asked = ObjectStore(store_settings(settings), read_seconds=LOOKUP_SECONDS)
        except IgnitionError as error:
            raise declined(settings, error) from error

    def close(self) -> None:
        """Close every connection."""
        self._asked.close()

    def find(self, inputs: EngineInputs, identity: str) -> StoredEngine | None:
        """Return the store's engine of an identity; None when there is none. Raises StoreDeclined."""
        try:
            if self.keyring.believed:
                return self._verified(inputs, identity)
            return self._claimed("", inputs, identity) or self._claimed(Tree.UNSIGNED, inputs, identity)
        except IgnitionError as error:
            raise declined(self.settings, error) from error

    def download(self, found: StoredEngine, folder: Path, watch: Callable[[str, float], None]) -> Finished:
        """Fetch an engine into ``folder`` and check it; StoreDeclined, or CacheUnusable for the disk."""
        engine, path, digest = found.manifest.engine, folder / "engine.trt", hashlib.sha256()
        store = ObjectStore(store_settings(self.settings))
        try:
            with path.open("wb") as file:
                for piece in _pieces(store, engine.key, engine.size):
                    file.write(piece)
                    digest.update(piece)
                    watch(DOWNLOADING, file.tell() / max(engine.size, 1))
        except IgnitionError as error:
            raise declined(self.settings, error) from error
        except OSError as error:
            raise CacheUnusable(f"{folder.parent} cannot be written ({error.strerror or error})") from error
        finally:
            store.close()
        if (digest.hexdigest(), path.stat().st_size) != (engine.sha256, engine.size):
            message = f"{self.settings.uri}: {engine.key} is not the engine that its manifest names"
            raise StoreDeclined(Reason.DigestMismatch, message, "it is not used")
        return Finished(
            path, found.manifest_bytes, provenance=found.provenance, vouched=found.provenance is not None
        )

    def _verified(self, inputs: EngineInputs, identity: str) -> StoredEngine | None:
        paths = StorePaths(self.settings.prefix, inputs, identity)
        try:
            manifest_bytes = self._asked.get(paths.manifest, DOCUMENT_BYTES)
        except ObjectMissing:
            return None
        manifest = believe(self._asked, self.keyring.believed, paths.manifest, manifest_bytes, identity)
        return StoredEngine(
            manifest, manifest_bytes, self._asked.get(manifest.provenance_key, DOCUMENT_BYTES)
        )

    def _claimed(self, tree: str, inputs: EngineInputs, identity: str) -> StoredEngine | None:
        """Return what a manifest says, unverified; it must speak of this identity and its own folder."""
        paths = StorePaths(joined(self.settings.prefix, tree), inputs, identity)
        try:
            manifest_bytes = self._asked.get(paths.manifest, DOCUMENT_BYTES)
        except ObjectMissing:
            return None
        manifest = manifest_from_bytes(manifest_bytes)
        if manifest.identity != identity or identity_of(manifest.inputs) != identity:
            raise ManifestRefused(f"{paths.manifest} is the manifest of another identity")
        if manifest.engine.key != paths.engine(manifest.engine.sha256):
            raise ManifestRefused(f"{paths.manifest} points outside its own folder")
        return StoredEngine(manifest, manifest_bytes, None)


def store_settings(settings: ArtifactsSettings, tree: str = "") -> StoreSettings:
    """Return the bucket for ``store``; ``tree`` is a folder below the prefix."""
    return StoreSettings(
        endpoint=settings.endpoint,
        region=settings.region,
        bucket=settings.bucket,
        prefix=joined(settings.prefix, tree),
        access_key=settings.access_key,
        secret_key=settings.secret_key,
        session_token=settings.session_token,
    )


def joined(prefix: str, tree: str) -> str:
    """Return ``tree`` below ``prefix``; either may be empty."""
    return "/".join(part for part in (prefix, tree) if part)


def declined(settings: ArtifactsSettings, error: IgnitionError) -> StoreDeclined:
    """Return the store's error in words of this machine: a cluster's remedies do not help here."""
    if isinstance(error, StoreDeclined):
        return error
    remedies = {
        Reason.StoreMisconfigured: "check ARTIFACTS_ENDPOINT, ARTIFACTS_ACCESS_KEY and ARTIFACTS_SECRET_KEY",
        Reason.ManifestRefused: "the engine is not used; find out who wrote it",
        Reason.NewerRelease: "a later release wrote it; upgrade ignition-hub here",
    }
    return StoreDeclined(error.reason, f"{settings.uri}: {error.message}", remedies.get(error.reason, ""))


def _pieces(store: ObjectStore, key: str, size: int) -> Iterator[bytes]:
    start = 0
    while start < size:
        piece = _piece(store, key, start, min(PIECE, size - start))
        if not piece:
            return
        start += len(piece)
        yield piece


def _piece(store: ObjectStore, key: str, start: int, length: int) -> bytes:
    for _ in range(ATTEMPTS - 1):
        try:
            return store.read_range(key, start, length)
        except IgnitionError as error:
            if error.reason is not Reason.StoreUnavailable:
                raise
    return store.read_range(key, start, length)
