"""Inputs are checked against the profiles before anything is enqueued, and the offending one is named."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from fakeruntime import Engine
from ignition_hub.engine.errors import ContractError, Reason
from ignition_hub.engine.identity import Profile, ShapeRange
from ignition_hub.runtime.errors import InputRefused
from ignition_hub.runtime.inputs import InputChecker
from ignition_hub.runtime.tensors import FREE, Given, Tensor, dtype_name

IMAGE = Tensor("image", "float32", (FREE, 3, FREE, FREE))
SMALL = Profile({"image": ShapeRange((1, 3, 32, 32), (4, 3, 64, 64), (8, 3, 64, 64))})
LARGE = Profile({"image": ShapeRange((1, 3, 32, 32), (16, 3, 512, 512), (32, 3, 512, 512))})


@dataclass
class Array:
    """What NumPy, PyTorch and CuPy arrays have in common."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    content: list[int] = field(default_factory=list)

    def reshape(self, *sizes: int) -> "Array":
        assert sizes == (-1,)
        return self

    def tolist(self) -> list[int]:
        return self.content


def checker(*profiles: Profile, tensors=(IMAGE,)) -> InputChecker:
    return InputChecker(tensors, profiles)


def refused(check: InputChecker, **arrays: Array) -> InputRefused:
    with pytest.raises(InputRefused) as caught:
        check.check(arrays)
    assert caught.value.reason is Reason.InvalidInput
    return caught.value


def test_of_several_profiles_that_fit_the_one_tuned_nearest_is_used():
    check = checker(LARGE, SMALL)

    assert check.check({"image": Array((4, 3, 64, 64))}) == 1
    assert check.check({"image": Array((4, 3, 400, 400))}) == 0


def test_an_engine_with_fixed_shapes_has_one_profile():
    check = checker(tensors=(Tensor("x", "float32", (2, 64)),))

    assert check.check({"x": Array((2, 64))}) == 0


def test_a_shape_outside_names_input_shape_profiles_and_what_would_fit():
    error = refused(checker(SMALL, LARGE), image=Array((64, 3, 512, 512)))

    assert str(error) == (
        "input 'image': shape [64, 3, 512, 512] is outside every profile: "
        "profile 0 takes [1, 3, 32, 32] to [8, 3, 64, 64]; "
        "profile 1 takes [1, 3, 32, 32] to [32, 3, 512, 512]: "
        "the nearest that fits: image shape [32, 3, 512, 512]; or build with a profile that covers it"
    )
    assert error.input == "image"
    assert error.nearest == {"image": (32, 3, 512, 512)}


def test_two_inputs_that_only_fit_different_profiles_do_not_fit():
    pair = (Tensor("a", "float32", (FREE,)), Tensor("b", "float32", (FREE,)))
    low = Profile({name: ShapeRange((1,), (1,), (4,)) for name in "ab"})
    high = Profile({name: ShapeRange((8,), (8,), (9,)) for name in "ab"})

    error = refused(InputChecker(pair, (low, high)), a=Array((4,)), b=Array((9,)))

    assert error.nearest in ({"a": (8,)}, {"b": (4,)})


def test_an_unknown_input_is_named_with_those_there_are():
    error = refused(checker(SMALL), picture=Array((1, 3, 32, 32)))

    assert "'picture': the engine has no such input" in error.message
    assert "image float32 [?, 3, ?, ?]" in error.remedy


def test_a_missing_input_is_named():
    error = refused(checker(SMALL))

    assert error.message == "input 'image' is missing"


@pytest.mark.parametrize("dtype", ["float64", "torch.float16", "uint8"])
def test_another_type_is_refused_with_the_one_to_convert_to(dtype):
    error = refused(checker(SMALL), image=Array((1, 3, 32, 32), dtype))

    assert f"type is {dtype.removeprefix('torch.')}, but the engine expects float32" in error.message


def test_what_is_no_array_is_refused():
    error = refused(checker(SMALL), image=[[1.0]])

    assert error.message == "input 'image' is not an array: list has no dtype and shape"


def test_the_other_byte_order_is_another_type():
    error = refused(checker(SMALL), image=np.zeros((1, 3, 32, 32), np.dtype("float32").newbyteorder()))

    assert "type is float32 in the other byte order" in error.message


def test_real_arrays_are_checked_as_they_are():
    tensors = (IMAGE, Tensor("size", "int64", (2,)))
    profile = Profile(SMALL.shapes, {"size": ShapeRange((1, 1), (8, 8), (64, 64))})
    image = np.zeros((2, 3, 32, 32), np.float32)

    assert InputChecker(tensors, (profile,)).check({"image": image, "size": np.array([8, 8])}) == 0


def test_a_fixed_dimension_is_named():
    error = refused(checker(SMALL), image=Array((1, 4, 32, 32)))

    assert "has 4 in dimension 1" in error.message
    assert "dimension 1 was fixed to 3" in error.remedy


def test_another_rank_is_named():
    error = refused(checker(SMALL), image=Array((3, 32, 32)))

    assert "has 3 dimensions" in error.message


def test_a_shape_tensor_is_checked_by_its_values():
    tensors = (Tensor("size", "int64", (2,)),)
    profile = Profile(values={"size": ShapeRange((1, 1), (8, 8), (64, 64))})
    check = InputChecker(tensors, (profile,))

    assert check.check({"size": Array((2,), "int64", [8, 64])}) == 0
    error = refused(check, size=Array((2,), "int64", [8, 65]))
    assert "values [8, 65] is outside every profile: profile 0 takes [1, 1] to [64, 64]" in error.message
    assert error.nearest == {}


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("torch.bfloat16", "bfloat16"),
        ("FLOAT", "float32"),
        ("DataType.HALF", "float16"),
        ("double", "float64"),
        ("BF16", "bfloat16"),
        ("int64", "int64"),
        ("torch.float8_e4m3fn", "float8_e4m3fn"),
    ],
)
def test_every_library_spells_types_its_own_way(spelling, name):
    assert dtype_name(spelling) == name


SIZES = st.integers(1, 64)


@st.composite
def ranges(draw, rank):
    ordered = [sorted(draw(st.tuples(SIZES, SIZES, SIZES))) for _ in range(rank)]
    return ShapeRange(*(tuple(item[kind] for item in ordered) for kind in range(3)))


@st.composite
def cases(draw):
    ranks = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    names = [f"x{index}" for index in range(len(ranks))]
    tensors = tuple(Tensor(name, "float32", (FREE,) * rank) for name, rank in zip(names, ranks, strict=True))
    profiles = tuple(
        Profile({name: draw(ranges(rank)) for name, rank in zip(names, ranks, strict=True)})
        for _ in range(draw(st.integers(1, 3)))
    )
    shapes = {
        name: Given("float32", tuple(draw(st.lists(st.integers(0, 100), min_size=rank, max_size=rank))))
        for name, rank in zip(names, ranks, strict=True)
    }
    return InputChecker(tensors, profiles), shapes


def refusal(check: InputChecker, shapes: dict[str, Given]) -> InputRefused | None:
    try:
        check.profile_for(shapes)
    except InputRefused as error:
        return error
    return None


def holds(profile: Profile, shapes: dict[str, Given]) -> bool:
    return all(
        low <= size <= high
        for name, limits in profile.shapes.items()
        for low, size, high in zip(limits.min, shapes[name].shape, limits.max, strict=True)
    )


@examples(cases())
def test_what_is_accepted_lies_in_the_chosen_profile_and_what_is_refused_in_none(case):
    check, shapes = case
    if refusal(check, shapes):
        assert not any(holds(profile, shapes) for profile in check.profiles)
    else:
        assert holds(check.profiles[check.profile_for(shapes)], shapes)


@examples(cases())
def test_the_nearest_shapes_that_a_refusal_names_fit(case):
    check, shapes = case
    error = refusal(check, shapes)
    if error is not None:
        corrected = {name: Given("float32", shape) for name, shape in error.nearest.items()}

        assert error.input in corrected
        assert refusal(check, {**shapes, **corrected}) is None


@examples(cases())
def test_every_corner_of_a_profile_is_accepted(case):
    check, _ = case
    for profile in check.profiles:
        for kind in ("min", "opt", "max"):
            check.profile_for(
                {name: Given("float32", getattr(limits, kind)) for name, limits in profile.shapes.items()}
            )


def test_a_manifest_tells_inputs_and_profiles_before_there_is_an_engine():
    limits = {"min": [1, 64], "opt": [4, 64], "max": [8, 64]}
    manifest = Engine(facts={"profiles": ({"shapes": {"x": limits}},)}).manifest

    check = InputChecker.of_manifest(manifest)

    assert check.tensors == (Tensor("x", "float32", (FREE, 64)),)
    assert check.check({"x": Array((8, 64))}) == 0
    assert refused(check, x=Array((9, 64))).nearest == {"x": (8, 64)}


def test_what_the_engine_has_wins_over_what_the_model_had():
    recorded = {"inputs": [{"name": "x", "dtype": "INT32", "shape": [2]}], "outputs": []}

    check = InputChecker.of_manifest(Engine(facts={"engine_io": recorded}).manifest)

    assert check.tensors == (Tensor("x", "int32", (2,)),)


@pytest.mark.parametrize("recorded", [5, {"name": "x"}, {"name": "x", "dtype": "float", "shape": 3}])
def test_an_input_recorded_in_no_known_shape_is_a_contract_error(recorded):
    manifest = Engine(facts={"engine_io": {"inputs": [recorded]}}).manifest

    with pytest.raises(ContractError, match="an input is recorded as"):
        InputChecker.of_manifest(manifest)
