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
from images.paths import ROOT, archive_folder, storage_folder, wheel_folder
from images.recipe import IMAGES, TAG, Image, images_named
from images.records import Record, read_record, short_name
from images.report import step
from images.tags import laid_out, read_tags, with_table, without_image


def parser() -> argparse.ArgumentParser:
    """Every command and its options."""
    root = argparse.ArgumentParser(prog="images", description="Build the container images, no daemon needed.")
    commands = root.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="build the images whose inputs changed")
    building.add_argument(
        "name", nargs="*", help="operator, fetcher, builder-rtx, s3, builder (default: all but builder)"
    )
    building.add_argument("--base", help="an image with Python 3.13 to build upon, instead of making one")
    commands.add_parser("list", help="print the built images as JSON: name, archive, digest")
    pushing = commands.add_parser("push", help="push the built images to a registry")
    pushing.add_argument("registry", help="for example registry.example.com/ignition-hub")
    pushing.add_argument("--insecure", action="store_true", help="the registry has no TLS")
    tabling = commands.add_parser("tags", help="lay out builder-image/tags.toml in the README beside it")
    tabling.add_argument("--check", action="store_true", help="only say whether the README is up to date")
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
        elif given.command == "tags":
            lay_out_tags(ROOT / "builder-image", check=given.check)
        else:
            clean()
    except (ImagesError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def built(images: Sequence[Image] = IMAGES) -> list[Record]:
    """Those of ``images`` that are there."""
    records = (read_record(archive_folder(), image.name) for image in images)
    return [record for record in records if record is not None]


def show(records: Sequence[Record]) -> None:
    """Print the records as JSON."""
    rows = [{"name": row.name, "archive": row.archive, "digest": row.digest} for row in records]
    print(json.dumps(rows, indent=2))


def push(registry: str, *, insecure: bool) -> None:
    """Push every built image as ``REGISTRY/NAME:TAG``; ImagesError when none is built."""
    records = built(images_named([]))
    if not records:
        raise ImagesError("nothing is built yet", remedy="build first: python -m images build")
    buildah = Buildah.open(storage_folder())
    for record in records:
        destination = f"{registry.rstrip('/')}/{short_name(record.name)}:{TAG}"
        with step(f"pushing {destination}"):
            buildah.load(Path(record.archive), record.name)
            buildah.push(record.name, destination, insecure=insecure)


def lay_out_tags(folder: Path, *, check: bool = False) -> None:
    """Write the table of NVIDIA's images into the README; ImagesError when ``check`` finds another there."""
    page, table = folder / "README.md", folder / "tags.toml"
    before = page.read_text(encoding="utf-8")
    after = with_table(before, laid_out(read_tags(table), without_image(table)))
    if check and before != after:
        raise ImagesError(f"{page.name} is not what tags.toml says", remedy="run: make generate")
    if before != after:
        page.write_text(after, encoding="utf-8")


def clean() -> None:
    """Remove everything that building left in the cache."""
    for folder in (archive_folder(), wheel_folder(), storage_folder()):
        shutil.rmtree(folder, ignore_errors=True)
