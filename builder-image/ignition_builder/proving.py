"""
Start the proof of a conversion, in the process that made it, and wait for it no longer than it is worth.

With TensorRT-RTX it runs while the engine is compiled, which takes one core. It comes first where TensorRT
measures kernels, which nothing is to disturb, and where both together would take more memory than either.
Whatever keeps it from an answer, its own death included, leaves the conversion unproven and the build as it
is.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ignition_builder.documents import CONVERTED, PROVE, QUANTIZED, Proof, Task, counted, prepared_of
from ignition_builder.journal import Journal
from ignition_builder.memory import Memory, compiler_has_company, read_memory
from ignition_builder.progress import Watcher, part_of
from ignition_builder.stage_process import Child
from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.warnings import Warn

SECONDS = 30.0
"""What a proof may take, or the time that the engine takes meanwhile."""
ROOM = 1024**3
"""Bytes that it may take; ``verifying.proof`` holds itself to them."""
SMALL = 64 * 1024**2
"""Bytes of converted weights up to which what both take does not matter."""

Proven = Callable[[], Proof | None]


@contextlib.contextmanager
def proving(child: Child, task: Task, watch: Watcher, deadline: float) -> Iterator[Proven]:
    """
    Give what waits for the proof of the model that ``child`` made and ``task`` is to compile; None where none
    is due. The process ends with it.

    Raises IgnitionError (VerificationFailed) for a wrong conversion, at the latest when it is asked.
    """
    if not is_due(task):
        child.stop()
        yield lambda: None
        return
    found: list[Proof] = []
    until = min(deadline, time.monotonic() + SECONDS)

    def proven(heard: Watcher = _unheard) -> Proof:
        if not found:
            found.append(_answer(child, task, heard, until))
        return found[0]

    try:
        child.start(replace(task, stage=PROVE))
        if not runs_beside(task, read_memory()):
            proven(part_of(watch, 0.1, 0.1))
            child.stop(0.0)
        yield proven
    finally:
        # Nobody waits for it any more, and onnxruntime hears no signal while it computes.
        child.stop(0.0)


def is_due(task: Task) -> bool:
    """Tell whether the builder made the model that is compiled, and no accuracy check looks at it."""
    is_made = prepared_of(task).converter["path"] in (CONVERTED, QUANTIZED)
    return is_made and not task.request.verification.get("accuracy")


def runs_beside(task: Task, memory: Memory) -> bool:
    """Tell whether the engine may be compiled at the same time."""
    weights = prepared_of(task).weights_bytes
    return weights <= SMALL and compiler_has_company(task.request, weights, ROOM, memory)


def _unheard(_phase: str, _fraction: float) -> None:
    """Take what the proof said of its progress while the engine was compiled."""


def _answer(child: Child, task: Task, watch: Watcher, until: float) -> Proof:
    try:
        return Proof.from_json(child.answer(task, watch, until))
    except IgnitionError as error:
        if error.reason is Reason.VerificationFailed:
            raise
        is_late = error.reason is Reason.DeadlineExceeded
        return _not_proven(task, f"it takes more than {SECONDS:g} s" if is_late else error.message)


def _not_proven(task: Task, why: str) -> Proof:
    with Journal(Path(task.log)) as journal:
        journal.warn(Warn.ConversionNotProven, why)
        return Proof(record={"proven": False, "why": why}, warnings=counted(journal.warnings))
