"""
What a model is run on to be compared or measured: numbers in the shapes of each optimization profile.

Numbers are the caller's, or drawn with a fixed seed, so that the same build is checked on the same numbers.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ignition_builder.verifying.drawing import array_of
from ignition_builder.verifying.meaning import Meaning
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import Profile

SEED = 20240229
MOST_SAMPLES = 12
"""A profile more is still run at its optimum."""
MUCH_LARGER, SMALL = 4, 2**18
"""The largest shapes of a profile are run when they hold that many times what the usual ones hold, or few."""

Meanings = Callable[[Mapping[str, Sequence[int]]], Mapping[str, Meaning]]
"""What a model's integer inputs mean, by name, when its inputs have these shapes."""

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
    """
    One set of inputs, name to array, and the index of the profile it belongs to.

    ``is_extreme`` when it has the smallest or the largest shapes, in which nobody promised that a model runs.
    """

    profile: int
    values: Mapping[str, Any]
    is_extreme: bool = False


def drawn(
    inputs: Sequence[Mapping[str, Any]],
    profiles: Sequence[Profile],
    meanings: Meanings = lambda shapes: {},
) -> list[Sample]:
    """
    Return samples in the usual shapes of each profile, first, and in its smallest and its largest.

    ``inputs`` are the model's, as ``{name, dtype, shape}``. Floats are drawn from -1 to 1, integers over what
    ``meanings`` says of them.
    """
    drawing = _Drawing(inputs, meanings)
    known = list(enumerate(profiles or (Profile({}),)))
    samples = [drawing.sample(index, profile, "opt") for index, profile in known]
    for index, profile in known:
        for end in drawing.ends(profile):
            if len(samples) < MOST_SAMPLES:
                samples.append(drawing.sample(index, profile, end))
    return samples


def smallest(
    inputs: Sequence[Mapping[str, Any]],
    profiles: Sequence[Profile],
    meanings: Meanings = lambda shapes: {},
) -> list[Sample]:
    """
    Return a sample in the smallest shapes of the first profile, as ``drawn`` draws them, and one in its usual
    shapes, for a model that does not run in these.
    """
    drawing, profile = _Drawing(inputs, meanings), next(iter(profiles), Profile({}))
    return [drawing.sample(0, profile, end) for end in ("min", "opt")]


class _Drawing:
    def __init__(self, inputs: Sequence[Mapping[str, Any]], meanings: Meanings) -> None:
        self._kinds = {item["name"]: _type_of(item) for item in inputs}
        self._inputs, self._meanings = inputs, meanings
        self._generator = np.random.default_rng(SEED)

    def sample(self, index: int, profile: Profile, end: str) -> Sample:
        """Draw numbers in the shapes at one ``end`` of a profile: min, opt or max."""
        shapes = self._shapes(profile, end)
        integers = any(np.issubdtype(kind, np.integer) for kind in self._kinds.values())
        meanings = self._meanings(shapes) if integers else {}
        reach = max(_reach(self._inputs, self._shapes(profile, "max")), _reach(self._inputs, shapes))
        values = {}
        for name, shape in shapes.items():
            kind = self._kinds[name]
            if fixed := profile.values.get(name):
                values[name] = np.array(getattr(fixed, end), dtype=kind).reshape(shape)
            else:
                values[name] = array_of(kind, shape, meanings.get(name), reach, self._generator)
        return Sample(index, values, is_extreme=end != "opt")

    def ends(self, profile: Profile) -> Iterator[str]:
        """Yield the ends of a profile that are worth a run and do not cost too much of one."""
        usual = self._shapes(profile, "opt")
        for end in ("min", "max"):
            shapes = self._shapes(profile, end)
            differs = shapes != usual or any(
                getattr(item, end) != item.opt for item in profile.values.values()
            )
            if differs and _numbers_in(shapes) <= max(SMALL, MUCH_LARGER * _numbers_in(usual)):
                yield end

    def _shapes(self, profile: Profile, end: str) -> dict[str, tuple[int, ...]]:
        return {item["name"]: _shape(item, profile, end) for item in self._inputs}


def _numbers_in(shapes: Mapping[str, Sequence[int]]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


def _reach(inputs: Sequence[Mapping[str, Any]], shapes: Mapping[str, Sequence[int]]) -> int:
    """
    Return how long a sequence is: the largest size behind the batch that a model leaves open.

    Where it leaves none, that of its integers; 0 where they have one axis or none.
    """
    behind = [
        (isinstance(declared, str), item["dtype"], size)
        for item in inputs
        for declared, size in list(zip(item["shape"] or (), shapes[item["name"]], strict=False))[1:]
    ]
    is_open = [size for free, _, size in behind if free]
    return max(is_open or [size for _, kind, size in behind if "int" in kind], default=0)


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


def _shape(item: Mapping[str, Any], profile: Profile, end: str) -> tuple[int, ...]:
    if item["name"] in profile.shapes:
        return tuple(getattr(profile.shapes[item["name"]], end))
    sizes = tuple(item["shape"] or ())
    if not all(isinstance(size, int) for size in sizes):
        raise _misfit(item["name"], f"its shape {list(sizes)} is not fixed and is in no profile")
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
        raise _misfit(item["name"], f"no values can be generated for an input of type {item['dtype']}")
    return kind


def _misfit(name: str, why: str) -> RequestError:
    return RequestError(
        Reason.VerificationFailed,
        f"{WHERE}: input {name}: {why}",
        "give an .npz file with one array for each input of the model, or leave verification.accuracy out",
    )
