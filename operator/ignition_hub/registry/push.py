"""
Put an engine into a registry, so that the registry holds the whole image or no tag.

Level-triggered: ask by the tag first, which is of this engine and this manifest alone; upload what is
missing; tag last. A push that ended anywhere is begun again, and two at once push the same bytes.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ignition_hub.engine.manifest import EngineFile, Manifest
from ignition_hub.registry.client import Registry
from ignition_hub.registry.errors import RegistryRefused
from ignition_hub.registry.image import (
    configuration,
    image_manifest,
    layer,
    layer_files,
    layer_size,
    tag_of,
)


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image that is in the registry: its ``reference`` by digest, and whether it is ``new`` there."""

    reference: str
    new: bool


def find_pushed(registry: Registry, name: str, manifest: Manifest) -> Pushed | None:
    """Return the image of an engine where the registry has it."""
    digest = registry.digest_of(name, tag_of(manifest))
    return Pushed(registry.settings.reference(name, digest), new=False) if digest else None


def push(
    registry: Registry, name: str, manifest: Manifest, provenance: bytes, engine: Iterable[bytes]
) -> Pushed:
    """
    Have the image of an engine in the repository ``name``; ``engine`` is read once, if at all.

    Raise RegistryRefused and RegistryUnavailable, and what reading the engine raises.
    """
    if (there := find_pushed(registry, name, manifest)) is not None:
        return there
    files = layer_files(manifest, provenance, verified(engine, manifest.engine))
    size = layer_size(files)
    digest = registry.upload(name, layer(files), size)
    config = configuration(manifest, digest)
    registry.put_blob(name, config)
    described = image_manifest(manifest, config, digest, size)
    registry.put_manifest(name, tag_of(manifest), described)
    return Pushed(registry.settings.reference(name, described.digest), new=True)


def verified(chunks: Iterable[bytes], engine: EngineFile) -> Iterator[bytes]:
    """Yield the bytes of an engine, but the last of them only if all are those that its manifest names."""
    digest, held = hashlib.sha256(), b""
    for chunk in chunks:
        digest.update(chunk)
        if held:
            yield held
        held = chunk
    if digest.hexdigest() != engine.sha256:
        raise RegistryRefused(
            f"{engine.key} has SHA-256 {digest.hexdigest()}, and its manifest says {engine.sha256}",
            "nothing was tagged; request a rebuild",
        )
    yield held
