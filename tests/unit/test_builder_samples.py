"""The numbers a model is compared on: drawn, or given by the user."""

import numpy as np
import pytest

from ignition_builder.verifying.samples import drawn, given
from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.identity import Profile, ShapeRange

FIXED = {"name": "x", "dtype": "float", "shape": [2, 3]}
FREE = {"name": "ids", "dtype": "int64", "shape": ["batch", "length"]}
PROFILES = (
    Profile({"ids": ShapeRange((1, 1), (2, 8), (4, 16))}),
    Profile({"ids": ShapeRange((5, 1), (8, 8), (9, 16))}),
)


def test_a_sample_is_drawn_in_the_optimal_shape_of_each_profile():
    samples = drawn([FIXED, FREE], PROFILES)
    assert [sample.values["ids"].shape for sample in samples] == [(2, 8), (8, 8)]
    assert [sample.profile for sample in samples] == [0, 1]
    assert samples[0].values["x"].shape == (2, 3)
    assert samples[0].values["ids"].dtype == np.int64
    assert set(np.unique(samples[0].values["ids"])) <= {0, 1}


def test_the_same_build_is_checked_on_the_same_numbers():
    first, second = drawn([FIXED], ())[0], drawn([FIXED], ())[0]
    assert np.array_equal(first.values["x"], second.values["x"])
    assert np.ptp(first.values["x"]) > 0


def test_a_shape_tensor_gets_the_optimal_values():
    item = {"name": "size", "dtype": "int64", "shape": [2]}
    profile = Profile({}, values={"size": ShapeRange((1, 1), (4, 5), (8, 8))})
    assert drawn([item], (profile,))[0].values["size"].tolist() == [4, 5]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"name": "s", "dtype": "string", "shape": [1]}, "input s: no numbers can be made .* string"),
        ({"name": "d", "dtype": "float", "shape": ["n"]}, "input d: its shape .* is not fixed"),
    ],
)
def test_an_input_nothing_can_be_drawn_for_is_named(item, words):
    with pytest.raises(RequestError, match=words):
        drawn([item], ())


def test_given_inputs_belong_to_the_first_profile_they_fit():
    arrays = {"x": np.zeros((2, 3), np.float32), "ids": np.ones((6, 2), np.int64)}
    assert given(arrays, [FIXED, FREE], PROFILES)[0].profile == 1


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "input x: the file has no array"),
        ({"x": np.zeros((2, 3), np.float32), "z": np.zeros(1)}, "input z: the model has no such input"),
        ({"x": np.zeros((2, 3))}, "input x: the array is float64, the model takes float"),
        ({"x": np.zeros((2, 4), np.float32)}, r"input x: the array has shape \[2, 4\]"),
        ({"x": np.zeros(6, np.float32)}, r"input x: the array has shape \[6\]"),
    ],
)
def test_given_inputs_that_misfit_the_model_are_named(arrays, words):
    with pytest.raises(RequestError, match=words) as failure:
        given(arrays, [FIXED], ())
    assert failure.value.reason == "VerificationFailed"


def test_given_inputs_outside_every_profile_are_named():
    with pytest.raises(RequestError, match=r"input ids: shape \[4, 99\] is in no optimization profile"):
        given({"ids": np.ones((4, 99), np.int64)}, [FREE], PROFILES)
