"""The command line: ``python -m images COMMAND``."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from images.build import Order, build
from images.buildah import Buildah
from images.errors import ImagesError
from images.paths import archive_folder, storage_folder, wheel_folder
from images.recipe import IMAGES, TAG, images_named
from images.records import Record, read_record, short_name
from images.report import step


def parser() -> argparse.ArgumentParser:
    """Every command and its options."""
    root = argparse.ArgumentParser(prog="images", description="Build the container images, no daemon needed.")
    commands = root.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="build the images whose inputs changed")
    building.add_argument("name", nargs="*", help="operator, fetcher, builder-rtx or s3 (default: all)")
    building.add_argument("--base", help="an image with Python 3.13 to build upon, instead of making one")
    commands.add_parser("list", help="print the built images as JSON: name, archive, digest")
    pushing = commands.add_parser("push", help="push the built images to a registry")
    pushing.add_argument("registry", help="for example registry.example.com/ignition-hub")
    pushing.add_argument("--insecure", action="store_true", help="the registry has no TLS")
    commands.add_parser("clean", help="remove archives, wheels and layers")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    given = parser().parse_args(arguments)
    try:
        if given.command == "build":
            show(build(Order(images_named(given.name), given.base)))
        elif given.command == "list":
            show(built())
        elif given.command == "push":
            push(given.registry, insecure=given.insecure)
        else:
            clean()
    except (ImagesError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def built() -> list[Record]:
    """The images that are there."""
    records = (read_record(archive_folder(), image.name) for image in IMAGES)
    return [record for record in records if record is not None]


def show(records: Sequence[Record]) -> None:
    """Print the records as JSON."""
    rows = [{"name": row.name, "archive": row.archive, "digest": row.digest} for row in records]
    print(json.dumps(rows, indent=2))


def push(registry: str, *, insecure: bool) -> None:
    """Push every built image as ``REGISTRY/NAME:TAG``; ImagesError when none is built."""
    records = built()
    if not records:
        raise ImagesError("nothing is built yet", remedy="build first: python -m images build")
    buildah = Buildah.open(storage_folder())
    for record in records:
        destination = f"{registry.rstrip('/')}/{short_name(record.name)}:{TAG}"
        with step(f"pushing {destination}"):
            buildah.load(Path(record.archive), record.name)
            buildah.push(record.name, destination, insecure=insecure)


def clean() -> None:
    """Remove everything that building left in the cache."""
    for folder in (archive_folder(), wheel_folder(), storage_folder()):
        shutil.rmtree(folder, ignore_errors=True)
