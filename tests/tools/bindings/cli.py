"""The command line: ``python -m bindings COMMAND``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bindings.cells import ContradictionError
from bindings.collect import collect
from bindings.errors import BindingsError
from bindings.inventory import FOLDER, Inventory, differences, inventory_text
from bindings.matrix import page, printed
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
    showing = commands.add_parser("matrix", help="print which release takes which option, or write the page")
    showing.add_argument("--check", action="store_true", help="only say whether the page is up to date")
    showing.add_argument("page", nargs="?", type=Path, help="the page of docs/ to write")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    given = parser().parse_args(arguments)
    try:
        if given.command == "matrix":
            return show(given.page, check=given.check)
        releases = releases_named(given.version)
        action = keep if given.command == "collect" else compare
        return max(_told(action, release) for release in releases)
    except (ValueError, BindingsError, ContradictionError) as error:
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


def show(path: Path | None, *, check: bool) -> int:
    """Print the matrix, write its page, or check the page."""
    if path is None:
        print(printed())
        return 0
    if not check:
        path.write_text(page(), encoding="utf-8")
        return 0
    if path.exists() and path.read_text(encoding="utf-8") == page():
        return 0
    print(f"{path} is not what the code generates; run: make generate", file=sys.stderr)
    return 1


def _told(action: Callable[[Release], int], release: Release) -> int:
    try:
        return action(release)
    except BindingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
