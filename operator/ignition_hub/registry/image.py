"""
An engine as an image: what its bytes are. Pure.

One uncompressed layer, which is a tar of plain files, under an ordinary image configuration: containerd
mounts such an image, and shows an empty folder for an artifact whose layer is the bare file. Nothing in it
depends on who made it or when, so an engine and its documents have one digest, whichever gateway pushes.
"""

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.names import ENGINE_FILE

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"

MANIFEST_FILE = "manifest.json"
"""Beside the engine in the image: the manifest, as it was signed."""
PROVENANCE_FILE = "provenance.intoto.json"
"""The signed provenance, which vouches for it."""

BLOCK = 512
"""Bytes: what a tar is made of."""
READABLE = 0o644
"""A pod's user is none that the image could know; an owner of 0600 would be the only one who can read."""

ARCHITECTURES = {"linux-aarch64": "arm64", "linux-x86_64": "amd64"}
"""Of an engine's platform; those of Jetson (``jetpack-6.2``) are ``arm64`` too."""


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A file of the layer: ``size`` bytes, which ``chunks`` yields once."""

    name: str
    size: int
    chunks: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Blob:
    """A whole small object of a registry, and its name there."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """The digest, as registries write it."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, str | int]:
        """How a manifest names it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


def layer_files(manifest: Manifest, provenance: bytes, engine: Iterable[bytes]) -> tuple[LayerFile, ...]:
    """Return what lies in the layer; ``engine`` yields the bytes of the engine."""
    document = manifest.to_bytes()
    return (
        LayerFile(ENGINE_FILE, manifest.engine.size, engine),
        LayerFile(MANIFEST_FILE, len(document), (document,)),
        LayerFile(PROVENANCE_FILE, len(provenance), (provenance,)),
    )


def layer_size(files: Iterable[LayerFile]) -> int:
    """Return how many bytes the layer has."""
    return sum(BLOCK + file.size + padding(file.size) for file in files) + 2 * BLOCK


def layer(files: Iterable[LayerFile]) -> Iterator[bytes]:
    """Yield the layer; nothing is held but one chunk."""
    for file in files:
        yield header(file)
        yield from file.chunks
        yield bytes(padding(file.size))
    yield bytes(2 * BLOCK)


def header(file: LayerFile) -> bytes:
    """Return the one block before a file: of root, of no time, readable for everybody."""
    described = tarfile.TarInfo(file.name)
    described.size, described.mode = file.size, READABLE
    # GNU's form writes a size of 8 GiB and more into the same block.
    return described.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> int:
    """Return how many bytes fill the last block of a file."""
    return -size % BLOCK


def configuration(manifest: Manifest, layer_digest: str) -> Blob:
    """Return the image's configuration; the digest of an uncompressed layer is its diff_id too."""
    document = {
        "architecture": ARCHITECTURES.get(manifest.inputs.platform, "arm64"),
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
    }
    return Blob(CONFIG_TYPE, canonical_json(document))


def image_manifest(manifest: Manifest, config: Blob, layer_digest: str, size: int) -> Blob:
    """Return the image's manifest, for a layer of ``size`` bytes."""
    file_name = manifest.engine.key.rpartition("/")[2]
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor,
        "layers": [{"mediaType": LAYER_TYPE, "digest": layer_digest, "size": size}],
        "annotations": {"org.opencontainers.image.title": file_name},
    }
    return Blob(MANIFEST_TYPE, canonical_json(document))


def tag_of(manifest: Manifest) -> str:
    """Return the image's tag: 16 digits of the engine, and 16 of the manifest that makes it count."""
    of_manifest = hashlib.sha256(manifest.to_bytes()).hexdigest()
    return f"{manifest.engine.sha256[:16]}-{of_manifest[:16]}"
