"""
What the free dimensions of a model are: a batch, a length, or a size that no shorthand may guess.

The names say it first, wherever a dimension stands; only where they say nothing, its position does. ONNX and
TensorRT take two dimensions of one name for one size, so one name is one thing in all inputs.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ignition_builder.checking.arithmetic import Sum, sum_in
from ignition_builder.checking.signature import ModelInput
from ignition_hub.engine.dimension_names import (
    BATCH,
    DERIVED,
    LENGTH,
    NEITHER,
    NUMBERED,
    PERHAPS_BATCH,
    said,
)

DimensionKind = str | Sum
"""``BATCH``, ``LENGTH``, ``NEITHER``, or a sum of other dimensions."""

_CERTAIN = re.compile(r"[ +*]")


@dataclass(frozen=True, slots=True)
class FreeDimensions:
    """The free dimensions of a model's inputs; ``named`` says of each name what it is."""

    inputs: Sequence[ModelInput]
    named: Mapping[str, DimensionKind]

    @classmethod
    def of(cls, inputs: Sequence[ModelInput]) -> "FreeDimensions":
        """Read the names of the inputs' dimensions."""
        names = {size for item in inputs for size in _free(item) if size}
        batches = {name for name in names if said(name) == BATCH}
        batches = batches or {name for name in names if name.lower() in PERHAPS_BATCH}
        return cls(inputs, {name: _kind(name, names, batches, inputs) for name in sorted(names)})

    def kind(self, item: ModelInput, axis: int) -> DimensionKind:
        """Return what a free dimension is: by its name, else by where it stands."""
        if name := self.name(item, axis):
            return self.named[name]
        has_batch = any(self.named.get(size) == BATCH for size in _free(item))
        return BATCH if axis == 0 and not has_batch else LENGTH

    def name(self, item: ModelInput, axis: int) -> str:
        """Return the name of a dimension, empty where it has none."""
        size = (item.shape or ())[axis]
        return size if isinstance(size, str) else ""

    def kinds(self) -> Iterator[tuple[str, DimensionKind]]:
        """Yield every free dimension as a message names it, and what it is."""
        yield from self.named.items()
        for item in self.inputs:
            for axis, size in enumerate(item.shape or ()):
                if size == "":
                    yield f"dimension {axis} of {item.name}", self.kind(item, axis)


def _kind(name: str, names: set[str], batches: set[str], inputs: Sequence[ModelInput]) -> DimensionKind:
    if name in batches:
        return BATCH
    if found := _sum(name, names):
        return found
    if DERIVED.search(name):
        return NEITHER
    if known := said(name):
        return known
    leads = any(item.shape and item.shape[0] == name and batches.isdisjoint(_free(item)) for item in inputs)
    return BATCH if leads and (not batches or NUMBERED.fullmatch(name)) else LENGTH


def _sum(name: str, names: set[str]) -> Sum | None:
    """Read a name as a sum, unless it may as well be a word with a hyphen: ``batch-size``."""
    found = sum_in(name)
    is_certain = found is not None and (names.issuperset(found.names) or bool(_CERTAIN.search(name)))
    return found if is_certain else None


def _free(item: ModelInput) -> Iterator[str]:
    return (size for size in item.shape or () if isinstance(size, str))
