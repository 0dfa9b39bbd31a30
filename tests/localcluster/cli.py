"""The command line: ``python -m localcluster COMMAND``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from localcluster.build import build
from localcluster.errors import LocalClusterError
from localcluster.recipe import SETS


def parser() -> argparse.ArgumentParser:
    """Every command and its options."""
    root = argparse.ArgumentParser(prog="localcluster", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="build what is missing, once; prints the folder")
    building.add_argument("--set", choices=sorted(SETS), default="all")
    building.add_argument("--jobs", type=int, help="packages compiled at once (default: one per core)")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    given = parser().parse_args(arguments)
    try:
        print(build(given.set, jobs=given.jobs))
    except LocalClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
