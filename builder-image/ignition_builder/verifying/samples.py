"""
What a model is run on to be compared or measured: one sample for each optimization profile.

Numbers are the caller's, or drawn with a fixed seed, so that the same build is checked on the same numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import Profile

SEED = 20240229
LARGEST_INDEX = 2
"""Integers are mostly indices, and 0 and 1 are indices of nearly everything."""

_TYPES: Mapping[str, Any] = {
    "float": np.float32,
    "float16": np.float16,
    "double": np.float64,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "bool": np.bool_,
}

WHERE = "verification.accuracy.inputs"


@dataclass(frozen=True, slots=True)
class Sample:
    """One set of inputs, name to array, and the index of the profile it belongs to."""

    profile: int
    values: Mapping[str, Any]


def drawn(inputs: Sequence[Mapping[str, Any]], profiles: Sequence[Profile]) -> list[Sample]:
    """
    Return a sample in the optimal shapes of each profile; one when there are none.

    ``inputs`` are the model's, as ``{name, dtype, shape}``. Floats are drawn from -1 to 1.
    """
    generator = np.random.default_rng(SEED)
    return [
        Sample(index, {item["name"]: _drawn(item, profile, generator) for item in inputs})
        for index, profile in enumerate(profiles or (Profile({}),))
    ]


def given(
    arrays: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]], profiles: Sequence[Profile]
) -> list[Sample]:
    """
    Return the caller's own sample, for the first profile that its shapes fit.

    Raises RequestError (VerificationFailed) naming the input that is missing, unknown, of another type or
    outside every profile.
    """
    known = {item["name"]: item for item in inputs}
    if unknown := sorted(set(arrays) - set(known)):
        raise _misfit(unknown[0], f"the model has no such input; it has {', '.join(known) or 'none'}")
    values = {name: _checked(item, arrays.get(name)) for name, item in known.items()}
    for index, profile in enumerate(profiles or (Profile({}),)):
        if all(_within(profile, name, value.shape) for name, value in values.items()):
            return [Sample(index, values)]
    outside = next(name for name, value in values.items() if not _within(profiles[0], name, value.shape))
    raise _misfit(outside, f"shape {list(values[outside].shape)} is in no optimization profile")


def _drawn(item: Mapping[str, Any], profile: Profile, generator: Any) -> Any:
    name, kind = item["name"], _type_of(item)
    if values := profile.values.get(name):
        return np.array(values.opt, dtype=kind).reshape(_shape(item, profile))
    shape = _shape(item, profile)
    if kind is np.bool_:
        return generator.integers(0, 2, shape).astype(kind)
    if np.issubdtype(kind, np.integer):
        return generator.integers(0, LARGEST_INDEX, shape).astype(kind)
    return generator.uniform(-1.0, 1.0, shape).astype(kind)


def _shape(item: Mapping[str, Any], profile: Profile) -> tuple[int, ...]:
    if item["name"] in profile.shapes:
        return tuple(profile.shapes[item["name"]].opt)
    sizes = tuple(item["shape"] or ())
    if not all(isinstance(size, int) for size in sizes):
        raise _misfit(item["name"], f"its shape {list(sizes)} is not fixed and no profile says it")
    return sizes


def _checked(item: Mapping[str, Any], value: Any) -> Any:
    if value is None:
        raise _misfit(item["name"], "the file has no array of this name")
    if value.dtype != _type_of(item):
        raise _misfit(item["name"], f"the array is {value.dtype}, the model takes {item['dtype']}")
    shape = item["shape"]
    if shape is not None and not _fits(shape, value.shape):
        raise _misfit(item["name"], f"the array has shape {list(value.shape)}, the model takes {list(shape)}")
    return value


def _fits(wanted: Sequence[int | str], shape: Sequence[int]) -> bool:
    if len(wanted) != len(shape):
        return False
    return all(isinstance(fixed, str) or fixed == size for fixed, size in zip(wanted, shape, strict=True))


def _within(profile: Profile, name: str, shape: Sequence[int]) -> bool:
    wanted = profile.shapes.get(name)
    if wanted is None:
        return True
    if len(wanted.min) != len(shape):
        return False
    sizes = zip(wanted.min, shape, wanted.max, strict=True)
    return all(low <= size <= high for low, size, high in sizes)


def _type_of(item: Mapping[str, Any]) -> Any:
    kind = _TYPES.get(item["dtype"])
    if kind is None:
        raise _misfit(item["name"], f"no numbers can be made for an input of type {item['dtype']}")
    return kind


def _misfit(name: str, why: str) -> RequestError:
    return RequestError(
        Reason.VerificationFailed,
        f"{WHERE}: input {name}: {why}",
        "give an .npz file with one array for each input of the model, or leave verification.accuracy out",
    )
