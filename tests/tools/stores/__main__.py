"""``python -m stores build``: make the programs of S3 servers that are not there yet."""

from __future__ import annotations

import argparse
import sys

from stores.table import BESIDE, SERVERS


def main() -> int:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(prog="python -m stores", description=__doc__)
    parser.add_argument("command", choices=["build"])
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(SERVERS)}; by default those of make test-stores",
    )
    chosen = parser.parse_args()
    for name in chosen.names or [kind.name for kind in BESIDE]:
        SERVERS[name].build()
        print(f"{name} {SERVERS[name].version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
