"""``docs/real-models.md``: what became of public models, and whether the accuracy check is right."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from importlib.metadata import version

from accuracy_checks.request import PRECISIONS
from realzoo.arithmetic import THE_CHECK
from realzoo.case import Case
from realzoo.exporter import NAMELESS, kind_of
from realzoo.judging import RULES
from realzoo.outcome import CRASHED, ENGINES, HELD_BACK, LATE, NOTHING, PASSED, REFUSED, Outcome
from realzoo.remedies import cell
from realzoo.samples import CALIBRATION, DRAWN, HELD_OUT

MIB = 1024**2
NEAR = 0.5
NEEDS_REMEDY = (REFUSED, HELD_BACK)
NO_EXPORTERS = frozenset({NAMELESS, "realzoo"})
"""Nobody's name, and that of the catalogue, which writes a model whose package has its weights alone."""
_NAMES = (
    (re.compile(r"\b(node|input|output|initializer|tensor|weight) [^\s:,;]+"), r"\1 …"),
    (re.compile(r"(with )?atol [\d.e-]+ would"), r"\1atol … would"),
    (re.compile(r"\b\d[\d,.]*(?:e[+-]?\d+)?\b"), "…"),
)
"""What differs between two remedies of one kind."""

HEAD = """# Real models

{models} models out of {packages} packages on PyPI, pinned and not imported, each built in four precisions for
sm_89 with TensorRT-RTX {rtx} on a CPU, with `verification.accuracy`. Written by `make real` with onnxruntime
{ort} and onnx {onnx}; seconds and memory are of one run on two busy cores.

{counts}
Each build has a process of its own with a deadline of four minutes. The check has one sample, made as the
package makes its inputs, with rtol and atol of 0.001 for fp32, 0.005 for fp16, 0.05 for bf16, and 0.1 for 999
of 1,000 values for int8, which is calibrated with {calibration} other samples by `max`.

## What is held against the accuracy check

{held_out} samples that neither had seen. On them the model as it came, in onnxruntime with its default
settings, is compared with the model that was really compiled, computed in its own types: in onnxruntime
without optimizations and with two Identity nodes behind every value, so that each is rounded to its type;
Q/DQ nodes stay what they are. bf16, which onnxruntime does not compute, and DOUBLE, which TensorRT reads as
FLOAT, are written in fp32 before, with a rounding to bf16 after every node. All this is done without the
check's own emulation{but}. No engine was run.

{rules}
These rules were set before any result was seen.

## Models

| model | what | package | exporter | opset | size |
|---|---|---|---|---|---|
{case_rows}

## Builds

`check` is its verdict; the figures beside it are of the samples held out, where there is a model to compare:
the largest difference of any value, the largest relative RMS of any output, the smallest share of clear
answers that are the same and, of embeddings, the smallest cosine similarity. `nothing to compare` is a model
that was built as it came; a wrong pass is bold. Memory is the largest process of the build. A detector
that orders its boxes by score (isbnx) differs from itself in onnxruntime with and without optimizations:
boxes with scores near 0 change places.

| model | precision | way | engine | check | largest | RMS | answers | cosine | seconds | memory |
|---|---|---|---|---|---|---|---|---|---|---|
{build_rows}

"""


WHY = """## Why there is no engine

Every kind of refusal, what it says would work, and the tests that do what it says: most on small models,
those of `tests/models` on the model itself. Held back are builds that the check did not let pass: the rules
above are wider than its tolerance, so many of them would be no wrong passes, and a tolerance of their
owner's lets them through.
"""

REFUSAL_HEAD = "| reason | what would work | builds | models | applied by |\n|---|---|---|---|---|"


def page(cases: Sequence[Case], outcomes: Sequence[Outcome]) -> str:
    """Return the whole page."""
    found = sorted(outcomes, key=lambda item: (item.case, PRECISIONS.index(item.precision)))
    built = {item.case: item for item in found}
    shown = sorted((case for case in cases if case.name in built), key=lambda case: case.name)
    head = HEAD.format(
        models=len(shown),
        packages=len({case.package.name for case in shown}),
        rtx=version("tensorrt-rtx"),
        ort=version("onnxruntime"),
        onnx=version("onnx"),
        counts=counts(shown, found),
        calibration=DRAWN[CALIBRATION][0],
        held_out=DRAWN[HELD_OUT][0],
        but=_but(found),
        rules=RULES,
        case_rows="\n".join(_case_row(case, built[case.name]) for case in shown),
        build_rows="\n".join(row(item) for item in found),
    )
    return "\n".join([head + _wrong(found) + WHY, *_refusals(found)])


def counts(cases: Sequence[Case], outcomes: Sequence[Outcome]) -> str:
    """Return the table of how many there are of what."""
    written = {item.case: kind_of(item.exporter) for item in outcomes}
    exporters = sorted(set(written.values()) - NO_EXPORTERS)
    compared = [item for item in outcomes if item.outputs]
    table = {
        "models": len(cases),
        "packages": len({case.package.name for case in cases}),
        f"exporters: {', '.join(exporters)}": len(exporters),
        "models that name none": sum(kind == NAMELESS for kind in written.values()),
        "builds": len(outcomes),
        "engines": sum(item.verdict in ENGINES for item in outcomes),
        "of these passed by the accuracy check": _count(outcomes, PASSED),
        "of these with nothing to compare": _count(outcomes, NOTHING),
        "held back by the accuracy check": _count(outcomes, HELD_BACK),
        "of these with nothing that would make a pass a wrong one": sum(
            item.verdict == HELD_BACK and bool(item.outputs) and not item.faults for item in outcomes
        ),
        "refused": _count(outcomes, REFUSED),
        "refused or held back without a remedy": sum(without_remedy(item) for item in outcomes),
        "compared on samples held out": len(compared),
        "**wrong passes**": sum(item.is_wrong_pass for item in outcomes),
        "not done in time": _count(outcomes, LATE),
        "crashes, tracebacks": _count(outcomes, CRASHED),
    }
    return "| | |\n|---|---|\n" + "".join(f"| {what} | {number} |\n" for what, number in table.items())


def without_remedy(outcome: Outcome) -> bool:
    """Whether somebody is told no and not what would work."""
    return outcome.verdict in NEEDS_REMEDY and not outcome.remedy


def row(item: Outcome) -> str:
    """Return the row of one build."""
    size = f"{item.size / MIB:,.1f} MiB" if item.size else ""
    verdict = f"{item.verdict}: {item.reason}" if item.reason else item.verdict
    cells = [
        item.case,
        item.precision,
        item.way,
        size,
        f"**{verdict}**" if item.is_wrong_pass else verdict,
        *_figures(item),
        f"{item.seconds:.1f}",
        f"{item.peak / MIB:,.0f} MiB",
    ]
    return f"| {' | '.join(cells)} |"


def _figures(item: Outcome) -> list[str]:
    if not item.outputs:
        return ["not compared" if item.untold else "", "", "", ""]
    kept = [output.kept for output in item.outputs if output.kept is not None]
    cosines = [output.cosine for output in item.outputs if output.cosine is not None]
    return [
        f"{max(output.largest for output in item.outputs):.2g}",
        f"{max(output.rms for output in item.outputs):.2g}",
        f"{min(kept):.4g}" if kept else "",
        f"{min(cosines):.6f}" if cosines else "",
    ]


def _but(outcomes: Iterable[Outcome]) -> str:
    """Name the builds that could only be computed as the check does."""
    found = [f"{item.case} {item.precision}" for item in outcomes if item.emulation == THE_CHECK]
    return f", but for {', '.join(found)}" if found else ""


def _case_row(case: Case, item: Outcome) -> str:
    package = f"{case.package.name} {case.package.version}"
    cells = (case.name, case.what, package, item.exporter, str(item.opset), f"{item.model / MIB:,.1f} MiB")
    return f"| {' | '.join(map(_cell, cells))} |"


def _wrong(outcomes: Sequence[Outcome]) -> str:
    wrong = [item for item in outcomes if item.is_wrong_pass]
    lines = [f"- {item.case} {item.precision}: {_cell('; '.join(item.faults))}\n" for item in wrong]
    return "## Wrong passes\n\n" + ("".join(lines) or f"None.\n\n{_nearest(outcomes)}\n") + "\n"


def _nearest(outcomes: Iterable[Outcome]) -> str:
    """Name the passes that are nearest to a wrong one."""
    near = {
        f"{item.case} {item.precision} ({nearness:.0%})": nearness
        for item in outcomes
        if item.verdict == PASSED
        and (nearness := max((output.nearness for output in item.outputs), default=0.0)) > NEAR
    }
    named = ", ".join(sorted(near, key=lambda name: -near[name])) or "none"
    return f"Passes that use up more than {NEAR:.0%} of what a rule lets pass, and how much: {named}."


def _refusals(outcomes: Iterable[Outcome]) -> Iterable[str]:
    """Yield a table of the kinds of refusals, and an entry for every one in its own words."""
    kinds: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for item in outcomes:
        if item.verdict in NEEDS_REMEDY:
            kinds[item.reason, kind_of_remedy(item.remedy)].append(item)
    yield REFUSAL_HEAD
    for (reason, remedy), found in sorted(kinds.items()):
        names = ", ".join(sorted({item.case for item in found}))
        words = _cell(remedy) or "**no remedy**"
        yield f"| {reason} | {words} | {len(found)} | {names} | {cell(remedy)} |"
    yield "\n<details><summary>Each in its own words</summary>\n"
    for item in outcomes:
        if item.message:
            yield f"- {item.case} {item.precision}: {item.reason or item.verdict}: {_cell(item.message)}"
    for item in outcomes:
        if item.untold:
            yield f"- {item.case} {item.precision} was not compared: {_cell(item.untold)}"
    yield "\n</details>\n"


def kind_of_remedy(remedy: str) -> str:
    """Return a remedy without the names and numbers of one model."""
    words = " ".join(remedy.split())
    for pattern, better in _NAMES:
        words = pattern.sub(better, words)
    return words


def _count(outcomes: Iterable[Outcome], verdict: str) -> int:
    return sum(item.verdict == verdict for item in outcomes)


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|").replace("<", "&lt;")
