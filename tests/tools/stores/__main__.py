"""
What the S3 servers of the tests are asked by hand.

``python -m stores build [NAME…]`` makes the programs that are not there yet. ``python -m stores rounds NAME``
has two gateways publish engines of one identity at the same moment, and says what became of it; it ends with
1 when an engine was lost, overwritten, unusable or not published.
"""

from __future__ import annotations

import argparse
import sys
import time

from stores.kinds import Kind
from stores.rounds import Harm, Report, play
from stores.server import running
from stores.table import BESIDE, SERVERS


def main() -> int:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m stores", description="S3 servers of the tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("build", "rounds"):
        command = commands.add_parser(name)
        command.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SERVERS)}")
    command.add_argument("--rounds", type=int, default=20)
    chosen = parser.parse_args()
    kinds = [SERVERS[name] for name in chosen.names] or list(BESIDE)
    for kind in kinds:
        kind.build()
    if chosen.command == "build":
        return 0
    harmless = [is_harmless(kind, chosen.rounds) for kind in kinds]
    return 0 if all(harmless) else 1


def is_harmless(kind: Kind, rounds: int) -> bool:
    """Play rounds with the same and with other bytes, print what became of them; tell whether all is well."""
    reports = list[Report]()
    with running(kind) as server:
        for same_bytes in (True, False):
            started = time.monotonic()
            reports.append(report := play(server, rounds, same_bytes=same_bytes))
            what = "the same bytes" if same_bytes else "other bytes"
            print(f"{kind.name} {kind.version}, {what}: {line(report)} ({time.monotonic() - started:.0f} s)")
    return not any(report.harm for report in reports)


def line(report: Report) -> str:
    """Return what became of the rounds, in words."""
    if report.refused:
        return f"refused at the probe: {report.refused}"
    counts = ", ".join(f"{report.harm[harm]} {harm}" for harm in Harm)
    said = "".join(f"\n  {words}" for words in sorted(set(report.words)))
    return f"{report.rounds} rounds{' in turns' if report.takes_turns else ''}: {counts}{said}"


if __name__ == "__main__":
    sys.exit(main())
