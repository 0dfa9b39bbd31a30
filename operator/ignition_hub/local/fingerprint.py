"""
The fingerprint of a model on disk: of its bytes, and of its external data where it has any.

A model in one file has the fingerprint that a cluster gives the same model when its source is pinned, so both
find each other's engines.
"""

from dataclasses import dataclass
from pathlib import Path

from ignition_hub.engine.canonical import canonical_json, sha256_hex
from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.local.digests import Digests
from ignition_hub.local.errors import wrong
from ignition_hub.local.external import external_files

EXTERNAL_FILES = "external_files"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model on disk; ``size`` in bytes includes external data, ``data`` has its name, SHA-256 and size."""

    path: Path
    sha256: str
    size: int
    fingerprint: str
    data: tuple[tuple[str, str, int], ...] = ()


def model_file(path: Path, digests: Digests) -> ModelFile:
    """Return what identifies a model; RequestError when it is not readable or a file of it is missing."""
    try:
        before = path.stat()
        sha256 = digests.sha256(path)
        names = digests.fact(path, EXTERNAL_FILES)
        if names is None:
            names = external_files(path)
            digests.remember(path, before, {EXTERNAL_FILES: list(names)})
    except OSError as error:
        raise wrong("onnx_path", str(path), error.strerror or str(error), "name an ONNX file") from error
    if not names:
        return ModelFile(path, sha256, before.st_size, fingerprint(path.name, sha256=sha256))
    parts = tuple(_part(path, str(name), digests) for name in names)
    # The name of the model's own file is no part of it: renaming a model changes nothing.
    bundle = sha256_hex(canonical_json([["", sha256, before.st_size], *parts]))
    size = before.st_size + sum(size for _, _, size in parts)
    return ModelFile(path, sha256, size, f"object:{bundle}", parts)


def _part(model: Path, name: str, digests: Digests) -> tuple[str, str, int]:
    path = model.parent / name
    try:
        return name, digests.sha256(path), path.stat().st_size
    except (OSError, ValueError) as error:  # ValueError: a name with a byte that no file's name has
        remedy = "put it beside the model, or save the model with its weights inside"
        raise wrong("onnx_path", str(model), f"its external data {name!r} cannot be read", remedy) from error
