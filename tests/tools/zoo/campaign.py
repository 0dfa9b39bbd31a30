"""
Broken files and random graphs through the builder, counted.
"""

from collections import Counter
from collections.abc import Sequence

from zoo.page import FUZZ_END, FUZZ_START
from zoo.trial import BUILT, FAILED, REFUSED, Outcome


def summary(count: int, seed: int, broken: Sequence[Outcome], random: Sequence[Outcome]) -> str:
    """Return the page's part about a campaign."""
    rows = [_row("files that were broken", broken), _row("random graphs", random)]
    reasons = Counter(outcome.reason for outcome in (*broken, *random) if outcome.state != BUILT)
    listed = ", ".join(f"{reason} {number}" for reason, number in reasons.most_common())
    return "\n".join(
        [
            FUZZ_START,
            "## Models nobody should push",
            "",
            f"`python -m zoo fuzz --count {count} --seed {seed}`: copies of the models above that were cut,",
            "had bits flipped, bytes put in, taken out or moved, or one thing bent; and random graphs of a",
            "few nodes.",
            "",
            "| | models | built | refused | ended by a signal, and said so | failed |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"Reasons: {listed}.",
            FUZZ_END,
            "",
        ]
    )


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    states = Counter(outcome.state for outcome in outcomes)
    signals = sum(bool(outcome.signal) for outcome in outcomes)
    return (
        f"| {name} | {len(outcomes)} | {states[BUILT]} | {states[REFUSED]} | {signals} | {states[FAILED]} |"
    )
