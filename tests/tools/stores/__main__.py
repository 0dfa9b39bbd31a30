"""
What the S3 servers of the tests are asked by hand.

``python -m stores build [NAME…]`` makes the programs that are not there yet. ``python -m stores ask [NAME…]``
probes each server, has two gateways publish engines of one identity at the same moment, and prints what was
found; it ends with 1 when an engine was lost, overwritten, unusable or not published, or when the probe found
what the modules of the servers do not say.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from stores.asking import Finding, findings
from stores.kinds import Kind
from stores.seen import COLUMNS, document, kept, row
from stores.table import BESIDE, SERVERS


def main() -> int:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m stores", description="S3 servers of the tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("build", "ask"):
        command = commands.add_parser(name)
        command.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SERVERS)}")
    command.add_argument("--rounds", type=int, default=20)
    command.add_argument("-o", dest="output", choices=["text", "json"], default="text")
    command.add_argument("--page", type=Path, help="a page whose rows of these servers are replaced")
    chosen = parser.parse_args()
    kinds = [SERVERS[name] for name in chosen.names]
    if chosen.command == "build":
        return build(kinds or BESIDE)
    found = list(asked(kinds or list(SERVERS.values()), chosen.rounds, is_text=chosen.output == "text"))
    if chosen.output == "json":
        print(json.dumps([document(finding) for finding in found], indent=2))
    if chosen.page:
        kept(chosen.page, [finding for finding in found if not finding.not_had])
    return int(any(finding.is_harmed or not finding.is_expected for finding in found))


def build(kinds: Sequence[Kind]) -> int:
    """Make what is not there yet."""
    for kind in kinds:
        kind.build()
    return 0


def asked(kinds: Sequence[Kind], rounds: int, *, is_text: bool) -> Iterator[Finding]:
    """Ask each server, and print what was found as soon as it was."""
    if is_text:
        print(*COLUMNS, sep=" | ")
    for finding in findings(kinds, rounds):
        if is_text:
            print(*row(finding), sep=" | ", flush=True)
        yield finding


if __name__ == "__main__":
    sys.exit(main())
