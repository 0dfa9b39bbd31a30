"""``python -m realzoo [CASE|PRECISION ...] [PAGE.md]`` and ``python -m realzoo check [CASE ...]``."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from accuracy_checks.request import PRECISIONS
from realzoo import check
from realzoo.catalogue import CASES
from realzoo.outcome import CRASHED, Kept, Outcome
from realzoo.page import page, without_remedy
from realzoo.trial import UnpreparedError, outcome_of

BUILD = Path(__file__).resolve().parents[3] / "build" / "realzoo"
KEPT = BUILD / "outcomes.json"


def main(given: Sequence[str]) -> int:
    """Do what is asked; 1 when something came out that is ours to mend."""
    if given[:1] == ["check"]:
        return check.main(list(given[1:]))
    pages = [word for word in given if word.endswith(".md")]
    words = [word for word in given if word not in pages]
    names = {case.name for case in CASES}
    if unknown := [word for word in words if word not in names and word not in PRECISIONS]:
        print(f"realzoo: {unknown[0]} is no case and no precision", file=sys.stderr)
        return 2
    kept = Kept(KEPT)
    unprepared = _build(kept, words)
    for name in pages:
        Path(name).write_text(page(CASES, _known(kept)), encoding="utf-8")
    return 1 if unprepared or any(_is_ours(item) for item in _known(kept)) else 0


def _build(kept: Kept, words: Sequence[str]) -> bool:
    """Build what ``words`` name, by default all, and is not kept; True where samples could not be had."""
    builds = list(_wanted(words))
    unprepared = set()
    for number, (case, precision) in enumerate(builds, 1):
        if (case, precision) in kept or case in unprepared:
            continue
        try:
            outcome = outcome_of(case, precision, BUILD / case)
        except UnpreparedError as error:
            print(f"realzoo: {error}", flush=True)
            unprepared.add(case)
            continue
        kept.keep(outcome)
        print(f"{number} of {len(builds)}: {line(outcome)}", flush=True)
    return bool(unprepared)


def _known(kept: Kept) -> list[Outcome]:
    """Return the outcomes of cases that there still are."""
    names = {case.name for case in CASES}
    return [item for item in kept.outcomes if item.case in names]


def _wanted(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    names = [case.name for case in CASES if case.name in words] or [case.name for case in CASES]
    kinds = [kind for kind in PRECISIONS if kind in words] or PRECISIONS
    return ((name, kind) for name in names for kind in kinds)


def line(outcome: Outcome) -> str:
    """Return one outcome as a line to watch."""
    said = f"{outcome.case} {outcome.precision} {outcome.seconds:g} s {outcome.verdict}"
    faults = f" WRONG PASS: {'; '.join(outcome.faults)}" if outcome.is_wrong_pass else ""
    why = f" ({outcome.reason}: {outcome.message})" if outcome.message else ""
    return f"{said}{why}{faults}{f' not compared: {outcome.untold}' if outcome.untold else ''}"


def _is_ours(outcome: Outcome) -> bool:
    return outcome.verdict == CRASHED or outcome.is_wrong_pass or without_remedy(outcome)
