"""
Read calibration data: an .npz file with one array for every input of the model.

The file is a stranger's: names, types and shapes are checked against the model before anything is computed
from them.
"""

import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ignition_builder.arrays import load_arrays
from ignition_builder.checking.signature import ModelInput
from ignition_hub.engine.errors import Reason, RequestError

CACHE_BEGINS = b"TRT-"
"""How a cache of TensorRT's own calibrators begins (NVIDIA documentation)."""
WHERE = "options.calibration"

_NUMPY_NAMES = {"float": "float32", "double": "float64"}
_HOW = "np.savez(path, **{input name: array whose first axis counts the samples})"


@dataclass(frozen=True, slots=True)
class Samples:
    """Calibration data: ``count`` feeds, each a mapping from input name to an array."""

    count: int
    _arrays: Mapping[str, Any]
    _batches: Mapping[str, int]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for index in range(self.count):
            yield {name: self._feed(name, index) for name in self._arrays}

    def _feed(self, name: str, index: int) -> Any:
        array, batch = self._arrays[name], self._batches[name]
        return np.array(array[index] if not batch else array[index * batch : (index + 1) * batch])


def is_calibration_cache(path: Path) -> bool:
    """Whether the file is a cache that a TensorRT calibrator wrote, and no data."""
    with path.open("rb") as file:
        return file.read(len(CACHE_BEGINS)) == CACHE_BEGINS


def read_samples(path: Path, inputs: Sequence[ModelInput]) -> Samples:
    """
    Return the samples in ``path``.

    An array has the input's rank, and is cut along its first axis into pieces of the input's batch (1 where
    that is free), or one axis more, and its first axis counts whole feeds. Raises RequestError
    (InvalidRequest) naming the input and what would fit.
    """
    arrays = load_arrays(path, WHERE)
    _check_names(arrays, inputs)
    batches = {item.name: _batch_of(item, arrays[item.name]) for item in inputs}
    counts = {name: len(arrays[name]) // (batch or 1) for name, batch in batches.items()}
    if len(set(counts.values())) > 1:
        raise _refusal(f"its inputs have different numbers of samples: {counts}", "give each the same number")
    count = next(iter(counts.values()), 0)
    if not count:
        raise _refusal("it contains no samples", _HOW)
    return Samples(count, arrays, batches)


def first_sample(path: Path, inputs: Sequence[ModelInput]) -> dict[str, Any]:
    """Return the first of ``read_samples``, which was content with the file, and read no more than that."""
    with zipfile.ZipFile(path) as archive:
        return {item.name: _first(archive, item) for item in inputs}


def _first(archive: zipfile.ZipFile, item: ModelInput) -> Any:
    with archive.open(f"{item.name}.npy") as file:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, by_columns, kind = read(file)
        if by_columns:
            file.seek(0)
            array = np.lib.format.read_array(file, allow_pickle=False)
            batch = _batch_of(item, array)
            return np.array(array[:batch] if batch else array[0])
        # An array of these sizes that takes no memory.
        batch = _batch_of(item, np.broadcast_to(np.zeros((), kind), shape))
        sizes = (batch, *shape[1:]) if batch else shape[1:]
        content = file.read(math.prod(sizes) * kind.itemsize)
        return np.frombuffer(content, kind).reshape(sizes)


def _check_names(arrays: Mapping[str, Any], inputs: Sequence[ModelInput]) -> None:
    wanted = {item.name for item in inputs}
    if missing := sorted(wanted - arrays.keys()):
        raise _refusal(f"it has no array for input {missing[0]}; it has {sorted(arrays)}", _HOW)
    if extra := sorted(arrays.keys() - wanted):
        raise _refusal(f"it has {extra[0]}, and the model's inputs are {sorted(wanted)}", "leave it out")


def _batch_of(item: ModelInput, array: Any) -> int:
    """Return how many rows make one feed; 0 when the first axis counts whole feeds."""
    wanted = _NUMPY_NAMES.get(item.dtype, item.dtype)
    if array.dtype.name != wanted:
        raise _refusal(
            f"{item.name} is {array.dtype.name}, the model takes {wanted}", f"use .astype(np.{wanted})"
        )
    if not array.ndim:
        raise _refusal(f"{item.name} is a single number, not an array of samples", _HOW)
    if item.shape is None:
        return 0
    sizes = tuple(size if isinstance(size, int) else 0 for size in item.shape)
    if _fits(array.shape[1:], sizes):
        return 0
    batch = (sizes[0] or 1) if sizes else 1
    if sizes and _fits(array.shape[1:], sizes[1:]) and len(array) % batch == 0:
        return batch
    raise _refusal(
        f"{item.name} has shape {list(array.shape)}, the model takes {_shown(sizes)}", _layouts(sizes, batch)
    )


def _layouts(sizes: tuple[int, ...], batch: int) -> str:
    stacked = f"stack the samples, as {_shown(('samples', *sizes))}"
    if not sizes:
        return stacked
    pieces = "one after another" if batch == 1 else f"one after another in whole batches of {batch}"
    return f"{stacked}, or put them {pieces}, as {_shown(('rows', *sizes[1:]))}"


def _shown(sizes: Sequence[int | str]) -> str:
    return f"[{', '.join(str(size or 'any') for size in sizes)}]"


def _fits(shape: Sequence[int], sizes: Sequence[int]) -> bool:
    return len(shape) == len(sizes) and all(
        size in (0, there) and there > 0 for there, size in zip(shape, sizes, strict=True)
    )


def _refusal(why: str, remedy: str) -> RequestError:
    return RequestError(Reason.InvalidRequest, f"{WHERE}: {why}", remedy)
