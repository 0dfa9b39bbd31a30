"""The table of what was seen of servers: printed, and kept in ``docs/stores.md`` a row for each server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stores.asking import Finding
from stores.rounds import Harm, Report

Json = dict[str, Any]

COLUMNS = ("server", "release", "the hub", "what it does not do", "two gateways at once")


def row(finding: Finding) -> tuple[str, ...]:
    """Return the cells of one server."""
    kind, broken = finding.kind, "; ".join(finding.broken)
    return f"`{kind.name}`", kind.version, finding.verdict, broken or "-", finding.played or "-"


def kept(page: Path, found: Sequence[Finding]) -> None:
    """Replace the rows of the servers that were asked; the page has one for each server."""
    text = page.read_text()
    for finding in found:
        cells = row(finding)
        line = f"| {' | '.join(cells)} |".replace("\\", r"\\")
        text = re.sub(rf"(?m)^\| {cells[0]} \|.*$", line, text)
    page.write_text(text)


def document(finding: Finding) -> Json:
    """Return what was found for programs."""
    habits = finding.habits.all if finding.habits else ()
    return {
        "server": finding.kind.name,
        "version": finding.kind.version,
        "verdict": finding.verdict,
        "asked": [{"asked": str(one.relied), "holds": one.holds, "seen": one.seen} for one in habits],
        "rounds": [_played(report) for report in finding.reports],
    }


def _played(report: Report) -> Json:
    return {
        "takesTurns": report.takes_turns,
        "rounds": report.rounds,
        "harm": {str(what): report.harm[what] for what in Harm},
        "words": report.words,
    }
