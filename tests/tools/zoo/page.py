"""
``docs/models.md``: what became of every model, for people; and the same page read back, for tests.

Seconds and sizes are of one run on one machine and change with it; who was built and who was refused, for
which reason, does not.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.cases import NETWORKS, Case
from zoo.trial import BUILT, FAILED, REFUSED, Outcome

PAGE = Path(__file__).resolve().parents[3] / "docs" / "models.md"
FUZZ_START, FUZZ_END = "<!-- fuzz: python -m zoo fuzz -->", "<!-- end of fuzz -->"
LONGEST_WORDS = 150

_DETAIL = re.compile(r"<details><summary>(?P<what>.*?)</summary>\n\n(?P<names>.*?)\n\n</details>", re.DOTALL)
_NOISE = (
    (re.compile(r"^TensorRT-RTX [\d.]+ cannot express (node \S+( \(\w+\))?|the model): "), ""),
    (re.compile(r"^TensorRT-RTX [\d.]+ cannot build \w+ for sm_\d+: "), ""),
    (re.compile(r"^(input|output|node|tensor) \S+( \(\w+\))?:? "), r"\1 … "),
    (re.compile(r"^profiles\[0\]\.(\w+)\.[\w.]+"), r"profiles[0].\1.…"),
    (re.compile(r"^profiles\[0\]\.shapes: no entry for \w+"), "profiles[0].shapes: no entry for …"),
    (re.compile(r"node_of_\w+"), "node …"),
    (re.compile(r"Assertion failed: "), ""),
    (re.compile(r"”: .*$|”$"), "”"),
)
_TYPES = re.compile(r"holds \w+, a type TensorRT does not have.*$")


@dataclass(frozen=True)
class Expected:
    """What the page says of one model: its state, and the reason when it is refused."""

    state: str
    reason: str = ""


def page(
    versions: str,
    cases: Sequence[Case],
    fp32: Mapping[str, Outcome],
    fp16: Mapping[str, Outcome],
    fuzz: str,
) -> str:
    """Return the whole page; ``versions`` says what it was made with, ``fuzz`` is its last part."""
    single = [case for case in cases if case.collection != NETWORKS]
    parts = [
        _head(versions, cases, fp32, fp16),
        _networks([case for case in cases if case.collection == NETWORKS], fp32, fp16),
        _operators(single, fp32),
        _refusals([fp32[case.name] for case in single]),
        _remedies([fp32[case.name] for case in single]),
        fuzz,
    ]
    return "\n".join(parts)


def expected(text: str) -> dict[str, Expected]:
    """Read what a page says of the models it names; those it does not name were built as they are."""
    found: dict[str, Expected] = {}
    for detail in _DETAIL.finditer(text):
        reason = detail["what"].partition(":")[0]
        entry = Expected(BUILT) if detail["what"].startswith("Built with") else Expected(REFUSED, reason)
        for name in detail["names"].replace("\n", " ").split(", "):
            found[name.strip(" `")] = entry
    return found


def fuzz_part(text: str) -> str:
    """Return the part of a page that ``python -m zoo fuzz`` writes."""
    start, end = text.find(FUZZ_START), text.find(FUZZ_END)
    return text[start : end + len(FUZZ_END)] + "\n" if start >= 0 else f"{FUZZ_START}\n{FUZZ_END}\n"


def words_of(outcome: Outcome) -> str:
    """Return a refusal without the names of one model, so that equal ones are counted together."""
    text = _TYPES.sub("holds a type TensorRT does not have", " ".join(outcome.message.split()))
    for pattern, better in _NOISE:
        text = pattern.sub(better, text)
    text = text.replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= LONGEST_WORDS else text[: LONGEST_WORDS - 1] + "…"


def _head(
    versions: str, cases: Sequence[Case], fp32: Mapping[str, Outcome], fp16: Mapping[str, Outcome]
) -> str:
    all_of = list(fp32.values())
    states = Counter(outcome.state for outcome in all_of)
    halves = Counter(fp16[case.name].state for case in cases if case.name in fp16)
    remedied = sum(bool(outcome.remedy) for outcome in all_of)
    signals = sum(bool(outcome.signal) for outcome in all_of)
    return f"""# Models

Every model of the `onnx` package through the builder: an engine, or a refusal with a reason. Written by
`make zoo` with {versions}, fp32 for `sm_86`, on a CPU. What is true here of TensorRT-RTX
is not always true of TensorRT, which imports more; a refusal is the builder's answer, not a crash.

| | models |
|---|---|
| built | {states[BUILT]} |
| of these, after doing what the first refusal said would work | {remedied} |
| refused with a reason | {states[REFUSED]} |
| crashed, without a type, or silent | {states[FAILED]} |
| ended by a signal inside TensorRT, and said so | {signals} |

The networks and every tenth other model were built in fp16 too: {halves[BUILT]} built,
{halves[REFUSED]} refused, {halves[FAILED]} failed.
"""


def _networks(cases: Sequence[Case], fp32: Mapping[str, Outcome], fp16: Mapping[str, Outcome]) -> str:
    rows = [f"| {case.name} | {_figures(fp32[case.name])} | {_figures(fp16[case.name])} |" for case in cases]
    return "\n".join(
        [
            "## Networks",
            "",
            "The nine public networks of the package, with weights that are one value each; seconds and KiB",
            "of the engine are of one run on two busy cores.",
            "",
            "| network | fp32 | fp16 |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _figures(outcome: Outcome) -> str:
    if outcome.state == BUILT:
        return f"{outcome.seconds:.1f} s, {outcome.size // 1024:,} KiB"
    return f"{outcome.reason}: {words_of(outcome)}"


def _operators(cases: Sequence[Case], fp32: Mapping[str, Outcome]) -> str:
    by_operator: dict[str, list[Outcome]] = defaultdict(list)
    for case in cases:
        by_operator[case.operator].append(fp32[case.name])
    rows = [_row(name, outcomes) for name, outcomes in sorted(by_operator.items())]
    return "\n".join(
        [
            "## Operators",
            "",
            "Models of one operator, or of what it expands to; “with remedy” are built after doing what the",
            "first refusal said.",
            "",
            "| operator | models | built | with remedy | refused |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    built = sum(outcome.state == BUILT and not outcome.remedy for outcome in outcomes)
    remedied = sum(bool(outcome.remedy) for outcome in outcomes)
    reasons = Counter(outcome.reason for outcome in outcomes if outcome.state != BUILT)
    refused = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
    return f"| {name} | {len(outcomes)} | {built or ''} | {remedied or ''} | {refused} |"


def _refusals(outcomes: Iterable[Outcome]) -> str:
    by_words: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.state != BUILT:
            by_words[f"{outcome.reason}: {words_of(outcome)}"].append(outcome.name)
    parts = [
        _details(f"{words} ({len(names)})", names)
        for words, names in sorted(by_words.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    return "\n".join(["## Refusals", "", *parts])


def _remedies(outcomes: Iterable[Outcome]) -> str:
    by_remedy: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.remedy:
            by_remedy[outcome.remedy].append(outcome.name)
    parts = [
        _details(f"Built with {remedy} ({len(names)})", names) for remedy, names in sorted(by_remedy.items())
    ]
    return "\n".join(["## Remedies that were followed", "", *parts])


def _details(summary: str, names: Sequence[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in names)
    return f"<details><summary>{summary}</summary>\n\n{listed}\n\n</details>\n"
