"""
Choose the range of an activation that keeps most of its information: what TensorRT's entropy calibrator does.

The method is that of NVIDIA's talk "8-bit Inference with TensorRT" (GTC 2017), which the documentation of
IInt8EntropyCalibrator2 names: of a histogram of absolute values, every range from 128 bins on is tried, what
lies beyond is clamped into the last bin (P), the range is cut into the 128 levels that int8 has beside the
sign (Q), and the range with the smallest Kullback-Leibler divergence of P from Q is taken. Pure arithmetic;
``ranges`` collects the histograms.

Three things that the talk leaves open:

- Zero is exact in any range, so the bin of zeros counts as much as its neighbour, as in NVIDIA's
  pytorch-quantization; otherwise the zeros of a ReLU decide.
- A last level that is empty but for what is clamped to it would make the divergence infinite. It has the one
  count that a histogram cannot tell from none.
- Q lacks what is clamped and is not scaled up for it. Scaled, a range below all values has a divergence of
  nothing: values between 273 and 300 would all become 273.
"""

import numpy as np
import numpy.typing as npt

BINS = 2048
"""How many bins the histogram of one activation has."""
LEVELS = 128
"""The absolute values int8 has, and the bins of the smallest range that is tried."""


def best_bins(counts: npt.NDArray[np.int64]) -> int:
    """
    Return how many of the BINS ``counts``, from zero on, make the best range; of equals the widest.

    ``counts`` are how many absolute values fell into each bin of equal width.
    """
    weights = counts.astype(np.float64)
    weights[0] = weights[1]
    if not weights.any():
        return BINS
    total = _Sums(weights)
    divergences = np.array([total.divergence(bins) for bins in range(LEVELS, BINS + 1)])
    # Equal ones differ in their last digits.
    return LEVELS + int(np.flatnonzero(divergences <= divergences.min() + 1e-12)[-1])


class _Sums:
    """A histogram's running sums, of which the divergence of any range is made with one step a level."""

    def __init__(self, weights: npt.NDArray[np.float64]) -> None:
        self._weights, self._total = weights, float(weights.sum())
        self._below = _running(weights)
        self._filled = _running((weights > 0).astype(np.float64))
        self._information = _running(_information(weights))

    def divergence(self, bins: int) -> float:
        """Return the divergence of the first ``bins`` with all beyond clamped, from their LEVELS."""
        clamped = self._total - float(self._below[bins])
        edges = -(-np.arange(LEVELS + 1) * bins // LEVELS)
        kept, filled = np.diff(self._below[edges]), np.diff(self._filled[edges])
        reference = kept.copy()
        reference[-1] += clamped
        if clamped > 0 and self._weights[bins - 1] == 0:
            filled[-1] += 1
        kept[-1] = kept[-1] or 1
        used = reference > 0
        last = np.array([self._weights[bins - 1] + clamped])
        of_reference = float(self._information[bins - 1] + _information(last)[0])
        of_levels = float((reference[used] * np.log(kept[used] / filled[used])).sum())
        return (of_reference - of_levels) / self._total


def _running(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(values)])


def _information(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return ``v log v`` of each value, which is 0 for none."""
    return values * np.log(np.where(values > 0, values, 1.0))
