"""
The matrix of releases and options: as a page of ``docs/``, and printed.

Releases with the same answers share a column. Every word of it is the product's own: the answers and the
reasons come from the truth table, checked against the inventories.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from bindings.cells import NO, ROWS, answer, cell, question_of
from bindings.inventory import Inventory, inventories
from bindings.releases import TENSORRT_RTX, Release
from ignition_hub.compatibility.option_row import OptionRow

_INTRODUCTION = """\
<!-- Generated: python -m bindings matrix docs/bindings.md -->
# Options and releases of TensorRT

Options supported by each release: one row for each option of `spec.options`, or value of it, and for each
precision and level of compatibility. **yes**: the builder sets it and reads it back. **no**: it is refused
by name before anything is built; the reasons are below. Precisions show how they are reached, **flags**:
TensorRT may use the type and chooses; **typed**: the model is converted, or already has the type, and its
types are kept.

The answers are those of the truth table (`kubectl ignition plan` gives the same), for a target of its own
product. They are checked against NVIDIA's own Python bindings: every name the builder would set was found
in each release that answers yes, and no row is without an answer. What bindings cannot prove is in
[proof.md](proof.md).
"""


@dataclass(frozen=True, slots=True)
class Column:
    """Consecutive releases of one flavor that answer alike."""

    inventories: tuple[Inventory, ...]
    answers: tuple[str, ...]

    @property
    def title(self) -> str:
        """Such as ``10.2-10.3`` or ``RTX 1.4-1.7``."""
        first, last = _short(self.inventories[0].release), _short(self.inventories[-1].release)
        prefix = "RTX " if self.inventories[0].release.flavor == TENSORRT_RTX else ""
        return prefix + (first if first == last else f"{first}\N{EN DASH}{last}")


def columns() -> tuple[Column, ...]:
    """The columns of the matrix; raises ContradictionError where the table and the bindings disagree."""
    answered = [(item, tuple(cell(row, item) for row in ROWS)) for item in inventories()]
    runs = groupby(answered, key=lambda pair: (pair[0].release.flavor, pair[1]))
    return tuple(Column(tuple(item for item, _ in run), answers) for (_, answers), run in runs)


def page() -> str:
    """The page of ``docs/``."""
    made = columns()
    parts = [
        _INTRODUCTION,
        _markdown(made),
        "## Why not\n",
        *_reasons(made),
        "",
        "## What the builder sets\n",
    ]
    parts += [*_names(), "", "## Releases read\n", *_releases()]
    return "\n".join(parts) + "\n"


def printed() -> str:
    """The matrix for a terminal, and the count of its answers."""
    made = columns()
    wide = max(len(row.name) for row in ROWS)
    lines = ["  ".join([" " * wide, *(column.title for column in made)])]
    for index, row in enumerate(ROWS):
        cells = (column.answers[index].ljust(len(column.title)) for column in made)
        lines.append("  ".join([row.name.ljust(wide), *cells]).rstrip())
    answers = [answer for column in made for answer in column.answers * len(column.inventories)]
    refused = answers.count(NO)
    lines.append(f"{len(answers)} answers: {len(answers) - refused} supported, {refused} refused, 0 unknown")
    return "\n".join(lines)


def _markdown(made: Sequence[Column]) -> str:
    lines = [
        "| option | " + " | ".join(column.title for column in made) + " |",
        "|---" * (len(made) + 1) + "|",
    ]
    for index, row in enumerate(ROWS):
        lines.append(f"| `{row.name}` | " + " | ".join(column.answers[index] for column in made) + " |")
    return "\n".join(lines) + "\n"


def _reasons(made: Sequence[Column]) -> Iterator[str]:
    for index, row in enumerate(ROWS):
        refusing = [column.inventories[0] for column in made if column.answers[index] == NO]
        said = dict.fromkeys(_reason(row, item) for item in refusing)
        if said:
            yield f"- `{row.name}`: {'; '.join(said)}."


def _reason(row: OptionRow, inventory: Inventory) -> str:
    message = answer(question_of(row), inventory).message.partition("; pool has")[0]
    return re.sub(r"^(a calibration cache as )?options\.[\w.]+(: \w+)? (was requested; )?", "", message)


def _names() -> Iterator[str]:
    for row in ROWS:
        if row.attributes:
            yield f"- `{row.name}`: {', '.join(f'`{name}`' for name in row.attributes)}"


def _releases() -> Iterator[str]:
    for flavor, run in groupby(inventories(), key=lambda item: item.release.flavor):
        yield f"- {flavor}: {', '.join(item.release.version for item in run)}"


def _short(release: Release) -> str:
    return ".".join(map(str, release.numbers[:2]))
