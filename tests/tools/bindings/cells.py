"""
One cell of the matrix: may this option be asked of this release, by the product's own truth table?

The truth table answers (``compatibility.verdict``), the inventory is its witness: a cell whose answer the
bindings contradict is an error, never a third kind of answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bindings.inventory import Inventory
from bindings.releases import TENSORRT_RTX
from faketensorrt.plans import four_numbers
from ignition_hub.compatibility.option_row import OptionRow
from ignition_hub.compatibility.options import LEVEL_ROWS, OPTION_ROWS, WEAK_TYPE_ROWS
from ignition_hub.compatibility.support_matrix import is_strongly_typed
from ignition_hub.compatibility.verdict import Ask, PoolFacts, Verdict, verdict
from ignition_hub.engine.identity import AMPERE_PLUS, SAME_COMPUTE_CAPABILITY, Target

YES, NO = "yes", "no"
FLAGS, TYPED = "flags", "typed"
"""How a precision is reached: TensorRT is told by flags, or the model's types hold."""

_LEVELS = {f"compatibility.{level}": level for level in (AMPERE_PLUS, SAME_COMPUTE_CAPABILITY)}
_PRECISION_OF = {"calibration": "int8", "calibration.cache": "int8"}
_ARCH, _FP4_ARCHS = "sm_89", {False: "sm_100", True: "sm_120"}


class ContradictionError(Exception):
    """The truth table and NVIDIA's bindings do not agree."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one release."""

    precision: str = "fp32"
    options: Mapping[str, Any] = field(default_factory=dict)
    compatibility: str = "Product"


def question_of(row: OptionRow) -> Question:
    """The plainest request that asks for ``row``."""
    if row in WEAK_TYPE_ROWS:
        return Question(precision=row.part)
    if row in LEVEL_ROWS:
        return Question(compatibility=_LEVELS[row.name])
    return Question(precision=_PRECISION_OF.get(row.name, "fp32"), options={row.option: row.example})


def answer(question: Question, inventory: Inventory) -> Verdict:
    """What the truth table says when one pool of a GPU, or of CPUs for RTX, has this release alone."""
    release = inventory.release
    rtx = release.flavor == TENSORRT_RTX
    arch = _FP4_ARCHS[rtx] if question.precision == "fp4" else _ARCH
    version = ".".join(map(str, four_numbers(release.version)))
    product = None if rtx else "NVIDIA-L4" if arch == _ARCH else "NVIDIA-B200"
    pool = PoolFacts("pool", release.flavor, (version,), (arch,), product, ahead_of_time=rtx)
    level = SAME_COMPUTE_CAPABILITY if rtx and question.compatibility == "Product" else question.compatibility
    target = Target("target", arch, product, level)
    return verdict(pool, Ask(question.precision, release.flavor, None, question.options, target))


def cell(row: OptionRow, inventory: Inventory) -> str:
    """
    The matrix's word for ``row`` and one release.

    Raises:
        ContradictionError: it is allowed and the bindings lack what the builder would set.
    """
    said = answer(question_of(row), inventory)
    if not said.ok:
        return NO
    release = inventory.release
    strong = row in WEAK_TYPE_ROWS and is_strongly_typed(release.flavor, release.version)
    lacking = [name for name in row.attributes if not inventory.has(name)]
    if lacking and not strong:
        raise ContradictionError(
            f"{release.flavor} {release.version}: {row.name} is allowed and lacks {', '.join(lacking)}"
        )
    if row in WEAK_TYPE_ROWS:
        return TYPED if strong else FLAGS
    return YES


ROWS: tuple[OptionRow, ...] = (*WEAK_TYPE_ROWS, *LEVEL_ROWS, *OPTION_ROWS)
"""Everything the matrix asks."""
