"""Rounding is taken out of a conversion and put into a model, and distances are measured in one number."""

import numpy as np
import pytest
from onnx import helper, numpy_helper

from ignition_builder.checking.inspection import inputs_of, load_checked
from ignition_builder.precision.calibration import first_sample, read_samples
from ignition_builder.precision.floats import BRAIN, HALF
from ignition_builder.verifying.distance import LARGEST, distance
from ignition_builder.verifying.rounding import with_rounded_weights, without_levels
from ignition_builder.verifying.samples import smallest
from ignition_builder.verifying.session import session_of
from ignition_hub.engine.identity import Profile
from smallmodels import dense, model_of, saved, shape_range


def product(values, *, opset=17):
    """The identity times a weight that lies behind a Transpose: what is given is the weight."""
    nodes = [
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "t"], ["y"]),
    ]
    size = len(values)
    weights = [numpy_helper.from_array(np.ascontiguousarray(values.T), "w")]
    return model_of(nodes, {"x": [size, size]}, {"y": [size, size]}, weights=weights, opset=opset)


LOWEST = np.finfo(np.float32).min
VALUES = np.random.default_rng(0).standard_normal((16, 16)).astype(np.float32)


def weights_seen(precision, opset):
    model = with_rounded_weights(precision)(product(VALUES, opset=opset))
    return session_of(model).run(None, {"x": np.eye(16, dtype=np.float32)})[0]


@pytest.mark.parametrize("opset", [7, 17])
@pytest.mark.parametrize(("precision", "narrow"), [("fp16", HALF), ("bf16", BRAIN)])
def test_weights_are_rounded_to_the_bits_of_the_type(precision, narrow, opset):
    expected = VALUES.astype(narrow.dtype).astype(np.float32)
    assert np.array_equal(weights_seen(precision, opset), expected)
    assert not np.array_equal(expected, VALUES)


def test_a_mask_is_not_lost_when_it_is_rounded():
    nodes = [
        helper.make_node("Add", ["x", "low"], ["l"]),
        helper.make_node("Min", ["l", "never"], ["y"]),
    ]
    low = numpy_helper.from_array(np.array([LOWEST, -1e30, 1e-12], np.float32), "low")
    never = numpy_helper.from_array(np.array(np.inf, np.float32), "never")
    model = with_rounded_weights("bf16")(model_of(nodes, {"x": [3]}, {"y": [3]}, weights=[low, never]))
    found = session_of(model).run(None, {"x": np.zeros(3, np.float32)})[0]
    assert np.allclose(found[1:], [-1e30, 1e-12], rtol=2**-8)
    assert found[0] < -3e38


@pytest.mark.parametrize("opset", [7, 17])
def test_weights_are_rounded_to_levels(opset):
    step = np.abs(VALUES).max() / 127
    found = weights_seen("int8", opset)
    assert np.allclose(found, np.floor(VALUES / step + 0.5) * step, atol=step / 1000)
    assert len(np.unique(np.rint(found / step))) > 100


def test_activations_are_not_rounded_any_more_and_weights_still_are():
    numbers = {"s": np.float32(1), "z": np.int8(0), "w": np.array([[3]], np.int8)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["v"]),
        helper.make_node("MatMul", ["d", "v"], ["y"]),
    ]
    weights = [numpy_helper.from_array(np.array(value), name) for name, value in numbers.items()]
    model = model_of(nodes, {"x": [1, 1]}, {"y": [1, 1]}, weights=weights)
    x = {"x": np.array([[0.3]], np.float32)}
    assert session_of(model).run(None, x)[0] == 0
    assert np.isclose(session_of(without_levels(model)).run(None, x)[0], 0.9)


@pytest.mark.parametrize(
    ("wanted", "got", "relative", "lost"),
    [
        ([3.0, 4.0], [3.0, 4.0], 0.0, 0),
        ([3.0, 4.0], [-3.0, -4.0], 2.0, 0),
        ([3.0, 4.0], [0.0, 0.0], 1.0, 0),
        ([3.0, 4.0], [3.0, np.inf], 0.0, 1),
        ([3.0, np.nan], [3.0, 7.0], 0.0, 0),
        ([3.0, -3.4e38], [3.0, -LARGEST], 0.0, 0),
        ([0.0, 0.0], [1e-7, 1e-7], 1e-4, 0),
        ([], [], 0.0, 0),
        ([True, True], [True, False], 0.5**0.5, 0),
    ],
)
def test_a_distance_is_relative_and_loses_nothing(wanted, got, relative, lost):
    found = distance(np.array(wanted), np.array(got))
    assert np.isclose(found.relative, relative)
    assert (found.lost, found.is_finite, found.values) == (lost, not lost, len(wanted))


@pytest.mark.parametrize("shape", [(6, 64), (3, 2, 64)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_first_sample_is_read_alone(shape, order, tmp_path):
    numbers = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    path = tmp_path / "calibration.npz"
    np.savez_compressed(path, x=np.asarray(numbers, order=order))
    inputs = inputs_of(load_checked(saved(dense(), tmp_path)))
    found, wanted = first_sample(path, inputs), next(iter(read_samples(path, inputs)))
    assert found.keys() == wanted.keys()
    assert np.array_equal(found["x"], wanted["x"])
    assert found["x"].shape == (2, 64)


def test_the_smallest_shapes_come_first_and_the_usual_ones_after():
    inputs = [{"name": "x", "dtype": "float", "shape": ["n", 4]}]
    profiles = [Profile({"x": shape_range([1, 4], [3, 4], [8, 4])}), Profile({})]
    assert [sample.values["x"].shape for sample in smallest(inputs, profiles)] == [(1, 4), (3, 4)]
