"""
What a wrong pass is: the check passed a model, and inputs that it had not seen say otherwise. Pure.

The rules were set before any result was known, and the page repeats them (``RULES``). They look at the
compiled model in its own types beside the model as it came, on inputs that neither the check nor the
calibration had.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ignition_builder.verifying.agreement import agreement_of
from ignition_builder.verifying.answers import Answer, AnswerKind
from realzoo.answering import YES_OR_NO, Answers

TWICE = 2
MOST_BEYOND, MOST_CHANGED, MOST_RMS = 0.01, 0.01, 0.25
_MOST_BEYOND, _MOST_CHANGED = (f"{share * 100:g} %" for share in (MOST_BEYOND, MOST_CHANGED))
RULES = f"""A pass is **wrong** when, on the inputs that were held out, in any output

- a value is NaN or infinite that is finite in the model as it came, or the output has another shape;
- or more than {_MOST_CHANGED} of its clear answers are others: the class with the largest number where that
  is clear, the side of one half that a sigmoid is on where it is not near, each value of a label;
- or more than {_MOST_BEYOND} of its values lie beyond twice the check's tolerance (where the check has a
  quantile, values of which both sides are within atol of 0 are not counted, as the check does not);
- or, where it answers nothing, the RMS of the difference is more than {MOST_RMS:g} of that of the model's
  values.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """
    One output over all inputs that were held out: ``values`` that count, how many of them lie ``beyond``
    twice the tolerance and how many are ``lost`` (not finite, or not there), the ``largest`` difference, and
    its RMS as a share of that of the model's values.

    ``clear`` and ``changed`` count answers, and are None where it answers nothing; ``cosine`` is the smallest
    similarity of two rows, None where directions do not matter.
    """

    output: str
    values: int
    beyond: int
    lost: int
    largest: float
    rms: float
    clear: int | None = None
    changed: int | None = None
    cosine: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)

    @property
    def nearness(self) -> float:
        """How much of what the nearest rule lets pass is used up; above 1 it is a fault."""
        changed = (self.changed or 0) / self.clear if self.clear else 0.0
        beyond = self.beyond / self.values if self.values else 0.0
        shares = [changed / MOST_CHANGED, beyond / MOST_BEYOND, math.inf if self.lost else 0.0]
        return max([*shares, self.rms / MOST_RMS] if self.changed is None else shares)

    @property
    def kept(self) -> float | None:
        """The share of clear answers that are the same; None where there are none."""
        return None if not self.clear or self.changed is None else 1 - self.changed / self.clear


def faults_of(differences: Sequence[Difference]) -> Iterator[str]:
    """Yield what would make a pass a wrong one, in words."""
    for item in differences:
        for fault in _faults(item):
            yield f"output {item.output}: {fault}"


def differences_of(
    right: Sequence[Mapping[str, Any]],
    compiled: Sequence[Mapping[str, Any]],
    tolerance: Mapping[str, float],
    answers: Answers,
    *,
    directions: bool = False,
) -> list[Difference]:
    """
    Compare the outputs of the model as it came with those of the compiled one, input by input.

    ``tolerance`` is the check's, ``answers`` says what outputs are for; ``directions`` when they are
    embeddings.
    """
    return [
        _difference(
            name,
            [(one[name], other.get(name)) for one, other in zip(right, compiled, strict=True)],
            tolerance,
            answers.get(name),
            directions=directions,
        )
        for name in right[0]
    ]


def _faults(item: Difference) -> Iterator[str]:
    if item.lost:
        yield f"{item.lost} values are lost"
    if item.clear and item.changed is not None and item.changed > MOST_CHANGED * item.clear:
        yield f"{item.changed} of {item.clear} clear answers changed"
    if item.beyond > MOST_BEYOND * item.values:
        yield f"{item.beyond} of {item.values} values are beyond twice the tolerance"
    if item.changed is None and item.rms > MOST_RMS:
        yield f"the relative RMS is {item.rms:.2g}"


def _difference(
    name: str,
    pairs: Sequence[tuple[Any, Any]],
    tolerance: Mapping[str, float],
    answer: Answer | str | None,
    *,
    directions: bool,
) -> Difference:
    parts = [
        _Misshapen(one) if other is None or one.shape != other.shape else _Part(one, other, tolerance, answer)
        for one, other in pairs
    ]
    answering = [part for part in parts if part.clear is not None]
    return Difference(
        output=name,
        values=sum(part.values for part in parts),
        beyond=sum(part.beyond for part in parts),
        lost=sum(part.lost for part in parts),
        largest=max(part.largest for part in parts),
        rms=_share(sum(part.squares for part in parts), sum(part.of_right for part in parts)),
        clear=sum(part.clear or 0 for part in answering) if answering else None,
        changed=sum(part.changed for part in answering) if answering else None,
        cosine=_cosine(pairs) if directions else None,
    )


def _share(squares: float, of_right: float) -> float:
    if not squares:
        return 0.0
    return math.sqrt(squares / of_right) if of_right else math.inf


class _Misshapen:
    """An output that is missing or of another shape: nothing in it is where it should be."""

    def __init__(self, right: Any) -> None:
        self.values = self.beyond = self.lost = max(int(right.size), 1)
        self.largest, self.squares, self.of_right = 0.0, 0.0, 0.0
        self.clear, self.changed = None, 0


class _Part:
    """One output on one input, in numbers that can be added up."""

    clear: int | None
    changed: int

    def __init__(self, right: Any, other: Any, tolerance: Mapping[str, float], answer: Any) -> None:
        wanted, got = right.astype(np.float64), other.astype(np.float64)
        is_label = right.dtype.kind in "biu" or (
            isinstance(answer, Answer) and answer.kind is AnswerKind.LABEL
        )
        rtol, atol = (0.0, 0.0) if is_label else (tolerance["rtol"], tolerance["atol"])
        distance = _distance(wanted, got)
        with np.errstate(invalid="ignore"):
            out = distance > TWICE * (atol + rtol * np.abs(np.nan_to_num(wanted, posinf=0, neginf=0)))
            near_zero = np.fmax(np.abs(wanted), np.abs(got)) <= atol
        counts = ~np.isnan(wanted)
        if tolerance.get("quantile", 1.0) < 1 and not is_label:
            counts &= out | ~near_zero
        self.values, self.beyond = int(counts.sum()), int((out & counts).sum())
        self.lost = int((np.isfinite(wanted) & ~np.isfinite(got)).sum())
        finite = np.isfinite(distance) & np.isfinite(wanted)
        self.largest = float(distance[finite].max(initial=0.0))
        self.squares = float((distance[finite] ** 2).sum())
        self.of_right = float((wanted[finite] ** 2).sum())
        self.clear, self.changed = _answered(wanted, got, answer, rtol, atol, is_label=is_label)


def _distance(wanted: Any, got: Any) -> Any:
    with np.errstate(invalid="ignore"):
        distance = np.asarray(np.abs(got - wanted))
    distance[(wanted == got) | (np.isnan(wanted) & np.isnan(got))] = 0.0
    distance[np.isnan(distance)] = np.inf
    return distance


def _answered(
    wanted: Any, got: Any, answer: Any, rtol: float, atol: float, *, is_label: bool
) -> tuple[int | None, int]:
    """Return how many answers are clear in ``wanted``, None where it has none, and how many changed."""
    if is_label:
        return int(wanted.size), int((wanted != got).sum())
    if answer == YES_OR_NO:
        clear = np.abs(wanted - 0.5) > TWICE * (atol + rtol * np.abs(wanted))
        return int(clear.sum()), int((clear & ((wanted > 0.5) != (got > 0.5))).sum())
    found = agreement_of(wanted, got, answer, rtol, atol)
    return (found.clear, found.changed) if found else (None, 0)


def _cosine(pairs: Sequence[tuple[Any, Any]]) -> float | None:
    """Return the smallest similarity of rows along the last axis that are not nothing."""
    found = []
    for right, other in pairs:
        if right.dtype.kind != "f" or right.ndim < 2 or other is None or right.shape != other.shape:
            return None
        one, two = (values.astype(np.float64).reshape(-1, right.shape[-1]) for values in (right, other))
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
        known = lengths > 0
        found.extend((one * two).sum(axis=1)[known] / lengths[known])
    return float(min(found)) if found else None
