"""
Does a candidate give the same answers as the model, row by row? Pure.

A row is what a softmax, or the last layer of a classifier, gives for one thing. Its answer is the class with
the largest number, and is clear when no differences within the tolerance could change it, or, of
probabilities, when no other class is half as likely: an absolute tolerance may be more than all of them.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ignition_builder.verifying.answers import Answer, AnswerKind

TWICE = 2.0
"""By how much the likeliest class outdoes the next for its lead to be no matter of tolerance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """
    How many ``rows`` an output has, in how many the answer is the ``same``, how many are ``clear`` in the
    model, and in how many of these it ``changed``; ``first`` is the place of one, with both classes.
    """

    rows: int
    same: int
    clear: int
    changed: int
    first: tuple[int, ...] = ()
    expected: int = 0
    given: int = 0

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.first))}]"
        return (
            f"{self.changed} of {self.clear} clear answers changed, as in row {place}: class {self.given} "
            f"instead of {self.expected}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the manifest records: the share of all answers that stayed, and how many were clear."""
        agreement = self.same / self.rows if self.rows else 1.0
        return {
            "answers": self.rows,
            "argmaxAgreement": agreement,
            "clearAnswers": self.clear,
            "clearChanged": self.changed,
        }

    def allows(self, share: float) -> bool:
        """Tell whether this ``share`` of the clear answers stayed as they were."""
        return self.changed <= self.clear - math.ceil(share * self.clear)


def agreement_of(wanted: Any, got: Any, answer: Answer | None, rtol: float, atol: float) -> Agreement | None:
    """
    Compare the answers in two arrays of float64, the model's and the candidate's.

    None for an output without rows of classes. Rows in which the model gives NaN are left out.
    """
    axis = None if answer is None or answer.kind is AnswerKind.LABEL else answer.axis_in(wanted.ndim)
    if answer is None or axis is None or wanted.shape[axis] < 2 or not wanted.size:
        return None
    rows = _rows_of(wanted, got, axis)
    clear = _are_clear(rows.right, answer.kind, rtol, atol)
    changed = np.flatnonzero(clear & ~rows.are_kept())
    found = Agreement(
        rows=len(rows.right),
        same=int(np.count_nonzero(rows.other.argmax(axis=1) == rows.expected)),
        clear=int(np.count_nonzero(clear)),
        changed=changed.size,
    )
    return rows.with_example(found, int(changed[0])) if changed.size else found


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of both sides, the class that the model chooses in each, and where each lies in the output."""

    right: Any
    other: Any
    expected: Any
    places: Any

    def are_kept(self) -> Any:
        """Tell of each row whether its class leads alone: one that another draws level with does not."""
        chosen = np.take_along_axis(self.other, self.expected[:, None], axis=1)
        return np.count_nonzero(self.other >= chosen, axis=1) == 1

    def with_example(self, found: Agreement, row: int) -> Agreement:
        """Return ``found`` with the place of this row and both classes."""
        expected = int(self.expected[row])
        numbers = np.nan_to_num(self.other[row], nan=-np.inf)
        others = np.flatnonzero(np.arange(numbers.size) != expected)
        given = int(others[numbers[others].argmax()])
        first = tuple(int(index) for index in self.places[row])
        return replace(found, first=first, expected=expected, given=given)


def _rows_of(wanted: Any, got: Any, axis: int) -> _Rows:
    size = wanted.shape[axis]
    right, other = (np.moveaxis(values, axis, -1).reshape(-1, size) for values in (wanted, got))
    places = np.argwhere(~np.isnan(np.moveaxis(wanted, axis, -1)).any(axis=-1))
    known = np.flatnonzero(~np.isnan(right).any(axis=1))
    right, other = right[known], other[known]
    return _Rows(right, other, right.argmax(axis=1), places)


def _are_clear(rows: Any, kind: AnswerKind, rtol: float, atol: float) -> Any:
    """Tell of each row whether its largest number is far enough above the next."""
    second, first = np.partition(rows, -2, axis=1)[:, -2:].T
    with np.errstate(invalid="ignore"):
        lead = first - second
        sizes = np.abs(np.nan_to_num(first, posinf=0, neginf=0)) + np.abs(
            np.nan_to_num(second, posinf=0, neginf=0)
        )
        clear = lead > 2 * atol + rtol * sizes
    if kind is AnswerKind.PROBABILITIES:
        clear |= (first >= TWICE * second) & (lead > 0)
    elif kind is AnswerKind.LOGARITHMS:
        clear |= lead >= math.log(TWICE)
    return clear
