"""
Fill free dimensions from a profile's shorthand: ``batchSize`` and ``maxSequenceLength``.

``batchSize`` is axis 0 of every input where that is free; ``maxSequenceLength`` is every other free
dimension, from 1 to itself and tuned for itself. What ``shapes`` says wins over both.
"""

from collections.abc import Sequence

from ignition_builder.checking.signature import ModelInput, listed, misfit
from ignition_hub.engine.identity import BatchRange, Profile, ShapeRange


def check_shorthand(where: str, profile: Profile, inputs: Sequence[ModelInput]) -> None:
    """Raise RequestError (InvalidProfile) for a shorthand that is wrong in itself or says nothing here."""
    batch, length = profile.batch_size, profile.max_sequence_length
    if batch is not None:
        _check_batch(f"{where}.batchSize", batch, inputs)
    if length is not None:
        _check_length(f"{where}.maxSequenceLength", length, inputs)


def filled(where: str, profile: Profile, item: ModelInput) -> ShapeRange:
    """Return the range of a dynamic input that ``shapes`` leaves out; RequestError when nothing says it."""
    if item.shape is None:
        raise misfit(
            f"{where}.shapes: says nothing of {item}, and the model does not say its rank",
            f"give min, opt and max for it in shapes.{item.name}",
        )
    sizes = [_size(profile, axis, size) for axis, size in enumerate(item.shape)]
    if any(size is None for size in sizes):
        raise misfit(
            f"{where}.shapes: says nothing of {item}", f"give min, opt and max for it{_hint(profile)}"
        )
    low, usual, high = zip(*(size for size in sizes if size is not None), strict=True)
    return ShapeRange(min=low, opt=usual, max=high)


def _size(profile: Profile, axis: int, size: int | str) -> tuple[int, int, int] | None:
    if isinstance(size, int):
        return size, size, size
    if axis == 0:
        batch = profile.batch_size
        return None if batch is None else (batch.min, batch.opt, batch.max)
    length = profile.max_sequence_length
    return None if length is None else (1, length, length)


def _hint(profile: Profile) -> str:
    unused = [
        *(["batchSize for its first dimension"] if profile.batch_size is None else []),
        *(["maxSequenceLength for the others"] if profile.max_sequence_length is None else []),
    ]
    return f", or {' and '.join(unused)}" if unused else ""


def _check_batch(where: str, batch: BatchRange, inputs: Sequence[ModelInput]) -> None:
    if not 0 < batch.min <= batch.opt <= batch.max:
        raise misfit(
            f"{where}: has min {batch.min}, opt {batch.opt}, max {batch.max}",
            "order them 1 <= min <= opt <= max",
        )
    leading = [item.shape[0] if item.shape else "" for item in inputs if item.shape != ()]
    # A model that fixes just this batch has what was asked for.
    if batch.min == batch.max and batch.max in leading:
        return
    if not any(isinstance(size, str) for size in leading):
        raise misfit(
            f"{where}: the model fixes the first dimension of {listed(inputs)}",
            "leave it out, or export the model with a free first dimension",
        )


def _check_length(where: str, length: int, inputs: Sequence[ModelInput]) -> None:
    if length < 1:
        raise misfit(f"{where}: {length} is no length", "lengths are 1 or more")
    if not any(_later_free(item) for item in inputs):
        raise misfit(
            f"{where}: no input has a free dimension after the first: {listed(inputs)}",
            "leave it out, or export the model with a free dimension",
        )


def _later_free(item: ModelInput) -> bool:
    return item.shape is None or any(isinstance(size, str) for size in item.shape[1:])
