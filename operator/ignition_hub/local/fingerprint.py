"""
The fingerprint of a model on disk: of its bytes, and of its external data where it has any.

A model in one file has the fingerprint that a cluster gives the same model when its source is pinned, so both
find each other's engines.
"""

from dataclasses import dataclass
from pathlib import Path

from ignition_hub.engine.canonical import canonical_json, sha256_hex
from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.local.digests import DigestCache
from ignition_hub.local.errors import wrong
from ignition_hub.local.external_data import external_files
from ignition_hub.local.links import data_file

EXTERNAL_FILES = "external_files"


@dataclass(frozen=True, slots=True)
class DataPart:
    """A file of external data: the name the model has for it, what identifies it, and where it really is."""

    name: str
    sha256: str
    size: int
    path: Path


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model on disk as it was named, maybe by a link; ``size`` in bytes includes external data."""

    path: Path
    sha256: str
    size: int
    fingerprint: str
    data: tuple[DataPart, ...] = ()


def model_file(path: Path, digests: DigestCache) -> ModelFile:
    """Return what identifies a model; RequestError when it is not readable or a file of it is missing."""
    try:
        before = path.stat()
        sha256 = digests.sha256(path)
        names = digests.fact(path, EXTERNAL_FILES)
        if names is None:
            names = external_files(path)
            digests.remember(path, before, {EXTERNAL_FILES: list(names)})
    except OSError as error:
        raise wrong("onnx_path", str(path), error.strerror or str(error), "give an ONNX file") from error
    if not names:
        return ModelFile(path, sha256, before.st_size, fingerprint(path.name, sha256=sha256))
    parts = tuple(_part(path, str(name), digests) for name in names)
    # The name of the model's own file is no part of it: renaming a model changes nothing.
    listing = [["", sha256, before.st_size], *([part.name, part.sha256, part.size] for part in parts)]
    bundle = sha256_hex(canonical_json(listing))
    size = before.st_size + sum(part.size for part in parts)
    return ModelFile(path, sha256, size, f"object:{bundle}", parts)


def _part(model: Path, name: str, digests: DigestCache) -> DataPart:
    try:
        path = data_file(model, name)
        return DataPart(name, digests.sha256(path), path.stat().st_size, path)
    except (OSError, ValueError) as error:  # ValueError: a name with a byte that no file's name has
        remedy = "put it beside the model, or save the model with embedded weights"
        raise wrong("onnx_path", str(model), f"its external data {name!r} cannot be read", remedy) from error
