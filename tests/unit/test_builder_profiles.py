"""Profiles against a model's inputs: every misfit is named before TensorRT sees it."""

import pytest

from ignition_builder.profiles import ModelInput, check_profiles
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import Profile
from smallmodels import shape_range

IMAGE = ModelInput("image", "float", ("batch", 3, "", ""))
MASK = ModelInput("mask", "int64", ("batch",))
FIXED = ModelInput("anchor", "float", (1, 4))
GOOD = shape_range([1, 3, 32, 32], [4, 3, 64, 64], [8, 3, 96, 96])
GOOD_MASK = shape_range([1], [4], [8])


def refusal_of(profiles, inputs) -> RequestError:
    with pytest.raises(RequestError) as caught:
        check_profiles([Profile(shapes) for shapes in profiles], inputs)
    assert caught.value.reason is Reason.InvalidProfile
    assert caught.value.remedy
    return caught.value


def test_a_model_without_free_dimensions_needs_no_profile():
    check_profiles([], [FIXED])


def test_profiles_that_fit_are_accepted():
    check_profiles([Profile({"image": GOOD, "mask": GOOD_MASK})], [IMAGE, MASK, FIXED])


def test_a_fixed_input_may_be_repeated_in_a_profile():
    check_profiles([Profile({"anchor": shape_range([1, 4], [1, 4], [1, 4])})], [FIXED])


def test_a_free_dimension_without_a_profile_names_the_inputs_and_their_shapes():
    error = refusal_of([], [IMAGE, MASK, FIXED])

    assert "image [batch, 3, ?, ?], mask [batch]" in error.message
    assert "anchor" not in error.message


def test_a_profile_that_forgets_an_input_says_which():
    error = refusal_of([{"image": GOOD}], [IMAGE, MASK])

    assert error.message == "profiles[0].shapes: says nothing of mask [batch]"


def test_an_unknown_input_is_refused_with_the_inputs_there_are():
    error = refusal_of([{"images": GOOD}], [IMAGE])

    assert "profiles[0].shapes.images" in error.message
    assert "image [batch, 3, ?, ?]" in error.remedy


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (shape_range([1, 3, 32], [4, 3, 64], [8, 3, 96]), "has 3 dimensions"),
        (shape_range([2, 3, 32, 32], [1, 3, 64, 64], [8, 3, 96, 96]), "dimension 0 has min 2, opt 1, max 8"),
        (shape_range([1, 3, 32, 32], [9, 3, 64, 64], [8, 3, 96, 96]), "dimension 0 has min 1, opt 9, max 8"),
        (shape_range([1, 1, 32, 32], [4, 3, 64, 64], [8, 3, 96, 96]), "the model fixes it at 3"),
        (shape_range([-1, 3, 32, 32], [4, 3, 64, 64], [8, 3, 96, 96]), "dimension 0 is -1"),
    ],
)
def test_a_range_that_misfits_is_refused_by_field(wrong, said):
    error = refusal_of([{"image": GOOD}, {"image": wrong}], [IMAGE])

    assert error.message.startswith("profiles[1].shapes.image")
    assert said in error.message


def test_an_input_of_unknown_rank_still_needs_equal_ranks():
    error = refusal_of([{"x": shape_range([1], [1, 2], [2, 2])}], [ModelInput("x", "float", None)])

    assert "different ranks" in error.message
