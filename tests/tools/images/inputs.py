"""
The content address of an image: what it is made from, so that nothing is built twice.

Two checkouts with the same files, pins and base have the same key, whatever their timestamps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from images.recipe import Image

_NOISE = {"__pycache__", ".mypy_cache", ".ruff_cache"}


def key_of(image: Image, root: Path, *, base: str, programs: Path) -> str:
    """
    Sixteen hex digits over everything that goes into ``image``.

    Args:
        root: the checkout.
        base: what the base image is, as a key of its own or a registry reference.
        programs: the folder that holds ``image.programs``.
    """
    digest = hashlib.sha256(repr(image).encode())
    if image.needs_base:
        digest.update(base.encode())
    for path in _files(image, root):
        _add(digest, path.relative_to(root).as_posix(), path)
    for program in image.programs:
        _add(digest, program, programs / program)
    return digest.hexdigest()[:16]


def _files(image: Image, root: Path) -> Iterator[Path]:
    yield root / image.dockerfile
    yield root / ".dockerignore"
    if image.pins:
        yield root / image.pins
    for source in image.sources:
        yield from _tree(root / source)


def _tree(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for found in sorted(path.rglob("*")):
        if found.is_file() and not _NOISE.intersection(found.parts):
            yield found


def _add(digest: hashlib._Hash, name: str, path: Path) -> None:
    executable = bool(path.stat().st_mode & 0o100)
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    digest.update(f"{name}\0{executable}\0{content}\0".encode())
