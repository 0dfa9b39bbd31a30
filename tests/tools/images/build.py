"""
Build the images whose inputs changed, in the order of the recipe.

An archive is written under a temporary name and renamed; its record follows. An image whose record
carries the key of today's inputs is left alone: with nothing to do, this takes well under a second.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from images.base import base_key, ensure_base
from images.buildah import Buildah
from images.errors import ImagesError
from images.inputs import key_of
from images.paths import ROOT, archive_folder, cache_folder, storage_folder, wheel_folder
from images.recipe import Image
from images.records import Record, digest_of_archive, read_record
from images.report import say
from images.wheels import ensure_wheels
from localcluster.paths import bin_folder


@dataclass(frozen=True, slots=True)
class Order:
    """What to build, and upon what: ``base`` is a registry reference, or None for the one made here."""

    images: tuple[Image, ...]
    base: str | None = None

    @property
    def base_name(self) -> str:
        """What stands for the base in an image's key."""
        return self.base or base_key()


def build(order: Order) -> list[Record]:
    """
    Build what changed; return the records of all images ordered.

    Raises:
        ImagesError: a program is missing or an image does not build.
    """
    _require_programs(order.images)
    archive_folder().mkdir(parents=True, exist_ok=True)
    with _only_one_build():
        return [_build_or_keep(order, image, number) for number, image in enumerate(order.images, start=1)]


def _build_or_keep(order: Order, image: Image, number: int) -> Record:
    label = f"[{number}/{len(order.images)}] {image.name}"
    key = key_of(image, ROOT, base=order.base_name, programs=bin_folder())
    record = read_record(archive_folder(), image.name)
    if record is not None and record.key == key:
        say(f"{label}: up to date")
        return record
    started = time.monotonic()
    say(f"{label}: building …")
    record = _build(order, image, key)
    size = Path(record.archive).stat().st_size / 1e6
    say(f"{label}: built, {size:.0f} MB, {time.monotonic() - started:.0f} s")
    return record


def _build(order: Order, image: Image, key: str) -> Record:
    buildah = Buildah.open(storage_folder())
    buildah.tidy()
    arguments, mounts = _offline_inputs(image)
    if image.needs_base:
        arguments["BASE"] = order.base or ensure_base(buildah, order.base_name)
    with _context_of(image) as context:
        buildah.build(
            image.reference,
            ROOT / image.dockerfile,
            context,
            target=image.target,
            arguments=arguments,
            mounts=mounts,
        )
    return _archive(buildah, image, key)


def _offline_inputs(image: Image) -> tuple[dict[str, str], dict[Path, str]]:
    """Build arguments and mounts that make pip install from downloaded wheels alone."""
    if image.pins is None:
        return {}, {}
    wheelhouse = ensure_wheels(ROOT / image.pins, wheel_folder())
    return {"PIP_NO_INDEX": "1", "REQUIREMENTS": "/wheels/requirements.txt"}, {wheelhouse: "/wheels"}


@contextmanager
def _context_of(image: Image) -> Iterator[Path]:
    """The checkout, or for an image of programs a folder with just those."""
    if not image.programs:
        yield ROOT
        return
    with tempfile.TemporaryDirectory(prefix="ignition-context-") as folder:
        for program in image.programs:
            shutil.copy2(bin_folder() / program, Path(folder) / program)
        yield Path(folder)


def _archive(buildah: Buildah, image: Image, key: str) -> Record:
    archive = archive_folder() / f"{image.name}-{key}.tar"
    unfinished = archive.with_suffix(f".{os.getpid()}.part")
    unfinished.unlink(missing_ok=True)  # buildah adds to an archive that exists
    try:
        buildah.save(image.reference, unfinished)
        unfinished.replace(archive)
    finally:
        unfinished.unlink(missing_ok=True)
    record = Record(image.reference, str(archive), digest_of_archive(archive), key)
    record.write(archive_folder())
    for old in archive_folder().glob(f"{image.name}-{'[0-9a-f]' * len(key)}.tar"):
        if old != archive:
            old.unlink()
    return record


def _require_programs(images: tuple[Image, ...]) -> None:
    missing = [name for image in images for name in image.programs if not (bin_folder() / name).exists()]
    if missing:
        raise ImagesError(
            f"{', '.join(missing)} is not built yet",
            remedy="build it: PYTHONPATH=tests/tools python3 -m localcluster build --set all",
        )


@contextmanager
def _only_one_build() -> Iterator[None]:
    with (cache_folder() / "images.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build of images is at work; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
