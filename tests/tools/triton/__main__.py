"""``python -m triton build``: fetch Triton's server and schema, if they are not there, and print where."""

from __future__ import annotations

import argparse
import sys

from triton.building import build


def main() -> int:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(prog="python -m triton", description=__doc__)
    parser.add_argument("command", choices=["build"])
    parser.parse_args()
    print(build())
    return 0


if __name__ == "__main__":
    sys.exit(main())
