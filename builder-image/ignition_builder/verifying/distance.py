"""
How far one output of a converted model is from the model's, in one number. Pure.

It is the root mean square of the difference, relative to that of the model's values: a lost row, a swapped
operand and half a kernel make tenths of it, whatever the output is for.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

LEAST = 1e-3
"""A root mean square below this counts as this: what is nothing but noise around 0 is near 0 anyhow."""
LARGEST = 65504.0
"""Beyond the largest number of fp16 a mask of -3.4e38 is as good as that number, and is made so."""


@dataclass(frozen=True, slots=True)
class Distance:
    """
    The ``relative`` root mean square, over the ``values`` that both have as finite numbers, and how many are
    ``lost``: finite in the model and not in the other.
    """

    relative: float
    lost: int
    values: int

    @property
    def is_finite(self) -> bool:
        """Whether no value was lost."""
        return not self.lost


def distance(wanted: Any, got: Any) -> Distance:
    """Return how far ``got`` is from ``wanted``, two arrays of the same shape."""
    right, other = (values.astype(np.float64) for values in (wanted, got))
    known = np.isfinite(right)
    lost = int(np.count_nonzero(known & ~np.isfinite(other)))
    known &= np.isfinite(other)
    right, other = (np.clip(values[known], -LARGEST, LARGEST) for values in (right, other))
    relative = _size(right - other) / max(_size(right), LEAST)
    return Distance(relative, lost, int(wanted.size))


def _size(values: Any) -> float:
    return float(np.sqrt(np.square(values).mean())) if values.size else 0.0
