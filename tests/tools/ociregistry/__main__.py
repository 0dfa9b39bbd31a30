"""``python -m ociregistry build``: build the registry, if it is not there, and print where it is."""

from __future__ import annotations

import argparse
import sys

from ociregistry.paths import SOURCES, program
from promtool.building import compiled


def main() -> int:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(prog="python -m ociregistry", description=__doc__)
    parser.add_argument("command", choices=["build"])
    parser.parse_args()
    print(compiled(".", SOURCES, program()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
