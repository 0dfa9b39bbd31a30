"""
``python -m zoo [build]``, ``python -m zoo check`` and ``python -m zoo fuzz``.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from random import Random

from zoo.campaign import summary
from zoo.cases import NETWORKS, Case, all_cases
from zoo.graphs import generated
from zoo.mutations import mutated
from zoo.page import PAGE, Expected, expected, fuzz_part, page
from zoo.trial import BUILT, FAILED, Outcome, Trial, outcomes

EVERY_TENTH = 10
SAID_EVERY = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when a model failed in a way that is ours to mend."""
    parser = argparse.ArgumentParser(prog="zoo", description="Models of the onnx package through the builder")
    parser.set_defaults(run=_build)
    commands = parser.add_subparsers()
    commands.add_parser("build", help="build every model, write docs/models.md").set_defaults(run=_build)
    fuzz = commands.add_parser("fuzz", help="build broken and random models, write their part of the page")
    fuzz.add_argument("--count", type=int, default=500, help="of each kind")
    fuzz.add_argument("--seed", type=int, default=7)
    fuzz.add_argument("--inspect-only", action="store_true", help="run the first stage alone")
    fuzz.add_argument("--no-page", action="store_true", help="write nothing")
    fuzz.set_defaults(run=_fuzz)
    check = commands.add_parser("check", help="build a sample, or what is named, and compare with the page")
    check.add_argument("--count", type=int, default=60)
    check.add_argument("--seed", type=int, default=1)
    check.add_argument("names", nargs="*")
    check.set_defaults(run=_check)
    chosen = parser.parse_args(arguments)
    return int(chosen.run(chosen))


def trial_of(case: Case, precision: str = "fp32") -> Trial:
    """Return the trial of one of the package's models."""
    return Trial(case.name, case.content, precision, shapes=case.shapes, values=case.values)


def in_half(cases: Sequence[Case]) -> list[Case]:
    """Return the models that are built in fp16 as well: the networks, and every tenth other."""
    rest = [case for case in cases if case.collection != NETWORKS]
    return [*(case for case in cases if case.collection == NETWORKS), *rest[::EVERY_TENTH]]


def _build(_: argparse.Namespace) -> int:
    cases = all_cases()
    fp32 = _watched([trial_of(case) for case in cases])
    fp16 = _watched([trial_of(case, "fp16") for case in in_half(cases)])
    versions = f"TensorRT-RTX {version('tensorrt-rtx')} and onnx {version('onnx')}"
    before = PAGE.read_text() if PAGE.exists() else ""
    by_name = {outcome.name: outcome for outcome in fp32}
    text = page(versions, cases, by_name, {outcome.name: outcome for outcome in fp16}, fuzz_part(before))
    PAGE.write_text(text)
    assert all(name in by_name for name in expected(text)), "the page names a model that is none"
    return _verdict([*fp32, *fp16])


def _check(chosen: argparse.Namespace) -> int:
    known = {case.name: case for case in all_cases()}
    names = chosen.names or Random(chosen.seed).sample(sorted(known), chosen.count)
    found = _watched([trial_of(known[name]) for name in names])
    told = expected(PAGE.read_text())
    differing = [outcome for outcome in found if told.get(outcome.name, Expected(BUILT)) != _seen(outcome)]
    for outcome in differing:
        said = told.get(outcome.name, Expected(BUILT))
        print(f"differs: {outcome.name}: the page says {said}, it is {_seen(outcome)}: {outcome.message}")
    return 1 if differing else _verdict(found)


def _seen(outcome: Outcome) -> Expected:
    return Expected(outcome.state, outcome.reason)


def _fuzz(chosen: argparse.Namespace) -> int:
    broken, random = (
        _watched([replace(trial, is_only_inspected=chosen.inspect_only) for trial in trials])
        for trials in (
            mutated(all_cases(), chosen.count, chosen.seed),
            generated(chosen.count, chosen.seed),
        )
    )
    if not chosen.no_page and not chosen.inspect_only:
        before = PAGE.read_text()
        part = summary(chosen.count, chosen.seed, broken, random)
        PAGE.write_text(before.replace(fuzz_part(before), part))
    return _verdict([*broken, *random])


def _watched(trials: Sequence[Trial]) -> list[Outcome]:
    found: list[Outcome] = []
    for outcome in outcomes(trials):
        found.append(outcome)
        if len(found) % SAID_EVERY == 0 or len(found) == len(trials):
            print(f"zoo: {len(found)} of {len(trials)}", file=sys.stderr, flush=True)
    return found


def _verdict(found: Iterable[Outcome]) -> int:
    failures = [outcome for outcome in found if outcome.state == FAILED]
    for outcome in failures:
        print(f"failed: {outcome.name}: {outcome.reason}: {outcome.message}")
    return 1 if failures else 0
