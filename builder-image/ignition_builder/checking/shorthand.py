"""
Fill free dimensions from a profile's shorthand: ``batchSize`` and ``maxSequenceLength``.

``batchSize`` is every dimension that is a batch, ``maxSequenceLength`` every length, from 1 to itself and
tuned for itself; ``dimensions`` says which is which. What ``shapes`` says wins over both, for every dimension
of the same name, and a dimension whose name is a sum of others is their sum.
"""

from collections.abc import Sequence

from ignition_builder.checking.arithmetic import Sum
from ignition_builder.checking.dimensions import DimensionKind, FreeDimensions
from ignition_builder.checking.signature import ModelInput, listed, misfit
from ignition_builder.checking.sizes import DimensionSizes
from ignition_hub.engine.dimension_names import BATCH, LENGTH, NEITHER, said
from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.identity import BatchRange, Profile, ShapeRange

FIELDS = {BATCH: "batchSize", LENGTH: "maxSequenceLength"}


def check_shorthand(where: str, profile: Profile, inputs: Sequence[ModelInput]) -> None:
    """Raise RequestError (InvalidProfile) for a shorthand that is wrong in itself or says nothing here."""
    batch, length, dimensions = profile.batch_size, profile.max_sequence_length, FreeDimensions.of(inputs)
    if batch is not None:
        _check_batch(f"{where}.batchSize", batch, dimensions)
    if length is not None:
        _check_length(f"{where}.maxSequenceLength", length, dimensions)


def filled(where: str, sizes: DimensionSizes, item: ModelInput) -> ShapeRange:
    """Return the range of a dynamic input that ``shapes`` leaves out; RequestError when nothing says it."""
    if item.shape is None:
        raise misfit(
            f"{where}.shapes: no entry for {item}, and the model does not say its rank",
            f"give min, opt and max for it in shapes.{item.name}",
        )
    found = {axis: sizes.size(item, axis) for axis in range(len(item.shape))}
    known = [size for size in found.values() if size is not None]
    if len(known) < len(found) or not _taken(sizes):
        raise _unsaid(where, sizes, item, [axis for axis, size in found.items() if size is None])
    low, usual, high = zip(*known, strict=True)
    return ShapeRange(min=low, opt=usual, max=high)


def _unsaid(where: str, sizes: DimensionSizes, item: ModelInput, axes: Sequence[int]) -> RequestError:
    """Build the error for an input with dimensions that nothing says: name them, and what could."""
    kinds = {
        sizes.dimensions.name(item, axis) or f"dimension {axis}": sizes.dimensions.kind(item, axis)
        for axis in axes
    }
    odd = [name for name, kind in kinds.items() if kind not in FIELDS]
    why = f", and no shorthand covers {' and '.join(odd)}" if odd else ""
    taken = f" ({', '.join(_taken(sizes))})" if odd and _taken(sizes) else ""
    return misfit(
        f"{where}.shapes: no entry for {item}{why}{taken}",
        f"give min, opt and max for it in shapes.{item.name}{'' if odd else _ways(kinds)}",
    )


def _taken(sizes: DimensionSizes) -> list[str]:
    """Say of each shorthand in use what it stands for."""
    used = {BATCH: sizes.profile.batch_size, LENGTH: sizes.profile.max_sequence_length}
    return [
        f"{FIELDS[kind]} is for {', '.join(name for name, its in sizes.dimensions.kinds() if its == kind)}"
        for kind, value in used.items()
        if value is not None
    ]


def _ways(kinds: dict[str, DimensionKind]) -> str:
    unused = [
        f"{field} for {', '.join(name for name, its in kinds.items() if its == kind)}"
        for kind, field in FIELDS.items()
        if kind in kinds.values()
    ]
    return f", or {' and '.join(unused)}" if unused else ""


def _check_batch(where: str, batch: BatchRange, dimensions: FreeDimensions) -> None:
    if not 0 < batch.min <= batch.opt <= batch.max:
        raise misfit(
            f"{where}: has min {batch.min}, opt {batch.opt}, max {batch.max}",
            "order them 1 <= min <= opt <= max",
        )
    leading = [item.shape[0] for item in dimensions.inputs if item.shape]
    # A model that fixes just this batch has what was asked for.
    if _may_fill(BATCH, dimensions) or (batch.min == batch.max and batch.max in leading):
        return
    is_free = any(isinstance(size, str) for size in leading)
    raise misfit(
        f"{where}: {'no dimension is a batch in' if is_free else 'the model fixes the first dimension of'} "
        f"{listed(dimensions.inputs)}",
        f"leave it out{_instead(dimensions)}, or export the model with a free dimension named batch",
    )


def _check_length(where: str, length: int, dimensions: FreeDimensions) -> None:
    if length < 1:
        raise misfit(f"{where}: {length} is not a length", "lengths are 1 or more")
    if not _may_fill(LENGTH, dimensions):
        raise misfit(
            f"{where}: no free dimension is a length in {listed(dimensions.inputs)}",
            f"leave it out{_instead(dimensions)}, or export the model with a free dimension",
        )


def _may_fill(kind: str, dimensions: FreeDimensions) -> bool:
    """Tell whether a shorthand has anything to say; an input without a rank may hold anything."""
    kinds = [its for _, its in dimensions.kinds()]
    parts = [said(name) for its in kinds if isinstance(its, Sum) for name in its.names]
    return kind in kinds or kind in parts or any(item.shape is None for item in dimensions.inputs)


def _instead(dimensions: FreeDimensions) -> str:
    odd = [
        f"shapes.{item.name}"
        for item in dimensions.inputs
        if any(dimensions.named.get(str(size)) == NEITHER for size in item.shape or ())
    ]
    return f" and give min, opt and max in {', '.join(odd)}" if odd else ""
