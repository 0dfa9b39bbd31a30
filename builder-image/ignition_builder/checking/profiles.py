"""
Resolve optimization profiles against the inputs of a model, before TensorRT sees either.

TensorRT's own message names no input and says no remedy; these name both. Nothing here needs ONNX. What comes
out has ranges for every free dimension and no shorthand any more.
"""

import math
from collections.abc import Mapping, Sequence

from ignition_builder.checking.shorthand import check_shorthand, filled
from ignition_builder.checking.signature import ModelInput, listed, misfit
from ignition_builder.checking.sizes import DimensionSizes
from ignition_hub.engine.identity import Profile, ShapeRange

MOST_DIMENSIONS = 8
"""``Dims.MAX_DIMS``, read from the bindings."""
LARGEST = 2**31 - 1
"""Largest size of a dimension, and largest value of a shape tensor in a profile: int32 (documentation)."""
MOST_ELEMENTS = 2**40
"""No GPU holds a tensor of that many elements; below it products of sizes are what somebody may mean."""
VALUE_TYPES = ("int32", "int64")
_KINDS = ("min", "opt", "max")


def resolved(profiles: Sequence[Profile], inputs: Sequence[ModelInput]) -> tuple[Profile, ...]:
    """
    Return ``profiles`` with a range for every free dimension; only ``shapes`` and ``values`` are left.

    Raises RequestError (InvalidProfile) naming the first thing in which a profile misfits the model.
    """
    dynamic = [item for item in inputs if item.dynamic]
    if dynamic and not profiles:
        raise misfit(
            f"the inputs {listed(dynamic)} have free dimensions and profiles is empty",
            "add one profile with min, opt and max for each of them, or with batchSize and maxSequenceLength",
        )
    return tuple(_resolved(f"profiles[{index}]", profile, inputs) for index, profile in enumerate(profiles))


def _resolved(where: str, profile: Profile, inputs: Sequence[ModelInput]) -> Profile:
    known = {item.name: item for item in inputs}
    for name, wanted in profile.shapes.items():
        _check_range(f"{where}.shapes.{name}", wanted, _known(f"{where}.shapes.{name}", name, known))
    for name, wanted in profile.values.items():
        _check_values(f"{where}.values.{name}", wanted, _known(f"{where}.values.{name}", name, known))
    check_shorthand(where, profile, inputs)
    shapes, sizes = dict(profile.shapes), DimensionSizes.of(profile, inputs)
    for item in inputs:
        if item.name not in shapes and item.dynamic:
            shapes[item.name] = filled(where, sizes, item)
            _check_range(f"{where}: {item}", shapes[item.name], item)
    _check_agreement(where, shapes, known)
    return Profile(shapes=shapes, values=dict(profile.values))


def _known(where: str, name: str, inputs: Mapping[str, ModelInput]) -> ModelInput:
    if name not in inputs:
        raise misfit(f"{where}: the model has no such input", f"it has {listed(inputs.values())}")
    return inputs[name]


def _check_range(where: str, wanted: ShapeRange, actual: ModelInput) -> None:
    for kind in _KINDS:
        sizes: tuple[int, ...] = getattr(wanted, kind)
        if actual.shape is not None and len(sizes) != len(actual.shape):
            raise misfit(
                f"{where}.{kind}: {list(sizes)} has {len(sizes)} dimensions, the input is {actual}",
                f"give {len(actual.shape)} numbers",
            )
        _check_sizes(f"{where}.{kind}", sizes, actual)
    _check_order(where, wanted, "dimension")


def _check_order(where: str, wanted: ShapeRange, noun: str) -> None:
    if not len(wanted.min) == len(wanted.opt) == len(wanted.max):
        raise misfit(f"{where}: min, opt and max have different ranks", "give each the same rank")
    for axis, (low, usual, high) in enumerate(zip(wanted.min, wanted.opt, wanted.max, strict=True)):
        if not low <= usual <= high:
            raise misfit(
                f"{where}: {noun} {axis} has min {low}, opt {usual}, max {high}",
                "order them min <= opt <= max",
            )


def _check_sizes(where: str, sizes: tuple[int, ...], actual: ModelInput) -> None:
    if len(sizes) > MOST_DIMENSIONS:
        raise misfit(
            f"{where}: {len(sizes)} dimensions", f"TensorRT's tensors have at most {MOST_DIMENSIONS}"
        )
    for axis, size in enumerate(sizes):
        fixed = actual.shape[axis] if actual.shape is not None else ""
        if isinstance(fixed, int) and size != fixed:
            raise misfit(
                f"{where}: dimension {axis} is {size}, the model fixes it at {fixed} in {actual}",
                f"write {fixed}, or export the model with this dimension free",
            )
        if not 0 <= size <= LARGEST:
            raise misfit(f"{where}: dimension {axis} is {size}", f"sizes are 0 to {LARGEST}")
    if math.prod(sizes) > MOST_ELEMENTS:
        raise misfit(
            f"{where}: {list(sizes)} are {math.prod(sizes)} elements", "use a shape that GPUs can hold"
        )


def _check_values(where: str, wanted: ShapeRange, actual: ModelInput) -> None:
    if actual.dtype not in VALUE_TYPES:
        raise misfit(
            f"{where}: the input holds {actual.dtype}, and only integers can be a shape",
            f"give its shape in shapes.{actual.name}",
        )
    _check_order(where, wanted, "element")
    rank = None if actual.shape is None else len(actual.shape)
    if rank is not None and rank > 1:
        raise misfit(f"{where}: the input is {actual}", "a shape tensor has one dimension, or none")
    fixed = 1 if rank == 0 else actual.shape[0] if actual.shape else ""
    if isinstance(fixed, int) and len(wanted.min) != fixed:
        raise misfit(
            f"{where}: {len(wanted.min)} values, the input {actual} holds {fixed}", f"give {fixed} values"
        )
    for value in (*wanted.min, *wanted.max):
        if not -LARGEST - 1 <= value <= LARGEST:
            raise misfit(f"{where}: {value} is not an int32", f"values are {-LARGEST - 1} to {LARGEST}")


def _check_agreement(where: str, shapes: Mapping[str, ShapeRange], inputs: Mapping[str, ModelInput]) -> None:
    """Refuse two usual sizes for one named dimension: no call could have both."""
    seen: dict[str, tuple[str, int]] = {}
    for name, wanted in shapes.items():
        for size, usual in zip(inputs[name].shape or (), wanted.opt, strict=False):
            if not isinstance(size, str) or not size:
                continue
            other, before = seen.setdefault(size, (name, usual))
            if before != usual:
                raise misfit(
                    f"{where}: dimension {size} has opt {before} in {other} and opt {usual} in {name}",
                    "the model gives both the same name, so give both the same size",
                )
