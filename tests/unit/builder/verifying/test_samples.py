"""The numbers a model is compared on: drawn, or given by the user."""

import numpy as np
import pytest

from ignition_builder.verifying.meaning import IntegerKind, Meaning
from ignition_builder.verifying.samples import drawn, given
from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.identity import Profile, ShapeRange

FIXED = {"name": "x", "dtype": "float", "shape": [2, 3]}
FREE = {"name": "ids", "dtype": "int64", "shape": ["batch", "length"]}
PROFILES = (
    Profile({"ids": ShapeRange((1, 1), (2, 8), (4, 16))}),
    Profile({"ids": ShapeRange((5, 1), (8, 8), (9, 16))}),
)


def sizes(samples):
    return [(sample.profile, sample.values["ids"].shape, sample.is_extreme) for sample in samples]


def test_samples_are_drawn_in_the_usual_shapes_of_each_profile_and_then_at_its_ends():
    samples = drawn([FIXED, FREE], PROFILES)
    assert sizes(samples) == [
        (0, (2, 8), False),
        (1, (8, 8), False),
        (0, (1, 1), True),
        (0, (4, 16), True),
        (1, (5, 1), True),
        (1, (9, 16), True),
    ]
    assert samples[0].values["x"].shape == (2, 3)
    assert samples[0].values["ids"].dtype == np.int64


def test_what_nobody_knows_the_meaning_of_is_0_or_1():
    assert set(np.unique(drawn([FREE], PROFILES)[-1].values["ids"])) == {0, 1}


def test_shapes_that_are_the_usual_ones_are_run_once():
    profile = Profile({"ids": ShapeRange((2, 8), (2, 8), (2, 8))})
    assert len(drawn([FREE], (profile,))) == 1


def test_shapes_much_larger_than_the_usual_are_left_out_unless_they_are_small():
    large = {"name": "ids", "dtype": "float", "shape": ["batch", 3, 512, 512]}
    profile = Profile({"ids": ShapeRange((1, 3, 512, 512), (1, 3, 512, 512), (5, 3, 512, 512))})
    assert sizes(drawn([large], (profile,))) == [(0, (1, 3, 512, 512), False)]
    profile = Profile({"ids": ShapeRange((1, 3, 512, 512), (2, 3, 512, 512), (8, 3, 512, 512))})
    assert len(drawn([large], (profile,))) == 3


def test_many_profiles_are_each_run_at_their_optimum_and_not_much_more():
    profiles = [Profile({"ids": ShapeRange((n, 1), (n, 2), (n, 3))}) for n in range(1, 11)]
    samples = drawn([FREE], profiles)
    assert [sample.profile for sample in samples] == [*range(10), 0, 0]
    assert len(drawn([FREE], profiles * 2)) == 20


def drawn_as(kind, largest=None, *, item=FREE, end=0):
    """Return the numbers drawn for ``item`` when it means that; ``end`` is 0, 2 or 3: opt, min or max."""
    profiles = PROFILES[:1] if item is FREE else ()
    return drawn([item], profiles, lambda shapes: {item["name"]: Meaning(kind, largest)})[end].values[
        item["name"]
    ]


def test_indices_range_over_the_rows_of_their_table():
    rows = drawn_as(IntegerKind.INDEX, 29999, end=2)
    assert rows.max() == 29999
    assert 0 <= rows.min() < 10000
    assert np.unique(rows).size > 60


def test_positions_range_over_the_longest_sequence_of_the_profile():
    assert drawn_as(IntegerKind.POSITION).max() == 15
    assert drawn_as(IntegerKind.POSITION, 9).max() == 9


def test_a_step_of_time_is_one_of_a_thousand():
    item = {"name": "t", "dtype": "int64", "shape": [1]}
    assert 1 < drawn_as(IntegerKind.POSITION, item=item) < 1000
    assert drawn_as(IntegerKind.POSITION, item={**item, "shape": [64]}).max() == 999


def test_lengths_are_from_1_to_the_whole_sequence():
    item = {"name": "n", "dtype": "int32", "shape": [64]}
    lengths = drawn_as(IntegerKind.LENGTH, 16, item=item)
    assert (lengths.min(), lengths.max()) == (1, 16)


def test_a_mask_is_ones_up_to_some_place_and_no_row_of_it_is_empty():
    mask = drawn_as(IntegerKind.MASK, end=2)
    assert mask.shape == (4, 16)
    assert (np.diff(mask, axis=1) <= 0).all()
    assert mask[0].all()
    assert (mask.sum(axis=1) >= 8).all()
    assert not mask.all()
    assert drawn_as(IntegerKind.MASK, end=1).tolist() == [[1]]


def test_pixels_have_every_value_of_their_type():
    item = {"name": "image", "dtype": "uint8", "shape": [1, 3, 32, 32]}
    image = drawn_as(IntegerKind.DATA, item=item)
    assert (image.min(), image.max(), image.dtype) == (0, 255, np.uint8)


def test_a_number_never_leaves_its_type():
    item = {"name": "i", "dtype": "int8", "shape": [64]}
    assert drawn_as(IntegerKind.INDEX, 30000, item=item).max() == 127


def test_truths_of_more_than_one_axis_are_a_mask():
    item = {"name": "b", "dtype": "bool", "shape": [2, 4]}
    assert drawn([item], ())[0].values["b"].tolist()[0] == [True] * 4


def test_the_same_build_is_checked_on_the_same_numbers():
    first, second = drawn([FIXED], ())[0], drawn([FIXED], ())[0]
    assert np.array_equal(first.values["x"], second.values["x"])
    assert np.ptp(first.values["x"]) > 0


def test_a_shape_tensor_gets_the_values_of_its_profile():
    item = {"name": "size", "dtype": "int64", "shape": [2]}
    profile = Profile({}, values={"size": ShapeRange((1, 1), (4, 5), (8, 8))})
    found = [sample.values["size"].tolist() for sample in drawn([item], (profile,))]
    assert found == [[4, 5], [1, 1], [8, 8]]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"name": "s", "dtype": "string", "shape": [1]}, "input s: no values can be generated .* string"),
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
