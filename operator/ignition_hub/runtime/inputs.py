"""
Do these inputs fit the engine, and under which optimization profile? Pure; asked before every enqueue.

Whoever sends a request wants to know which input was wrong: this names it, with what was given, every profile
it missed, and the nearest shape that would fit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ignition_hub.engine.identity import Profile, ShapeRange
from ignition_hub.engine.manifest import Manifest
from ignition_hub.runtime.errors import InputRefused
from ignition_hub.runtime.tensors import (
    FREE,
    Given,
    Tensor,
    given_of,
    profiles_of,
    profiles_of_engine,
    spelt,
    tensors_of,
    tensors_of_engine,
)


@dataclass(frozen=True, slots=True)
class ProfileMismatch:
    """One input outside one profile; ``nearest`` is its shape (or values) moved into the range."""

    name: str
    what: str
    given: tuple[int, ...]
    nearest: tuple[int, ...]

    @property
    def distance(self) -> float:
        """How far it has to be moved: the sum over dimensions of the ratio, as a logarithm."""
        if len(self.given) != len(self.nearest):
            return math.inf
        return sum(_ratio(size, near) for size, near in zip(self.given, self.nearest, strict=True))


@dataclass(frozen=True, slots=True)
class InputChecker:
    """The inputs of one engine and its profiles; an engine without profiles has fixed shapes."""

    tensors: tuple[Tensor, ...]
    profiles: tuple[Profile, ...]

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> "InputChecker":
        """Return the checker of a published engine, which needs neither GPU nor TensorRT."""
        return cls(tensors_of(manifest), profiles_of(manifest))

    @classmethod
    def of_engine(cls, engine: Any, trt: Any, manifest: Manifest | None = None) -> "InputChecker":
        """
        Return the checker of a deserialised engine; ``trt`` is the module it came from.

        Ranges of what shape tensors hold are taken from the manifest: they were asked for by value.
        """
        recorded = profiles_of(manifest) if manifest else ()
        values = [profile.values for profile in recorded]
        profiles = profiles_of_engine(engine, trt)
        if len(values) == len(profiles):
            profiles = tuple(
                replace(profile, values=held) for profile, held in zip(profiles, values, strict=True)
            )
        return cls(tensors_of_engine(engine, trt), profiles)

    def check(self, arrays: Mapping[str, Any]) -> int:
        """Return the index of the profile to run ``arrays`` (by input name) under; raise InputRefused."""
        by_value = {name for profile in self.profiles for name in profile.values}
        return self.profile_for(
            {name: _described(name, array, with_values=name in by_value) for name, array in arrays.items()}
        )

    def profile_for(self, given: Mapping[str, Given]) -> int:
        """
        Return the index of the profile that holds all of ``given``; of several, the one tuned nearest.

        Raises InputRefused for the first input that is missing, unknown, of another type or outside.
        """
        self._require_names(given)
        for tensor in self.tensors:
            _require_type(tensor, given[tensor.name])
            _require_fixed_sizes(tensor, given[tensor.name])
        mismatches = [_mismatches(profile, given) for profile in self.profiles]
        fitting = [index for index, found in enumerate(mismatches) if not found]
        if mismatches and not fitting:
            raise self._outside(mismatches)
        return min(fitting, key=lambda index: _off_opt(self.profiles[index], given), default=0)

    def _require_names(self, given: Mapping[str, Given]) -> None:
        known = {tensor.name for tensor in self.tensors}
        unknown = [name for name in given if name not in known]
        if unknown:
            raise InputRefused(
                f"input {unknown[0]!r}: the engine has no such input",
                f"its inputs are {'; '.join(map(str, self.tensors)) or 'none'}",
                name=unknown[0],
            )
        for tensor in self.tensors:
            if tensor.name not in given:
                raise InputRefused(f"input {tensor.name!r} is missing", f"pass it as {tensor}")

    def _outside(self, mismatches: Sequence[list[ProfileMismatch]]) -> InputRefused:
        """Speak of the profile that the least has to be changed for."""
        near = min(mismatches, key=lambda found: sum(mismatch.distance for mismatch in found))
        first = near[0]
        missed = "; ".join(
            f"profile {index} takes {_spelt_range(first, profile)}"
            for index, profile in enumerate(self.profiles)
        )
        changes = ", ".join(f"{mismatch.name} {mismatch.what} {spelt(mismatch.nearest)}" for mismatch in near)
        return InputRefused(
            f"input {first.name!r}: {first.what} {spelt(first.given)} is outside every profile: {missed}",
            f"the nearest that fits: {changes}; or build with a profile that covers it",
            name=first.name,
            nearest={mismatch.name: mismatch.nearest for mismatch in near if mismatch.what == "shape"},
        )


def _described(name: str, array: Any, *, with_values: bool) -> Given:
    try:
        return given_of(array, with_values=with_values)
    except TypeError as error:
        raise InputRefused(
            f"input {name!r} is not an array: {error}", "pass a NumPy, PyTorch or CuPy array", name=name
        ) from error


def _require_type(tensor: Tensor, given: Given) -> None:
    if given.dtype != tensor.dtype:
        raise InputRefused(
            f"input {tensor.name!r}: type is {given.dtype}, but the engine expects {tensor.dtype}",
            f"convert it to {tensor.dtype}",
            name=tensor.name,
        )


def _require_fixed_sizes(tensor: Tensor, given: Given) -> None:
    if tensor.shape is None:
        return
    if len(given.shape) != len(tensor.shape):
        raise InputRefused(
            f"input {tensor.name!r}: shape {spelt(given.shape)} has {len(given.shape)} dimensions, "
            f"the engine expects {spelt(tensor.shape)}",
            f"give {len(tensor.shape)} dimensions",
            name=tensor.name,
        )
    sizes = zip(given.shape, tensor.shape, strict=True)
    wrong = [axis for axis, (size, wanted) in enumerate(sizes) if wanted not in (FREE, size)]
    if wrong:
        axis = wrong[0]
        raise InputRefused(
            f"input {tensor.name!r}: shape {spelt(given.shape)} has {given.shape[axis]} in dimension {axis}, "
            f"the engine expects {spelt(tensor.shape)}",
            f"dimension {axis} was fixed to {tensor.shape[axis]} when the engine was built",
            name=tensor.name,
        )


def _mismatches(profile: Profile, given: Mapping[str, Given]) -> list[ProfileMismatch]:
    """Return what lies outside a profile, in the order in which the profile names it."""
    asked = [(name, "shape", given[name].shape, limits) for name, limits in _shared(profile.shapes, given)]
    asked += [
        (name, "values", given[name].values or (), limits) for name, limits in _shared(profile.values, given)
    ]
    return [
        ProfileMismatch(name, what, actual, near)
        for name, what, actual, limits in asked
        if (near := _moved_into(actual, limits)) != actual
    ]


def _shared(ranges: Mapping[str, ShapeRange], given: Mapping[str, Given]) -> list[tuple[str, ShapeRange]]:
    return [(name, limits) for name, limits in ranges.items() if name in given]


def _moved_into(sizes: tuple[int, ...], limits: ShapeRange) -> tuple[int, ...]:
    if len(sizes) != len(limits.min):
        return limits.opt
    bounds = zip(sizes, limits.min, limits.max, strict=True)
    return tuple(min(max(size, low), high) for size, low, high in bounds)


def _off_opt(profile: Profile, given: Mapping[str, Given]) -> float:
    """Tell how far from its tuned shapes a profile would run."""
    return sum(
        _ratio(size, opt)
        for name, limits in _shared(profile.shapes, given)
        for size, opt in zip(given[name].shape, limits.opt, strict=True)
    )


def _ratio(one: int, other: int) -> float:
    return abs(math.log((abs(one) + 1) / (abs(other) + 1)))


def _spelt_range(mismatch: ProfileMismatch, profile: Profile) -> str:
    ranges = profile.shapes if mismatch.what == "shape" else profile.values
    limits = ranges.get(mismatch.name)
    return f"{spelt(limits.min)} to {spelt(limits.max)}" if limits else "any"
