"""Calibration runs one sample at a time, holds no more than it must, and sees every value."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from ignition_builder.checking.inspection import inputs_of
from ignition_builder.journal import Journal
from ignition_builder.precision import ranges
from ignition_builder.precision.calibration import read_samples
from ignition_builder.precision.ranges import ranges_of
from ignition_hub.engine.errors import Reason, RequestError
from smallmodels import model_of

WIDTH = 32
WEIGHT = np.random.default_rng(0).standard_normal((WIDTH, WIDTH)).astype(np.float32)
NAMES = ("x", "h", "r")


def network():
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="one"),
        helper.make_node("Relu", ["h"], ["r"], name="act"),
        helper.make_node("MatMul", ["r", "w"], ["y"], name="two"),
    ]
    weights = [numpy_helper.from_array(WEIGHT, "w")]
    return model_of(nodes, {"x": ["n", WIDTH]}, {"y": ["n", WIDTH]}, weights=weights)


def found(values, method, folder, model=None, *, names=NAMES, warnings=None):
    """Return the ranges; ``warnings`` takes what was warned of."""
    model = model or network()
    np.savez(folder / "calibration.npz", x=values)
    samples = read_samples(folder / "calibration.npz", inputs_of(model))
    with Journal(folder / "log") as journal:
        ranges = ranges_of(model, folder, names, samples, method=method, journal=journal)
    if warnings is None:
        assert not journal.warnings
    else:
        warnings.update(journal.warnings)
    return ranges


def drawn(count=64):
    return np.random.default_rng(1).standard_normal((count, WIDTH)).astype(np.float32)


def test_the_largest_absolute_value_is_found_wherever_it_is(tmp_path):
    values = drawn()
    values[40, 3] = -50
    hidden = values @ WEIGHT
    reached = found(values, "max", tmp_path)

    assert reached["x"] == 50
    assert reached["h"] == pytest.approx(np.abs(hidden).max(), rel=1e-5)
    assert reached["r"] == pytest.approx(hidden.max(), rel=1e-5)


def test_an_outlier_widens_the_range_of_max_and_not_of_entropy(tmp_path):
    values = drawn(2048)
    values[0, 0] = 200
    by_max, by_entropy = (found(values, method, tmp_path, names=["x"])["x"] for method in ("max", "entropy"))

    assert by_max == 200
    assert 3 < by_entropy < 20


def test_the_order_of_samples_does_not_matter(tmp_path):
    values = drawn()
    assert found(values, "entropy", tmp_path) == found(values[::-1], "entropy", tmp_path)


def test_histograms_are_the_same_whether_activations_are_held_together_or_one_by_one(tmp_path, monkeypatch):
    together, runs = found(drawn(), "entropy", tmp_path), []
    monkeypatch.setattr(ranges, "HELD", 1)
    made = ranges._session
    monkeypatch.setattr(ranges, "_session", lambda *given: _Noting(made(*given), runs))

    assert found(drawn(), "entropy", tmp_path) == together
    assert {names for names in runs if len(names) == 1} == {("x",), ("h",), ("r",)}
    assert len(runs) == 64 + 3 * 64


class _Noting:
    def __init__(self, session, runs):
        self._session, self._runs = session, runs

    def run(self, names, feed):
        assert len(feed["x"]) == 1
        self._runs.append(tuple(names))
        return self._session.run(names, feed)


@pytest.mark.parametrize("method", ["max", "entropy"])
def test_zeros_and_a_constant_have_their_own_range(method, tmp_path):
    assert found(np.zeros((4, WIDTH), np.float32), method, tmp_path) == {"x": 0.0, "h": 0.0, "r": 0.0}
    assert found(np.full((4, WIDTH), -3, np.float32), method, tmp_path, names=["x"]) == {"x": 3.0}


@pytest.mark.parametrize("method", ["max", "entropy"])
def test_an_activation_without_values_says_nothing(method, tmp_path):
    nodes = [
        helper.make_node("Slice", ["x", "zero", "zero", "one"], ["none"], name="cut"),
        helper.make_node("MatMul", ["none", "w"], ["y"], name="fc"),
    ]
    numbers = {"zero": np.zeros(1, np.int64), "one": np.ones(1, np.int64), "w": np.ones((0, 4), np.float32)}
    weights = [numpy_helper.from_array(value, name) for name, value in numbers.items()]
    model = model_of(nodes, {"x": ["n", WIDTH]}, {"y": ["n", 4]}, weights=weights)

    assert found(drawn(4), method, tmp_path, model, names=["x", "none"])["none"] == 0.0


def test_names_of_the_model_are_not_taken(tmp_path):
    model = network()
    model.graph.node[0].output[0] = model.graph.node[1].input[0] = "x_ReduceMax"
    before = onnx.ModelProto()
    before.CopyFrom(model)

    assert found(drawn(), "max", tmp_path, model, names=["x"])["x"] == np.abs(drawn()).max()
    assert model == before


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["max", "entropy"])
def test_the_range_is_that_of_the_finite_values_wherever_the_others_are(method, hole, tmp_path):
    """onnxruntime's ReduceMax of 0 to 31 with NaN for the second is 30."""
    values = np.tile(np.arange(WIDTH, dtype=np.float32), (3, 1))
    values[1, 1] = values[2, WIDTH - 1] = hole
    warnings = {}
    ranges = found(values, method, tmp_path, names=["x"], warnings=warnings)

    assert ranges["x"] == pytest.approx(31, rel=0.06)
    assert ranges == found(values[:1], method, tmp_path, names=["x"])
    assert warnings == {"CalibrationNotFinite": 1}
    assert "x: 2 values of the calibration data are NaN or infinite" in (tmp_path / "log").read_text()


def test_a_sample_that_is_nan_throughout_says_nothing(tmp_path):
    values = np.ones((2, WIDTH), np.float32)
    values[0] = np.nan

    assert found(values, "entropy", tmp_path, names=["x"], warnings={}) == {"x": 1.0}
    with pytest.raises(RequestError, match="calibration: x is NaN or infinite in every sample") as caught:
        found(values[:1], "entropy", tmp_path, names=["x"])
    assert caught.value.reason is Reason.InvalidRequest


@pytest.mark.parametrize("method", ["max", "entropy"])
def test_values_whose_sum_is_no_float_have_their_range(method, tmp_path):
    ranges = found(np.full((1, WIDTH), 3e38, np.float32), method, tmp_path, names=["x"])

    assert ranges["x"] == pytest.approx(3e38)


def test_nan_that_the_model_replaces_is_warned_of_nowhere(tmp_path):
    nodes = [
        helper.make_node("IsNaN", ["x"], ["missing"]),
        helper.make_node("Where", ["missing", "fill", "x"], ["known"]),
        helper.make_node("MatMul", ["known", "w"], ["y"]),
    ]
    weights = [numpy_helper.from_array(WEIGHT, "w"), numpy_helper.from_array(np.float32(7), "fill")]
    model = model_of(nodes, {"x": ["n", WIDTH]}, {"y": ["n", WIDTH]}, weights=weights)
    values = drawn(4)
    values[:, ::3] = np.nan

    assert found(values, "max", tmp_path, model, names=["known"]) == {"known": 7.0}
