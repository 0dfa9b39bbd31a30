"""
How far two sets of outputs are apart, and whether that is near enough. Pure.

The measure is numpy's and Polygraphy's: a value passes when ``|candidate - reference| <= atol + rtol *
|reference|``. NVIDIA's fp16 sample uses 5e-3 for both.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ignition_hub.engine.errors import Reason, RequestError


@dataclass(frozen=True, slots=True)
class Tolerance:
    """
    How far a value may be from its reference, relative to the reference plus absolute, and the share of an
    output's values that must be that near.
    """

    rtol: float
    atol: float
    quantile: float = 1.0

    def __str__(self) -> str:
        share = f" for {self.quantile * 100:g} % of the values" if self.quantile < 1 else ""
        return f"rtol {self.rtol:g} and atol {self.atol:g}{share}"

    def allows(self, figures: "Figures") -> bool:
        """Tell whether an output is near enough; no share of its values may be lost."""
        return not figures.lost and figures.outside <= figures.values - math.ceil(
            self.quantile * figures.values
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """
    One output compared: how many values there are and how many are out of tolerance, the largest absolute
    and relative difference, and the value that misses its tolerance by most, with its index.

    Where model and candidate both give NaN, nothing is compared. ``lost`` are the values that are NaN or
    infinite where the model's are finite.
    """

    output: str
    values: int
    outside: int
    max_absolute: float
    max_relative: float
    lost: int = 0
    worst_index: tuple[int, ...] = ()
    worst_reference: float = 0.0
    worst_candidate: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return what the manifest records."""
        return {
            "output": self.output,
            "values": self.values,
            "outside": self.outside,
            "maxAbsolute": self.max_absolute,
            "maxRelative": self.max_relative,
        }

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.worst_index))}]"
        lost = f", {self.lost} of them not finite" if self.lost else ""
        return (
            f"output {self.output}: {self.outside} of {self.values} values are out of tolerance{lost}, the "
            f"worst at {place}: {self.worst_candidate:g} instead of {self.worst_reference:g}"
        )


def compared(
    reference: Mapping[str, Any], candidate: Mapping[str, Any], tolerance: Tolerance
) -> list[Figures]:
    """
    Return the figures of every output of ``reference``, name to array.

    Raises RequestError (VerificationFailed) when an output is missing or has another shape, and when there is
    nothing to compare it with: a gate that cannot fail is none.
    """
    return [_figures(name, wanted, candidate.get(name), tolerance) for name, wanted in reference.items()]


def check_reference(outputs: Sequence[Mapping[str, Any]]) -> None:
    """
    Raise RequestError (VerificationFailed) when the model's own ``outputs``, per sample, hold no number.

    NaN is no difference from NaN, so such a gate could not fail.
    """
    if all(np.isnan(values.astype(np.float64)).all() for sample in outputs for values in sample.values()):
        raise RequestError(
            Reason.VerificationFailed,
            "the model itself gives no number on these inputs, so there is nothing to compare",
            "give inputs that the model is made for in verification.accuracy.inputs, or leave the gate out",
        )


def check(figures: list[Figures], tolerance: Tolerance, of: str) -> None:
    """Raise RequestError (VerificationFailed) that names each output out of tolerance, the worst first."""
    refused = (item for item in figures if not tolerance.allows(item))
    outside = sorted(refused, key=lambda item: -item.outside / item.values)
    if outside:
        raise RequestError(
            Reason.VerificationFailed,
            f"{of} differs from the model beyond {tolerance}: {'; '.join(map(str, outside[:3]))}",
            "use a wider precision, better calibration data, or a tolerance that the task allows",
        )


def _check_comparable(name: str, reference: Any, candidate: Any) -> None:
    if candidate is None or candidate.shape != reference.shape:
        found = "is missing" if candidate is None else f"has shape {list(candidate.shape)}"
        raise RequestError(
            Reason.VerificationFailed, f"output {name} {found}; the model gives {list(reference.shape)}"
        )
    if reference.size and reference.dtype.kind == "f" and np.isnan(reference).all():
        raise RequestError(
            Reason.VerificationFailed,
            f"output {name}: the model itself gives nothing but NaN, so there is nothing to compare",
            "give verification.accuracy.inputs with numbers that the model is made for",
        )


def _figures(name: str, reference: Any, candidate: Any, tolerance: Tolerance) -> Figures:
    _check_comparable(name, reference, candidate)
    wanted, got = reference.astype(np.float64), candidate.astype(np.float64)
    compared_at = ~(np.isnan(wanted) & np.isnan(got))
    if not compared_at.any():
        return Figures(output=name, values=0, outside=0, max_absolute=0.0, max_relative=0.0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        distance = np.abs(got - wanted)
        # Equal infinities are equal, and a NaN where the model gives one is the model's.
        distance[(wanted == got) | ~compared_at] = 0.0
        distance[np.isnan(distance)] = np.inf
        excess = distance - (tolerance.atol + tolerance.rtol * np.abs(np.nan_to_num(wanted)))
        relative = np.where(distance > 0, distance / np.abs(wanted), 0.0)
    worst = np.unravel_index(int(np.argmax(excess)), excess.shape)
    return Figures(
        output=name,
        values=int(np.count_nonzero(compared_at)),
        outside=int(np.count_nonzero(excess > 0)),
        lost=int(np.count_nonzero(np.isfinite(wanted) & ~np.isfinite(got))),
        max_absolute=_finite(distance.max()),
        max_relative=_finite(np.nan_to_num(relative, nan=0.0).max()),
        worst_index=tuple(int(index) for index in worst),
        worst_reference=float(wanted[worst]),
        worst_candidate=float(got[worst]),
    )


def _finite(value: Any) -> float:
    """Return a number JSON can hold; the largest double stands for infinity."""
    return float(np.nan_to_num(value, posinf=np.finfo(np.float64).max))
