"""The command line: ``python -m bindings COMMAND``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from bindings.collect import collect
from bindings.errors import BindingsError
from bindings.inventory import FOLDER, Inventory, differences, inventory_text
from bindings.releases import Release, releases_named


def parser() -> argparse.ArgumentParser:
    """Every command and its options."""
    root = argparse.ArgumentParser(prog="bindings", description="The Python bindings of every TensorRT line.")
    commands = root.add_subparsers(dest="command", required=True)
    collecting = commands.add_parser(
        "collect", help="read the bindings of releases and keep their inventories"
    )
    collecting.add_argument("version", nargs="*", help="such as 10.12.0.36 (default: every release kept)")
    checking = commands.add_parser("check", help="read them again and say what differs from what is kept")
    checking.add_argument("version", nargs="*", help="such as 10.12.0.36 (default: every release kept)")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    given = parser().parse_args(arguments)
    try:
        releases = releases_named(given.version)
        action = keep if given.command == "collect" else compare
        return max(_told(action, release) for release in releases)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def keep(release: Release) -> int:
    """Write the inventory of one release."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / release.file_name
    path.write_text(inventory_text(collect(release)), encoding="utf-8")
    print(f"{release.flavor} {release.version}: kept", flush=True)
    return 0


def compare(release: Release) -> int:
    """Say what the bindings of one release have that its inventory has not, and the reverse."""
    kept, found = Inventory.read(release), Inventory(release, collect(release))
    different = differences(kept, found)
    for line in different:
        print(f"{release.flavor} {release.version}: {line}")
    if not different:
        print(f"{release.flavor} {release.version}: as kept", flush=True)
    return 1 if different else 0


def _told(action: Callable[[Release], int], release: Release) -> int:
    try:
        return action(release)
    except BindingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
