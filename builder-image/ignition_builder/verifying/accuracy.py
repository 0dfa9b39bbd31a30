"""
How far two sets of outputs are apart, and whether that is near enough. Pure.

The measure is numpy's and Polygraphy's: a value passes when ``|candidate - reference| <= atol + rtol *
|reference|``. NVIDIA's fp16 sample uses 5e-3 for both. An output that answers something is asked for its
answers as well (``answers``, ``agreement``).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ignition_builder.verifying.agreement import Agreement, agreement_of
from ignition_builder.verifying.answers import Answer, AnswerKind
from ignition_hub.engine.errors import Reason, RequestError

MOST = 1000
"""The largest absolute tolerance that may be asked for."""
LEAST_SHARE = 0.9
"""The smallest quantile that is advised: with less, an accuracy check says little."""
NO_ANSWERS: Mapping[str, Answer] = {}


@dataclass(frozen=True, slots=True)
class Tolerance:
    """
    How far a value may be from its reference, relative to the reference plus absolute, and the share of an
    output's telling values that must be that near; ``agreement`` is the share of its clear answers that must
    stay as they are.
    """

    rtol: float
    atol: float
    quantile: float = 1.0
    agreement: float = 1.0

    def __str__(self) -> str:
        share = f" for {self.quantile * 100:g} % of the values" if self.quantile < 1 else ""
        return f"rtol {self.rtol:g} and atol {self.atol:g}{share}"

    def allows(self, figures: "OutputComparison") -> bool:
        """
        Tell whether an output is near enough.

        No share of its values may be lost, no part of it may have more than its own share of values that are
        out, and no more answers may change than ``agreement`` lets.
        """
        answers = figures.agreement
        return (
            not figures.lost
            and figures.outside <= self._may_be_out(figures.telling)
            and figures.crowded is None
            and (answers is None or answers.allows(self.agreement))
        )

    def overlooks(self, figures: "OutputComparison") -> bool:
        """
        Tell whether an output may be quite another and pass: its values are usually less than ``atol``.

        Not where its answers are asked for. A normalized embedding of 1,024 numbers has an RMS of 0.03.
        """
        is_judged_otherwise = figures.is_label or figures.agreement is not None
        return bool(figures.values) and not is_judged_otherwise and figures.scale < self.atol

    def crowded(self, outside: Any, telling: Any) -> int | None:
        """
        Return the first part that has more values out than its share of those that tell something, and more
        than one; both are numbers for each part.
        """
        allowed = telling - np.ceil(self.quantile * telling)
        found = np.flatnonzero(outside > np.maximum(allowed, 1))
        return int(found[0]) if found.size else None

    def _may_be_out(self, values: int) -> int:
        return values - math.ceil(self.quantile * values)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputComparison:
    """
    One output compared: how many values there are and how many are out of tolerance, the largest absolute
    and relative difference, and the value that misses its tolerance by most, with its index.

    Where model and candidate both give NaN, nothing is compared. ``telling`` are the values of which one side
    at least is beyond the absolute tolerance, or that are out: two that are near 0 are near in any model, and
    two that are the same infinity, as where a mask stands, are so by no arithmetic.
    ``lost`` are the values that are NaN or infinite where the model's are finite. ``crowded`` is the entry of
    the first axis, of several, in which too many of them are out; ``share`` is the largest quantile at which
    there are too many nowhere. ``agreement`` is about its answers, None where each value ``is_label``;
    ``scale`` is the RMS of the model's values.
    """

    output: str
    values: int
    outside: int
    max_absolute: float
    max_relative: float
    telling: int = 0
    lost: int = 0
    crowded: int | None = None
    share: float = 1.0
    agreement: Agreement | None = None
    is_label: bool = False
    scale: float = 0.0
    worst_index: tuple[int, ...] = ()
    worst_reference: float = 0.0
    worst_candidate: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return what the manifest records."""
        return {
            "output": self.output,
            "values": self.values,
            "telling": self.telling,
            "outside": self.outside,
            "maxAbsolute": self.max_absolute,
            "maxRelative": self.max_relative,
            **(self.agreement.to_json() if self.agreement else {}),
        }

    def said(self, tolerance: Tolerance) -> str:
        """Return what a message says of an output that is not near enough."""
        return f"output {self.output}: {', '.join(self._findings(tolerance))}"

    def _findings(self, tolerance: Tolerance) -> Iterator[str]:
        if self.agreement and not self.agreement.allows(tolerance.agreement):
            yield str(self.agreement)
        if not self.outside:
            return
        yield f"{self.outside} of {self.values} values are out of tolerance"
        if self.lost:
            yield f"{self.lost} of them not finite"
        if tolerance.quantile < 1 and self.telling < self.values:
            yield f"{self.telling} are above atol or out"
        if tolerance.quantile < 1 and self.crowded is not None:
            yield f"too many of them in [{self.crowded}]"
        place = f"[{', '.join(map(str, self.worst_index))}]"
        yield f"the worst at {place}: {self.worst_candidate:g} instead of {self.worst_reference:g}"


def compared(
    reference: Mapping[str, Any],
    candidate: Mapping[str, Any],
    tolerance: Tolerance,
    answers: Mapping[str, Answer] = NO_ANSWERS,
) -> list[OutputComparison]:
    """
    Return the figures of every output of ``reference``, name to array; ``answers`` says what they are for.

    Raises RequestError (VerificationFailed) when an output is missing or has another shape, and when there is
    nothing to compare it with: a check that cannot fail says nothing.
    """
    return [
        _figures(name, wanted, candidate.get(name), tolerance, answers.get(name))
        for name, wanted in reference.items()
    ]


def check_reference(outputs: Sequence[Mapping[str, Any]]) -> None:
    """
    Raise RequestError (VerificationFailed) when the model's own ``outputs``, per sample, are nowhere finite.

    NaN is no difference from NaN, nor infinity from infinity, so such a check would say nothing.
    """
    if not any(
        np.isfinite(values.astype(np.float64)).any() for sample in outputs for values in sample.values()
    ):
        raise RequestError(
            Reason.VerificationFailed,
            "the model itself gives no finite number on these inputs, so there is nothing to compare",
            "give inputs that the model is made for in verification.accuracy.inputs, or leave the check out",
        )


def check(
    figures: list[OutputComparison], tolerance: Tolerance, of: str, *, is_calibrated: bool = False
) -> None:
    """
    Raise RequestError (VerificationFailed) that names each output out of tolerance, the worst first.

    ``is_calibrated`` when ranges were measured on data, which could be better.
    """
    refused = (item for item in figures if not tolerance.allows(item))
    outside = sorted(refused, key=lambda item: -item.outside / max(item.values, 1))
    if outside:
        said = "; ".join(item.said(tolerance) for item in outside[:3])
        raise RequestError(
            Reason.VerificationFailed,
            f"{of} differs from the model beyond {tolerance}: {said}",
            _remedy(outside, tolerance, is_calibrated=is_calibrated),
        )


def _remedy(refused: list[OutputComparison], tolerance: Tolerance, *, is_calibrated: bool) -> str:
    if lenient := _lenient(refused, tolerance):
        data = " better calibration data," if is_calibrated else ""
        return f"use a wider precision,{data} or a {lenient} that the task allows"
    return f"use a wider precision{' or better calibration data' if is_calibrated else ''}"


def _lenient(refused: list[OutputComparison], tolerance: Tolerance) -> str:
    """Return what more lenient tolerance would do; "" where none would, or only one that says little."""
    if any(item.lost for item in refused):
        return ""
    if any(item.agreement and not item.agreement.allows(tolerance.agreement) for item in refused):
        return "tolerance and verification.accuracy.agreement"
    ways = list(_sufficient(refused, tolerance))
    return f"tolerance ({' or '.join(ways)} would let it pass)" if ways else ""


def _sufficient(refused: list[OutputComparison], tolerance: Tolerance) -> Iterator[str]:
    """Yield what alone all would pass with."""
    if atol := _sufficient_atol(refused, tolerance):
        yield f"atol {atol:g}"
    # A little less: a share of all values but one, times all, may be a bit more than their number.
    share = math.floor((min(item.share for item in refused) - 1e-9) * 1e4) / 1e4
    if share >= LEAST_SHARE:
        yield f"quantile {share:g}"


def _sufficient_atol(refused: list[OutputComparison], tolerance: Tolerance) -> float | None:
    """Return the smallest absolute tolerance of two digits that all would pass with; None if none would."""
    needed = max(
        abs(item.worst_candidate - item.worst_reference) - tolerance.rtol * abs(item.worst_reference)
        for item in refused
    )
    if any(item.is_label for item in refused) or not 0 < needed < MOST:
        return None
    step = 10.0 ** (math.floor(math.log10(needed)) - 1)
    return float(f"{(math.floor(needed / step) + 1) * step:.2g}")


def _check_comparable(name: str, reference: Any, candidate: Any) -> None:
    if candidate is None or candidate.shape != reference.shape:
        found = "is missing" if candidate is None else f"has shape {list(candidate.shape)}"
        raise RequestError(
            Reason.VerificationFailed, f"output {name} {found}; the model gives {list(reference.shape)}"
        )
    if reference.size and reference.dtype.kind == "f" and np.isnan(reference).all():
        raise RequestError(
            Reason.VerificationFailed,
            f"output {name}: the model itself returns only NaN, so there is nothing to compare",
            "give verification.accuracy.inputs with values that are typical for the model",
        )


def _figures(
    name: str, reference: Any, candidate: Any, tolerance: Tolerance, answer: Answer | None
) -> OutputComparison:
    _check_comparable(name, reference, candidate)
    wanted, got = reference.astype(np.float64), candidate.astype(np.float64)
    compared_at = ~(np.isnan(wanted) & np.isnan(got))
    if not compared_at.any():
        return OutputComparison(output=name, values=0, outside=0, max_absolute=0.0, max_relative=0.0)
    # Of labels, none is nearly another.
    is_label = answer is not None and answer.kind is AnswerKind.LABEL
    rtol, atol = (0.0, 0.0) if is_label else (tolerance.rtol, tolerance.atol)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        # numpy makes a number, and no array, of the difference of two arrays without axes.
        distance = np.asarray(np.abs(got - wanted))
        # Equal infinities are equal, and a NaN where the model gives one is the model's.
        distance[(wanted == got) | ~compared_at] = 0.0
        distance[np.isnan(distance)] = np.inf
        excess = distance - (atol + rtol * np.abs(np.nan_to_num(wanted)))
        relative = np.where(distance > 0, distance / np.abs(wanted), 0.0)
    outside = excess > 0
    is_large = (np.fmax(np.abs(wanted), np.abs(got)) > atol) & ~(np.isinf(wanted) & (wanted == got))
    telling = compared_at & (outside | is_label | is_large)
    worst = np.unravel_index(int(np.argmax(excess)), excess.shape)
    return OutputComparison(
        output=name,
        values=int(np.count_nonzero(compared_at)),
        outside=int(np.count_nonzero(outside)),
        telling=int(np.count_nonzero(telling)),
        lost=int(np.count_nonzero(np.isfinite(wanted) & ~np.isfinite(got))),
        crowded=_crowded(outside, telling, tolerance),
        share=_share(outside, telling),
        agreement=agreement_of(wanted, got, answer, rtol, atol),
        is_label=is_label,
        scale=_scale(wanted),
        max_absolute=_finite(distance.max()),
        max_relative=_finite(np.nan_to_num(relative, nan=0.0).max()),
        worst_index=tuple(int(index) for index in worst),
        worst_reference=float(wanted[worst]),
        worst_candidate=float(got[worst]),
    )


def _scale(wanted: Any) -> float:
    finite = wanted[np.isfinite(wanted)]
    with np.errstate(over="ignore"):
        return _finite(np.sqrt(np.mean(finite**2))) if finite.size else 0.0


def _crowded(outside: Any, telling: Any, tolerance: Tolerance) -> int | None:
    counted = _by_entry(outside, telling)
    return None if counted is None else tolerance.crowded(*counted)


def _share(outside: Any, telling: Any) -> float:
    """Return the share of those that tell something that is not out, where it is least."""
    wrong, all_of = (np.array([np.count_nonzero(values)]) for values in (outside, telling))
    if counted := _by_entry(outside, telling):
        # In an entry one may be out in any case.
        several = counted[0] > 1
        wrong, all_of = (
            np.append(one, more[several]) for one, more in zip((wrong, all_of), counted, strict=True)
        )
    return float(np.min(1 - wrong / np.maximum(all_of, 1)))


def _by_entry(outside: Any, telling: Any) -> tuple[Any, Any] | None:
    """
    Count both in each entry of the first axis: a batch may not hide that one thing in it is all wrong. None
    where there are no entries.
    """
    if outside.ndim < 2 or len(outside) < 2 or outside[0].size < 2:
        return None
    behind = tuple(range(1, outside.ndim))
    return np.count_nonzero(outside, axis=behind), np.count_nonzero(telling, axis=behind)


def _finite(value: Any) -> float:
    """Return a number JSON can hold; the largest double stands for infinity."""
    return float(np.nan_to_num(value, posinf=np.finfo(np.float64).max))
