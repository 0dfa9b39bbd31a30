"""Comparing outputs, measuring speed, and the words in which a check fails."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ignition_builder.verifying import benchmark
from ignition_builder.verifying.accuracy import Tolerance, check, compared
from ignition_hub.engine.errors import RequestError

NARROW = Tolerance(rtol=1e-3, atol=1e-3)

doubles = arrays.arrays(np.float32, arrays.array_shapes(min_dims=0, max_dims=3, max_side=4)).filter(
    lambda values: not np.isnan(values).all()
)


@given(doubles)
def test_outputs_are_never_out_of_tolerance_of_themselves(values):
    figures = compared({"y": values}, {"y": values.copy()}, Tolerance(0.0, 0.0))
    assert [item.outside for item in figures] == [0]
    check(figures, NARROW, "the model")


@given(doubles, st.floats(0, 1), st.floats(0, 10))
def test_a_wider_tolerance_never_refuses_more(values, rtol, atol):
    other = {"y": values + np.float32(0.5)}
    narrow = compared({"y": values}, other, Tolerance(rtol, atol))[0]
    wide = compared({"y": values}, other, Tolerance(rtol * 2, atol * 2))[0]
    assert wide.outside <= narrow.outside


@given(doubles, doubles.filter(lambda values: values.size))
def test_figures_are_always_json(values, other):
    other = np.resize(other, values.shape)
    figures = compared({"y": values}, {"y": other}, NARROW)[0]
    comparable = values.size - np.count_nonzero(np.isnan(values) & np.isnan(other))
    assert json.loads(json.dumps(figures.to_json(), allow_nan=False))["values"] == comparable


def test_a_failed_check_says_by_how_much_and_at_which_output():
    right = {"good": np.ones(3, np.float32), "logits": np.zeros((2, 2), np.float32)}
    wrong = {"good": np.ones(3, np.float32), "logits": np.array([[0, 0], [0.25, 0]], np.float32)}
    with pytest.raises(RequestError) as failure:
        check(compared(right, wrong, NARROW), NARROW, "the fp16 model")
    assert failure.value.reason == "VerificationFailed"
    assert failure.value.message == (
        "the fp16 model differs from the model beyond rtol 0.001 and atol 0.001: output logits: 1 of 4 "
        "values are out of tolerance, the worst at [1, 0]: 0.25 instead of 0"
    )


def test_an_output_without_axes_is_compared_like_any_other():
    right, wrong = np.array(0.5, np.float32), np.array(0.75, np.float32)
    check(compared({"y": right}, {"y": right}, NARROW), NARROW, "the fp16 model")
    with pytest.raises(RequestError, match=r"1 of 1 values are out of tolerance, the worst at \[\]: 0.75"):
        check(compared({"y": right}, {"y": wrong}, NARROW), NARROW, "the fp16 model")


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_what_became_infinite_or_nan_is_out_of_any_tolerance(broken):
    figures = compared({"y": np.ones(2)}, {"y": np.array([1.0, broken])}, Tolerance(1.0, 1000.0))
    with pytest.raises(RequestError, match="1 of 2 values"):
        check(figures, NARROW, "the engine")


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_no_share_of_values_may_become_infinite_or_nan(broken):
    right, wrong = np.ones(1000), np.ones(1000)
    wrong[17] = broken
    tolerance = Tolerance(1.0, 1000.0, quantile=0.5)
    with pytest.raises(RequestError, match=r"1 of 1000 values are out of tolerance, 1 of them not finite"):
        check(compared({"y": right}, {"y": wrong}, tolerance), tolerance, "the engine")


def test_nan_where_the_model_gives_nan_is_no_difference_and_counts_for_nothing():
    values = np.array([np.nan, np.inf, 1.0])
    figures = compared({"y": values}, {"y": values.copy()}, NARROW)[0]
    assert (figures.outside, figures.values) == (0, 2)


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_places_of_the_same_infinity_are_no_make_weight_for_wrong_values(infinity):
    """A mask is minus infinity in any model, right or wrong."""
    right, wrong = np.full(1000, infinity), np.full(1000, infinity)
    right[:4], wrong[:4] = 1, 2
    tolerance = Tolerance(1e-3, 1e-3, quantile=0.99)
    with pytest.raises(RequestError, match="4 of 1000 values are out of tolerance, 4 are above atol or out"):
        check(compared({"y": right}, {"y": wrong}, tolerance), tolerance, "the engine")


def test_values_that_the_model_has_not_are_no_make_weight_for_wrong_ones():
    """Half of the values that can be compared are wrong, whatever share of all values they are."""
    right, wrong = np.full(1000, np.nan), np.full(1000, np.nan)
    right[:2], wrong[:2] = (1, 1), (1, 2)
    tolerance = Tolerance(1e-3, 1e-3, quantile=0.999)
    with pytest.raises(RequestError, match="1 of 2 values"):
        check(compared({"y": right}, {"y": wrong}, tolerance), tolerance, "the engine")


@pytest.mark.parametrize(("model", "engine"), [(np.nan, 1.0), (np.inf, 65504.0), (np.inf, -np.inf)])
def test_a_number_where_the_model_gives_none_is_a_difference(model, engine):
    figures = compared({"y": np.array([1.0, model])}, {"y": np.array([1.0, engine])}, NARROW)[0]
    assert figures.outside == 1


def test_integers_and_booleans_are_compared_as_numbers():
    figures = compared({"n": np.array([3, 4])}, {"n": np.array([3, 5])}, NARROW)
    assert figures[0].outside == 1
    assert compared({"b": np.array([True])}, {"b": np.array([False])}, NARROW)[0].outside == 1


@pytest.mark.parametrize("candidate", [{}, {"y": np.ones((1, 2))}])
def test_an_output_that_is_missing_or_has_another_shape_is_named(candidate):
    with pytest.raises(RequestError, match=r"output y .*the model gives \[2\]"):
        compared({"y": np.ones(2)}, candidate, NARROW)


def test_an_empty_output_is_equal_to_itself():
    assert compared({"y": np.ones((0, 4))}, {"y": np.ones((0, 4))}, NARROW)[0].values == 0


def test_a_benchmark_runs_for_its_time_after_warming_up():
    now = [0.0]

    def once():
        now[0] += 0.1
        return 100.0

    times = benchmark.measured(once, 2.0, clock=lambda: now[0])
    assert 19 <= len(times) <= 21
    assert now[0] >= 2.0 + benchmark.WARM_UP_SECONDS


def test_a_slow_engine_is_still_measured_several_times():
    now = [0.0]

    def once():
        now[0] += 60.0
        return 60000.0

    assert len(benchmark.measured(once, 1.0, clock=lambda: now[0])) == benchmark.FEWEST


def test_figures_of_a_benchmark_are_those_of_its_runs():
    found = benchmark.figures([1.0] * 98 + [2.0, 3.0])
    assert (found["medianMilliseconds"], found["p99Milliseconds"], found["runs"]) == (1.0, 3.0, 100)
    assert found["perSecond"] == pytest.approx(970.87, abs=0.01)


def test_an_engine_that_is_too_slow_is_refused_with_both_figures():
    benchmark.check(benchmark.figures([4.0]), 0.004)
    benchmark.check(benchmark.figures([4.0]), None)
    with pytest.raises(RequestError) as failure:
        benchmark.check(benchmark.figures([5.0]), 0.004)
    assert failure.value.reason == "VerificationFailed"
    assert "5 ms over 1 runs, above verification.benchmark.maxLatency of 4 ms" in failure.value.message


@pytest.mark.parametrize(("quantile", "passes"), [(1.0, False), (0.999, True), (0.9991, False), (0.5, True)])
def test_a_quantile_lets_so_many_values_be_outliers(quantile, passes):
    values, tolerance = np.ones(1000, np.float32), Tolerance(1e-3, 1e-3, quantile)
    other = values.copy()
    other[17] = 9.0
    figures = compared({"y": values}, {"y": other}, tolerance)
    if passes:
        check(figures, tolerance, "the int8 model")
        return
    with pytest.raises(RequestError, match=r"1 of 1000 values .* at \[17\]"):
        check(figures, tolerance, "the int8 model")


@given(doubles.filter(lambda values: values.size and np.isfinite(values).all()), st.floats(0, 0.5))
def test_the_tolerance_that_a_failed_check_names_lets_it_pass(values, rtol):
    wrong = {"y": values + np.float32(0.37)}
    strict = Tolerance(rtol, 0.0)
    figures = compared({"y": values}, wrong, strict)
    if strict.allows(figures[0]):
        return
    with pytest.raises(RequestError) as failure:
        check(figures, strict, "the fp16 model")
    found = re.search(
        r"a tolerance \(atol (\S+)( or quantile \S+)? would let it pass\) that", failure.value.remedy
    )
    assert found
    lenient = Tolerance(rtol, float(found[1]))
    check(compared({"y": values}, wrong, lenient), lenient, "the fp16 model")


@given(doubles.filter(lambda values: values.size > 1 and np.isfinite(values).all()), st.data())
def test_the_quantile_that_a_failed_check_names_lets_it_pass(values, data):
    right = np.repeat(values[None] + np.float32(1), 10, axis=0)
    wrong = right.copy()
    places = st.lists(st.integers(0, right.size - 1), min_size=1, max_size=max(1, right.size // 20))
    wrong.reshape(-1)[data.draw(places)] = 3e38
    strict = Tolerance(1e-3, 0.0)
    with pytest.raises(RequestError) as failure:
        check(compared({"y": right}, {"y": wrong}, strict), strict, "the fp16 model")
    if found := re.search(r"quantile (\S+) would let it pass\) that", failure.value.remedy):
        lenient = replace(strict, quantile=float(found[1]))
        check(compared({"y": right}, {"y": wrong}, lenient), lenient, "the fp16 model")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(5, "quantile 0.9997"), (100, "quantile 0.9953"), (2000, "quantile 0.906"), (3000, "")],
)
def test_a_handful_of_values_that_miss_is_told_as_a_quantile(wrong, said):
    right = np.ones(21294, np.float32)
    other = right.copy()
    other[:wrong] += 0.0123
    tolerance = Tolerance(5e-3, 5e-3)
    with pytest.raises(RequestError) as failure:
        check(compared({"y": right}, {"y": other}, tolerance), tolerance, "the fp16 model")
    either = f"atol 0.0074 or {said}" if said else "atol 0.0074"
    assert failure.value.remedy == (
        f"use a wider precision, or a tolerance ({either} would let it pass) that the task allows"
    )


def test_a_quantile_is_told_for_the_entry_that_has_most_out():
    right = np.ones((4, 100))
    other = right.copy()
    other[2, :6] += 1
    figures = compared({"y": right}, {"y": other}, NARROW)
    assert figures[0].share == pytest.approx(0.94)


def test_better_data_is_a_remedy_only_where_something_was_measured_on_data():
    figures = compared({"y": np.ones(2)}, {"y": np.zeros(2)}, NARROW)
    for is_calibrated in (True, False):
        with pytest.raises(RequestError) as failure:
            check(figures, NARROW, "the model", is_calibrated=is_calibrated)
        assert ("calibration data" in failure.value.remedy) is is_calibrated


@pytest.mark.parametrize(("is_calibrated", "more"), [(False, ""), (True, " or better calibration data")])
@pytest.mark.parametrize("wrong", [[1, np.inf], [1, 5000]])
def test_no_tolerance_is_offered_where_none_would_do(wrong, is_calibrated, more):
    figures = compared({"y": np.ones(2)}, {"y": np.array(wrong)}, NARROW)
    with pytest.raises(RequestError) as failure:
        check(figures, NARROW, "the model", is_calibrated=is_calibrated)
    assert failure.value.remedy == f"use a wider precision{more}"
