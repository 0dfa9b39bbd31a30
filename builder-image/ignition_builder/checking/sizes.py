"""
How large a profile wants a free dimension: as ``shapes`` says of its name, else as the shorthand for its
kind does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ignition_builder.checking.arithmetic import Sum
from ignition_builder.checking.dimensions import FreeDimensions
from ignition_builder.checking.signature import ModelInput
from ignition_hub.engine.dimension_names import BATCH, LENGTH, said
from ignition_hub.engine.identity import Profile

Size = tuple[int, int, int]
"""min, opt and max of one dimension."""


@dataclass(frozen=True, slots=True)
class DimensionSizes:
    """What a profile says of the dimensions of a model; ``given`` is what ``shapes`` says, by their names."""

    profile: Profile
    dimensions: FreeDimensions
    given: Mapping[str, Size]

    @classmethod
    def of(cls, profile: Profile, inputs: Sequence[ModelInput]) -> "DimensionSizes":
        """Put a profile to the inputs of a model."""
        given: dict[str, Size] = {}
        for item in inputs:
            for name, size in _named(profile, item):
                given.setdefault(name, size)
        return cls(profile, FreeDimensions.of(inputs), given)

    def size(self, item: ModelInput, axis: int) -> Size | None:
        """Return the size of one dimension; None when nothing says it."""
        size = (item.shape or ())[axis]
        if isinstance(size, int):
            return size, size, size
        if size in self.given:
            return self.given[size]
        kind = self.dimensions.kind(item, axis)
        return self._of_sum(kind) if isinstance(kind, Sum) else self._of_kind(kind)

    def _of_kind(self, kind: str) -> Size | None:
        batch, length = self.profile.batch_size, self.profile.max_sequence_length
        if kind == BATCH and batch is not None:
            return batch.min, batch.opt, batch.max
        return (1, length, length) if kind == LENGTH and length is not None else None

    def _of_sum(self, total: Sum) -> Size | None:
        """Return the sum of the smallest sizes, of the usual and of the largest: so TensorRT meets them."""
        parts = {name: self._of_name(name) for name in total.names}
        found = [
            total.at({name: size[kind] for name, size in parts.items() if size is not None})
            for kind in range(3)
        ]
        low, usual, high = (-1 if size is None else size for size in found)
        return (low, usual, high) if 0 <= low <= usual <= high else None

    def _of_name(self, name: str) -> Size | None:
        kind = self.dimensions.named.get(name, said(name))
        return self.given.get(name) or (None if isinstance(kind, Sum) else self._of_kind(kind))


def _named(profile: Profile, item: ModelInput) -> Iterator[tuple[str, Size]]:
    if wanted := profile.shapes.get(item.name):
        for size, *sizes in zip(item.shape or (), wanted.min, wanted.opt, wanted.max, strict=False):
            if isinstance(size, str) and size:
                low, usual, high = sizes
                yield size, (low, usual, high)
