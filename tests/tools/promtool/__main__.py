"""``python -m promtool build``: build promtool, if it is not there, and print where it is."""

from __future__ import annotations

import argparse
import sys

from promtool.building import build


def main() -> int:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(prog="python -m promtool", description=__doc__)
    parser.add_argument("command", choices=["build"])
    parser.parse_args()
    print(build())
    return 0


if __name__ == "__main__":
    sys.exit(main())
