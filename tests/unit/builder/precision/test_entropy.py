"""The range of an activation by entropy: the method of TensorRT's calibrator, and where it must not go."""

import numpy as np
import pytest

from ignition_builder.precision.entropy import BINS, LEVELS, best_bins

NUMBERS = np.random.default_rng(0)
MANY = 1 << 18
ORDINARY = NUMBERS.standard_normal(MANY)


def range_of(values):
    largest = np.abs(values).max()
    return best_bins(np.histogram(np.abs(values), BINS, (0, largest))[0]) * largest / BINS


def error_of(values, reach):
    """Return the root mean square of what quantizing changes, against that of the values."""
    step = reach / 127
    rounded = np.clip(np.rint(values / step), -127, 127) * step
    return np.sqrt(np.mean((rounded - values) ** 2) / np.mean(values**2))


def spelled_out(counts):
    """Return the best number of bins by the talk's own loop, bin by bin."""
    weights = counts.astype(float)
    weights[0] = weights[1]
    total, divergences = weights.sum(), []
    for bins in range(LEVELS, BINS + 1):
        reference, kept = weights[:bins].copy(), weights[:bins].copy()
        reference[-1] += weights[bins:].sum()
        level_of = np.arange(bins) * LEVELS // bins
        held = np.bincount(level_of, kept, LEVELS)
        members = np.bincount(level_of, reference > 0, LEVELS)
        # An empty last level has the one count that cannot be told from none.
        candidate = np.where(held == 0, 1.0, held)[level_of] / np.maximum(members, 1)[level_of]
        used = reference > 0
        divergences.append((reference[used] / total * np.log(reference[used] / candidate[used])).sum())
    return LEVELS + int(np.flatnonzero(np.array(divergences) <= min(divergences) + 1e-12)[-1])


@pytest.mark.parametrize(
    "values",
    [ORDINARY[:20_000], NUMBERS.laplace(size=5_000), NUMBERS.standard_t(3, 5_000), NUMBERS.random(300)],
    ids=["normal", "laplace", "heavy tails", "few"],
)
def test_it_is_the_method_of_the_talk(values):
    counts = np.histogram(np.abs(values), BINS, (0, np.abs(values).max()))[0]
    assert best_bins(counts) == spelled_out(counts)


def test_one_wild_value_does_not_set_the_range():
    reach = range_of(np.append(ORDINARY, 200.0))
    assert reach < 20
    assert error_of(ORDINARY, reach) < 0.1 * error_of(ORDINARY, 200.0)


def test_of_ordinary_values_the_tails_are_clamped_and_the_error_is_smaller():
    values = NUMBERS.laplace(size=MANY)
    reach = range_of(values)
    assert 0.5 * np.abs(values).max() < reach < 0.95 * np.abs(values).max()
    assert error_of(values, reach) < error_of(values, np.abs(values).max())


def test_values_that_are_spread_evenly_keep_their_range():
    assert range_of(NUMBERS.uniform(-1, 1, MANY)) > 0.99


@pytest.mark.parametrize("zeros", [0.5, 0.95, 0.999])
def test_the_zeros_of_a_relu_do_not_decide(zeros):
    values = np.where(NUMBERS.random(MANY) < zeros, 0.0, np.abs(ORDINARY))
    assert range_of(values) > 0.7 * values.max()


@pytest.mark.parametrize(("low", "high"), [(273, 300), (5, 10), (99, 100)])
def test_values_far_from_zero_are_not_clamped_into_one(low, high):
    values = NUMBERS.uniform(low, high, MANY)
    assert range_of(values) > 0.99 * values.max()


@pytest.mark.parametrize("filled", [[], [BINS - 1], [0], [0, BINS - 1], [1]])
def test_what_has_one_value_or_none_keeps_it(filled):
    counts = np.zeros(BINS, np.int64)
    counts[filled] = 1000
    assert best_bins(counts) == BINS
