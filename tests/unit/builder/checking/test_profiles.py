"""Profiles against a model's inputs: every misfit is named before TensorRT sees it."""

import pytest

from ignition_builder.checking.profiles import resolved
from ignition_builder.checking.signature import ModelInput
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import BatchRange, Profile
from smallmodels import shape_range

IMAGE = ModelInput("image", "float", ("batch", 3, "", ""))
MASK = ModelInput("mask", "int64", ("batch",))
FIXED = ModelInput("anchor", "float", (1, 4))
GOOD = shape_range([1, 3, 32, 32], [4, 3, 64, 64], [8, 3, 96, 96])
GOOD_MASK = shape_range([1], [4], [8])


def refusal_of(profiles, inputs) -> RequestError:
    with pytest.raises(RequestError) as caught:
        resolved([Profile(shapes) for shapes in profiles], inputs)
    assert caught.value.reason is Reason.InvalidProfile
    assert caught.value.remedy
    return caught.value


def test_a_model_without_free_dimensions_needs_no_profile():
    resolved([], [FIXED])


def test_profiles_that_fit_are_accepted():
    resolved([Profile({"image": GOOD, "mask": GOOD_MASK})], [IMAGE, MASK, FIXED])


def test_a_fixed_input_may_be_repeated_in_a_profile():
    resolved([Profile({"anchor": shape_range([1, 4], [1, 4], [1, 4])})], [FIXED])


def test_a_free_dimension_without_a_profile_names_the_inputs_and_their_shapes():
    error = refusal_of([], [IMAGE, MASK, FIXED])

    assert "image [batch, 3, ?, ?], mask [batch]" in error.message
    assert "anchor" not in error.message


def test_a_profile_that_forgets_an_input_says_which():
    error = refusal_of([{"image": GOOD}], [IMAGE, MASK])

    assert error.message == "profiles[0].shapes: no entry for mask [batch]"


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


def test_shorthand_fills_what_shapes_leaves_out():
    profile = Profile(
        shapes={"mask": shape_range([1], [4], [8])}, batch_size=BatchRange(1, 4, 8), max_sequence_length=96
    )

    (found,) = resolved([profile], [IMAGE, MASK, FIXED])

    assert found.shapes["mask"] == GOOD_MASK
    assert found.shapes["image"] == shape_range([1, 3, 1, 1], [4, 3, 96, 96], [8, 3, 96, 96])
    assert (found.batch_size, found.max_sequence_length) == (None, None)


def test_shapes_win_over_shorthand_also_for_the_same_name_in_another_input():
    profile = Profile(shapes={"image": GOOD}, batch_size=BatchRange(4, 4, 4), max_sequence_length=7)

    (found,) = resolved([profile], [IMAGE, MASK])

    assert found.shapes == {"image": GOOD, "mask": GOOD_MASK}


def test_every_profile_is_resolved_for_itself():
    first, second = resolved([Profile(batch_size=BatchRange(1, 1, 1)), Profile({"mask": GOOD_MASK})], [MASK])

    assert (first.shapes["mask"].max, second.shapes["mask"].max) == ((1,), (8,))


def test_the_batch_a_model_fixes_may_be_asked_for():
    assert resolved([Profile(batch_size=BatchRange(1, 1, 1))], [FIXED]) == (Profile(),)


IDS = ModelInput("ids", "int64", ("batch", "sequence"))
RANKLESS = ModelInput("x", "float", None)


@pytest.mark.parametrize(
    ("profile", "inputs", "said", "works"),
    [
        (
            Profile(batch_size=BatchRange(1, 8, 8)),
            [FIXED],
            "profiles[0].batchSize: the model fixes",
            "export",
        ),
        (Profile(batch_size=BatchRange(0, 1, 1)), [MASK], "has min 0, opt 1, max 1", "1 <= min"),
        (Profile(batch_size=BatchRange(1, 9, 8)), [MASK], "has min 1, opt 9, max 8", "1 <= min"),
        (Profile(max_sequence_length=9), [MASK], "no free dimension is a length in mask", "leave it"),
        (Profile(max_sequence_length=0), [IDS], "maxSequenceLength: 0 is not a length", "1 or more"),
        (Profile(max_sequence_length=9), [IDS], "no entry for ids [batch, sequence]", "or batchSize for"),
        (Profile(batch_size=BatchRange(1, 1, 1)), [IDS], "no entry for ids", "or maxSequenceLength for"),
        (Profile(batch_size=BatchRange(1, 1, 1)), [RANKLESS], "does not say its rank", "shapes.x"),
        (Profile(batch_size=BatchRange(1, 1, 2**31)), [MASK], "dimension 0 is 2147483648", "0 to 2147483647"),
        (
            Profile({"x": shape_range([1] * 9, [1] * 9, [1] * 9)}),
            [RANKLESS],
            "shapes.x.min: 9 dimensions",
            "at most 8",
        ),
        (
            Profile({"x": shape_range([1, 1], [1, 1], [2**30, 2**30])}),
            [RANKLESS],
            "1152921504606846976 elements",
            "that GPUs can hold",
        ),
        (
            Profile({"image": GOOD, "mask": shape_range([1], [5], [8])}),
            [IMAGE, MASK],
            "dimension batch has opt 4 in image and opt 5 in mask",
            "the same size",
        ),
    ],
)
def test_what_misfits_names_the_field_the_value_and_what_would_work(profile, inputs, said, works):
    with pytest.raises(RequestError) as caught:
        resolved([profile], inputs)

    assert caught.value.reason is Reason.InvalidProfile
    assert caught.value.message.startswith("profiles[0]")
    assert said in caught.value.message
    assert works in caught.value.remedy


SIZES = ModelInput("sizes", "int64", (2,))


def test_a_shape_tensor_has_a_range_of_values():
    profile = Profile(values={"sizes": shape_range([1, 1], [8, 8], [16, 16])})

    assert resolved([profile], [SIZES]) == (profile,)


@pytest.mark.parametrize(
    ("name", "wanted", "said"),
    [
        ("size", shape_range([1, 1], [8, 8], [16, 16]), "the model has no such input"),
        ("anchor", shape_range([1, 1], [8, 8], [16, 16]), "the input holds float"),
        ("ids", shape_range([1], [8], [16]), "the input is ids [batch, sequence]"),
        ("sizes", shape_range([1], [8], [16]), "1 values, the input sizes [2] holds 2"),
        ("sizes", shape_range([1, 9], [8, 8], [16, 16]), "element 1 has min 9, opt 8, max 16"),
        ("sizes", shape_range([1, 1], [8, 8], [16, 2**40]), "1099511627776 is not an int32"),
    ],
)
def test_values_that_misfit_are_refused_by_field(name, wanted, said):
    profile = Profile(values={name: wanted}, batch_size=BatchRange(1, 1, 1), max_sequence_length=4)
    with pytest.raises(RequestError) as caught:
        resolved([profile], [SIZES, FIXED, IDS])

    assert caught.value.message.startswith(f"profiles[0].values.{name}")
    assert said in caught.value.message
    assert caught.value.remedy
