"""
Draw the numbers of one input, over the whole range of what they mean.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ignition_builder.verifying.meaning import IntegerKind, Meaning

STEPS = 1000
"""Positions of a model in which nothing has a length: as many as diffusion has time steps."""


def array_of(kind: Any, shape: Sequence[int], meaning: Meaning | None, reach: int, generator: Any) -> Any:
    """
    Return numbers of numpy's type ``kind``.

    ``meaning`` is that of an integer, None when nobody knows; ``reach`` is the longest sequence that there
    may be, 0 when there is none. The last number of an array of integers is the largest there may be.
    """
    shape = tuple(shape)
    if kind is np.bool_:
        return (_mask(shape, generator) if len(shape) > 1 else generator.integers(0, 2, shape)).astype(kind)
    if not np.issubdtype(kind, np.integer):
        return generator.uniform(-1.0, 1.0, shape).astype(kind)
    if meaning is not None and meaning.kind is IntegerKind.MASK and meaning.largest != 0:
        return _mask(shape, generator).astype(kind)
    # A step of time, or a position on its own, may lie anywhere.
    reach = max(reach, STEPS) if len(shape) < 2 or not reach else reach
    # A step of time, or a position on its own, may lie anywhere.
    reach = max(reach, STEPS) if len(shape) < 2 or not reach else reach
    low, high = _range(kind, meaning or Meaning(IntegerKind.UNKNOWN, 1), reach)
    values = generator.integers(low, high, shape, dtype=np.int64, endpoint=True)
    if values.size > 1:
        values.flat[-1] = high
    return values.astype(kind)


def _range(kind: Any, meaning: Meaning, reach: int) -> tuple[int, int]:
    """Return the smallest and the largest number to draw."""
    bounds = np.iinfo(kind)
    if meaning.kind is IntegerKind.DATA:
        low, high = int(bounds.min), int(bounds.max)
    elif meaning.kind is IntegerKind.LENGTH:
        low, high = 1, reach
    elif meaning.kind is IntegerKind.POSITION:
        low, high = 0, reach - 1
    else:
        low, high = 0, int(bounds.max) if meaning.largest is None else meaning.largest
    if meaning.largest is not None:
        high = min(high, meaning.largest)
    return min(low, high), min(high, int(bounds.max))


def _mask(shape: Sequence[int], generator: Any) -> Any:
    """Ones up to some place of the last axis, never none, and in the first row all: as after padding."""
    if not shape:
        return np.ones(shape, np.int64)
    width = shape[-1]
    ends = generator.integers((width + 1) // 2, width, shape[:-1], endpoint=True)
    if ends.size:
        ends.flat[0] = width
    return (np.arange(width) < ends[..., None]).astype(np.int64)
