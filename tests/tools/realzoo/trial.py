"""
One model in one precision: built, and held against what it was, each in a process of its own.

Whatever happens in one of them, a crash, a traceback, no end, is an outcome.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from realzoo.attempt import BUILT_FILE
from realzoo.outcome import CRASHED, LATE, Outcome
from realzoo.processes import PYTHON, Ended, ended
from realzoo.samples import CASE_FILE
from realzoo.truth import TRUTH_FILE

SECONDS = 240.0
"""As long as a build, or a comparison, may take."""
STEPS = {"samples": "realzoo.samples", "attempt": "realzoo.attempt", "truth": "realzoo.truth"}


class UnpreparedError(Exception):
    """The samples of a case cannot be had: a fault of the catalogue, and no verdict on the builder."""


def outcome_of(case: str, precision: str, folder: Path) -> Outcome:
    """
    Build and compare; ``folder`` is the case's own, in which its samples are written once.

    The logs of a build that crashed stay there.
    """
    known, own = _prepared(case, folder), folder / precision
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    end = _run("attempt", (case, precision, str(own)), own)
    found = _read(own / BUILT_FILE) if not end.words else _dead(end)
    if found.get("compiled"):
        found |= _truth(case, precision, own)
    outcome = Outcome.from_json({"case": case, "precision": precision, **known, **found, "peak": end.peak})
    if outcome.verdict not in (LATE, CRASHED):
        shutil.rmtree(own)
    return outcome


def _prepared(case: str, folder: Path) -> dict[str, Any]:
    if not (folder / CASE_FILE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        end = _run("samples", (case, str(folder)), folder)
        if end.words:
            raise UnpreparedError(f"{case}: {end.words}")
    return _read(folder / CASE_FILE)


def _truth(case: str, precision: str, own: Path) -> dict[str, Any]:
    end = _run("truth", (case, precision, str(own)), own)
    return {"untold": end.words} if end.words else _read(own / TRUTH_FILE)


def _dead(end: Ended) -> dict[str, Any]:
    return {"verdict": LATE if end.is_late else CRASHED, "message": end.words}


def _run(step: str, words: tuple[str, ...], folder: Path) -> Ended:
    return ended([*PYTHON, STEPS[step], *words], folder / f"{step}.log", SECONDS)


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
