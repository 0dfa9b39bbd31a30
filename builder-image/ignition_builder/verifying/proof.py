"""
The proof of a conversion, in a process of its own: is the model that was made the model that came?

Asked of every build that converts and has no accuracy check, on one sample and within bounds of size, memory
and time (``proving``). A check asks whether a precision is enough for a task; this asks whether the
conversion did anything but round. So it refuses what rounding cannot do, and only warns of what rounding did.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ignition_builder.checking.graphs import nodes_of
from ignition_builder.checking.skeleton import load_skeleton
from ignition_builder.checking.weights import external_size
from ignition_builder.documents import Proof, Task, counted, prepared_of
from ignition_builder.journal import Journal
from ignition_builder.memory import hold_to, mebibytes, peak, read_memory
from ignition_builder.report import Report
from ignition_builder.verifying.distance import Distance, distance
from ignition_builder.verifying.reference import NAME, VERSION
from ignition_builder.verifying.runs import Outputs, Runs
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.quoting import on_one_line
from ignition_hub.engine.warnings import Warn

PROVING = "Proving conversion"
LARGEST = 768 * 1024**2
"""Bytes of weights of the largest model that is proven. They are mapped, and may be widened once."""
ALLOWED = 1024**3
"""Bytes that the proof may take for itself, or half of what the container has."""
NICENESS = 10
"""The engine is compiled at the same time, and goes first."""

NEAR: Mapping[str, float] = {"fp16": 0.02, "bf16": 0.1, "int8": 0.1}
"""
Relative root mean square up to which nothing more is asked. Seven trained networks are at most 0.018, 0.027
and 0.32 away when their conversion is right and nothing but weights is rounded (``python -m accuracy_checks
proofs``).
"""
TIMES = 10.0
"""
So many times further than its own rounded weights move a model, no conversion is right. Of the seven, those
to fp16 and bf16 were as far as that, twice where weights lie in branches; those to int8 at most 7 times.
"""
FAR = 0.25
"""From here on the precision is called too narrow for the numbers that were tried."""
UNSTEADY = frozenset({"NonZero", "NonMaxSuppression", "Unique", "Compress", "If", "Loop"})
"""Operators whose results have a shape that depends on values, and so on rounding."""
DEPENDS = "the shapes of its outputs depend on values, and so on how these are rounded"
WIDER: Mapping[str, str] = {"fp16": "bf16 or fp32", "bf16": "fp16 or fp32", "int8": "fp16, bf16 or fp32"}


NOWHERE = Distance(0.0, 0, 0)


class NotProvenError(Exception):
    """Why nothing can be said; no fault of the model."""


@dataclass(frozen=True, slots=True)
class Finding:
    """
    How far one output is: in the precision's ``own`` types, without rounding, and by rounded weights alone.

    ``misfit`` says how it cannot be compared.
    """

    output: str
    own: Distance = NOWHERE
    plain: Distance | None = None
    rounded: Distance | None = None
    misfit: str = ""

    def is_wrong(self, near: float) -> bool:
        """Tell whether this is more than rounding does."""
        if self.misfit:
            return True
        if self.plain is None or self.rounded is None or not self.rounded.is_finite:
            return False
        return not self.plain.is_finite or self.plain.relative > max(near, TIMES * self.rounded.relative)

    @property
    def is_far(self) -> bool:
        """Tell whether the precision is too narrow for these numbers."""
        return not self.own.is_finite or self.own.relative > FAR

    def to_json(self) -> dict[str, Any]:
        """Return what the manifest records."""
        more = {"unrounded": self.plain, "roundedWeights": self.rounded}
        return {
            "output": self.output,
            "relative": self.own.relative,
            **({"notFinite": self.own.lost} if self.own.lost else {}),
            **{name: item.relative for name, item in more.items() if item is not None},
        }

    def said(self) -> str:
        """Return how far it is, for people."""
        if self.misfit:
            return f"output {self.output} {self.misfit}"
        if self.own.lost:
            return f"{self.own.lost} of {self.own.values} values of output {self.output} are not finite"
        return f"output {self.output} is off by {self.own.relative:.1%}"


def bound() -> None:
    """Hold this process to what a proof may take."""
    os.nice(NICENESS)
    limit = read_memory().limit
    hold_to(ALLOWED if limit is None else min(ALLOWED, limit // 2))


def run(task: Task, report: Report, journal: Journal) -> dict[str, Any]:
    """Return a Proof as JSON; raises IgnitionError (VerificationFailed) when the conversion is wrong."""
    report.progress(PROVING, 0.0)
    precision = task.request.inputs.precision
    try:
        inputs, findings = _examined(task)
    except (NotProvenError, RequestError, MemoryError) as error:
        # Nothing was found: an error of the accuracy check's, without its remedy.
        why = error.message if isinstance(error, RequestError) else str(error) or "it takes too much memory"
        journal.warn(Warn.ConversionNotProven, why)
        record: dict[str, Any] = {"proven": False, "why": on_one_line(why, 400)}
    else:
        _check(findings, precision)
        _tell(findings, precision, journal)
        outputs = [item.to_json() for item in findings]
        record = {"proven": True, "against": f"{NAME} {VERSION}", "inputs": inputs, "outputs": outputs}
    return Proof(record=record, warnings=counted(journal.warnings), peak_memory_bytes=peak()).to_json()


def _examined(task: Task) -> tuple[str, list[Finding]]:
    prepared = prepared_of(task)
    came = load_skeleton(Path(task.model))
    if (size := external_size(came)) > LARGEST:
        raise NotProvenError(f"the model has {mebibytes(size)} of weights, more than {mebibytes(LARGEST)}")
    runs, precision = Runs(task, prepared), task.request.inputs.precision
    if not any(np.isfinite(values.astype(np.float64)).any() for values in runs.right.values()):
        raise NotProvenError("the model itself gives no number on these inputs")
    own = runs.own()
    if misfits := list(_misfits(runs.right, own)):
        if any(node.op_type in UNSTEADY for node in nodes_of(came)):
            raise NotProvenError(DEPENDS)
        return runs.inputs, misfits
    findings = [Finding(name, distance(wanted, own[name])) for name, wanted in runs.right.items()]
    near = NEAR[precision]
    if all(item.own.is_finite and item.own.relative <= near for item in findings):
        return runs.inputs, findings
    return runs.inputs, list(_looked_into(findings, runs, near))


def _looked_into(findings: list[Finding], runs: Runs, near: float) -> Iterator[Finding]:
    """Yield the findings again, with what tells a wrong conversion from a narrow precision."""
    plain = _distances(runs.right, runs.plain())
    is_right = all(item.is_finite and item.relative <= near for item in plain.values())
    rounded = {} if is_right else _distances(runs.right, runs.rounded())
    for item in findings:
        yield Finding(item.output, item.own, plain[item.output], rounded.get(item.output))


def _distances(right: Outputs, other: Outputs) -> dict[str, Distance]:
    if any(other[name].shape != wanted.shape for name, wanted in right.items()):
        raise NotProvenError(DEPENDS)
    return {name: distance(wanted, other[name]) for name, wanted in right.items()}


def _misfits(right: Outputs, own: Outputs) -> Iterator[Finding]:
    for name, wanted in right.items():
        shape = own[name].shape if name in own else None
        if shape != wanted.shape:
            found = "is missing" if shape is None else f"has shape {list(shape)}"
            yield Finding(name, misfit=f"{found}, and the model gives {list(wanted.shape)}")


def _check(findings: list[Finding], precision: str) -> None:
    wrong = [item for item in findings if item.is_wrong(NEAR[precision])]
    if wrong:
        said = "; ".join(f"{item.said()}{_beyond_rounding(item, precision)}" for item in wrong[:3])
        raise RequestError(
            Reason.VerificationFailed,
            f"the conversion to {precision} changed the model: {said}",
            f"ask for {WIDER[precision]} and report the model; verification.accuracy, with inputs and a "
            "tolerance of your own, takes the place of this proof",
        )


def _beyond_rounding(item: Finding, precision: str) -> str:
    if item.plain is None or item.rounded is None:
        return ""
    plain = f"by {item.plain.relative:.1%}" if item.plain.is_finite else "and not finite"
    return f", {plain} without rounding, where weights in {precision} make {item.rounded.relative:.1%}"


def _tell(findings: list[Finding], precision: str, journal: Journal) -> None:
    """Write down what was found, and warn of a precision that is too narrow."""
    for item in findings:
        journal.note(f"{PROVING.lower()}: {item.said()} in {precision}")
        if item.is_far:
            journal.warn(
                Warn.PrecisionTooNarrow,
                f"{item.said()} in {precision} on numbers that may be unlike yours; the conversion is right: "
                f"use {WIDER[precision]}, or ask verification.accuracy with inputs of yours",
            )
