"""What the names of dimensions say, sums of them, and what the shorthand makes of both."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from ignition_builder.checking.arithmetic import sum_in
from ignition_builder.checking.dimensions import FreeDimensions
from ignition_builder.checking.inference import check_inference
from ignition_builder.checking.inspection import inputs_of
from ignition_builder.checking.profiles import resolved
from ignition_builder.checking.shape_check import check_fit
from ignition_builder.checking.signature import ModelInput
from ignition_hub.engine.dimension_names import BATCH, LENGTH, NEITHER, said
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import BatchRange, Profile
from smallmodels import model_of, shape_range

SHORTHAND = Profile(batch_size=BatchRange(1, 4, 8), max_sequence_length=16)


def floats(**shapes) -> list[ModelInput]:
    return [ModelInput(name, "float", tuple(shape)) for name, shape in shapes.items()]


def largest(inputs: list[ModelInput], profile: Profile = SHORTHAND) -> dict[str, tuple[int, ...]]:
    """Return the largest shape of every dynamic input."""
    return {name: wanted.max for name, wanted in resolved([profile], inputs)[0].shapes.items()}


def refusal_of(inputs: list[ModelInput], profile: Profile = SHORTHAND) -> RequestError:
    with pytest.raises(RequestError) as caught:
        resolved([profile], inputs)
    assert caught.value.reason is Reason.InvalidProfile
    return caught.value


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            BATCH,
            "batch batch_size batchSize BatchSize Batch BATCH bs batch_dim image_batch batch-size batch_0",
        ),
        (
            LENGTH,
            "seq sequence sequence_length past_sequence_length encoder_sequence_length seq_len seqlen T L",
        ),
        (LENGTH, "past_decoder_sequence_length num_frames time timesteps hidden_states_sequence_length"),
        (NEITHER, "height width H W image_height num_channels num_heads heads num_layers hidden_size"),
        ("", "n N b points foo unk__123 DynamicDimension.0 s0 s77 u1 d0 dim_1 x_dynamic_axes_1"),
    ],
)
def test_a_name_says_what_a_dimension_is(kind, names):
    assert {name: said(name) for name in names.split()} == dict.fromkeys(names.split(), kind)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        # PyTorch's LSTM with batch_first: its states have the batch in the middle.
        (
            floats(x=["batch", "seq", 4], h0=[1, "batch", 8], c0=[1, "batch", 8]),
            {"x": (8, 16, 4), "h0": (1, 8, 8), "c0": (1, 8, 8)},
        ),
        (floats(x=["seq", "batch", 8]), {"x": (16, 8, 8)}),
        (floats(x=["T", "N", 80]), {"x": (16, 8, 80)}),
        (floats(x=["N", 3]), {"x": (8, 3)}),
        (floats(x=[4, "N"], y=["", "N"]), {"x": (4, 8), "y": (16, 8)}),
        # A model that names its batch in full means something else by N.
        (floats(x=["batch", "N", 3]), {"x": (8, 16, 3)}),
        (floats(x=["batch", 3], boxes=["num_boxes", 4]), {"x": (8, 3), "boxes": (16, 4)}),
        (floats(x=["batch", 3], y=["unk__7", 4]), {"x": (8, 3), "y": (8, 4)}),
        (floats(x=["", "", 3], y=["", "batch"]), {"x": (8, 16, 3), "y": (16, 8)}),
        (floats(x=["rows", 3], y=[3, "rows"], z=["rows", "rows"]), {"x": (8, 3), "y": (3, 8), "z": (8, 8)}),
        (floats(x=["batch", "batch"]), {"x": (8, 8)}),
        # A decoder with a cache, as Optimum names it.
        (
            floats(
                ids=["batch_size", "sequence_length"],
                past=["batch_size", 2, "past_sequence_length", 8],
                mask=["batch_size", "past_sequence_length + sequence_length"],
            ),
            {"ids": (8, 16), "past": (8, 2, 16, 8), "mask": (8, 32)},
        ),
        (
            floats(ids=["batch_size", 1], mask=["batch_size", "past_sequence_length + 1"]),
            {"ids": (8, 1), "mask": (8, 17)},
        ),
    ],
)
def test_names_come_before_positions_and_tie_sizes_across_inputs(inputs, expected):
    has_length = any({16, 17} & {*shape} for shape in expected.values())
    profile = SHORTHAND if has_length else Profile(batch_size=SHORTHAND.batch_size)

    assert largest(inputs, profile) == expected


def test_a_sum_is_met_at_the_smallest_the_usual_and_the_largest_sizes():
    inputs = floats(q=["batch", "seq", 8], past=["batch", "past", 8], mask=["batch", 1, "past + seq"])
    (found,) = resolved([SHORTHAND], inputs)

    assert found.shapes["mask"] == shape_range([1, 1, 2], [4, 1, 32], [8, 1, 32])


def test_what_shapes_says_of_a_name_holds_for_every_dimension_of_that_name_and_for_sums():
    inputs = floats(q=["batch", "seq", 8], past=["batch", "past", 8], mask=["batch", "past + seq"])
    past = shape_range([2, 0, 8], [2, 100, 8], [2, 200, 8])
    (found,) = resolved([Profile({"past": past}, max_sequence_length=4)], inputs)

    assert found.shapes["q"] == shape_range([2, 1, 8], [2, 4, 8], [2, 4, 8])
    assert found.shapes["mask"] == shape_range([2, 1], [2, 104], [2, 204])


HEADS = floats(x=["heads", "batch", "seq"])
IMAGE = floats(image=["batch", 3, "height", "width"])
LIAR = floats(q=["batch", "seq"], mask=["batch", "seq - 2*past"], past=["batch", "past"])
STRIDED = floats(q=["batch", "seq"], half=["batch", "seq / 2"])


@pytest.mark.parametrize(
    ("inputs", "profile", "said", "written"),
    [
        (
            HEADS,
            SHORTHAND,
            "profiles[0].shapes: no entry for x [heads, batch, seq], and no shorthand covers heads "
            "(batchSize is for batch, maxSequenceLength is for seq)",
            {"x": shape_range([2, 1, 1], [2, 4, 16], [2, 8, 16])},
        ),
        (
            IMAGE,
            Profile(batch_size=BatchRange(1, 4, 8)),
            "no shorthand covers height and width (batchSize is for batch)",
            {"image": shape_range([1, 3, 32, 32], [4, 3, 64, 64], [8, 3, 96, 96])},
        ),
        (
            LIAR,
            SHORTHAND,
            "no shorthand covers seq - 2*past (batchSize is for batch, maxSequenceLength is for past, seq)",
            {"mask": shape_range([1, 0], [4, 0], [8, 0])},
        ),
        (
            STRIDED,
            SHORTHAND,
            "no shorthand covers seq / 2",
            {"half": shape_range([1, 1], [4, 8], [8, 8])},
        ),
        (
            floats(x=["batch", "floor(s0/2)"]),
            Profile(batch_size=BatchRange(1, 4, 8)),
            "no shorthand covers floor(s0/2)",
            {"x": shape_range([1, 1], [4, 8], [8, 8])},
        ),
    ],
)
def test_a_size_that_no_shorthand_says_is_named_with_what_was_taken_and_the_remedy_works(
    inputs, profile, said, written
):
    error = refusal_of(inputs, profile)
    (name,) = written

    assert said in error.message
    assert error.remedy == f"give min, opt and max for it in shapes.{name}"
    assert resolved([Profile(written, {}, profile.batch_size, profile.max_sequence_length)], inputs)


def test_a_length_never_opens_a_height_and_the_remedy_works():
    error = refusal_of(IMAGE, Profile(max_sequence_length=512))

    assert error.message == (
        "profiles[0].maxSequenceLength: no free dimension is a length in image [batch, 3, height, width]"
    )
    assert error.remedy.startswith("leave it out and give min, opt and max in shapes.image")
    good = shape_range([1, 3, 32, 32], [4, 3, 64, 64], [8, 3, 96, 96])
    assert resolved([Profile({"image": good})], IMAGE)


def test_a_batch_for_a_model_that_has_none_is_refused_and_the_remedy_works():
    inputs = floats(x=["seq", 8])
    error = refusal_of(inputs)

    assert error.message == "profiles[0].batchSize: no dimension is a batch in x [seq, 8]"
    assert error.remedy.startswith("leave it out, or export the model with a free dimension named batch")
    assert largest(inputs, Profile(max_sequence_length=16)) == {"x": (16, 8)}
    assert largest(floats(x=["seq", "batch", 8])) == {"x": (16, 8, 8)}


@pytest.mark.parametrize(
    ("profile", "hint"),
    [
        (Profile(batch_size=BatchRange(1, 4, 8)), "or maxSequenceLength for seq"),
        (Profile(max_sequence_length=16), "or batchSize for batch"),
    ],
)
def test_a_missing_shorthand_is_offered_for_the_dimension_by_name_and_works(profile, hint):
    inputs = floats(x=["seq", "batch", 8])

    assert refusal_of(inputs, profile).remedy.endswith(hint)
    assert largest(inputs) == {"x": (16, 8, 8)}


SIZES = {"a": 7, "b": 2, "past.0": 3}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b", 9),
        ("a - b*2", 3),
        ("2*(a+b)//3", 6),
        ("(a - 1)//2 + 1", 4),
        ("past.0 + 1", 4),
        ("  a+1  ", 8),
        ("a // (b - 2)", None),
        ("a + c", None),
    ],
)
def test_a_sum_is_computed_from_its_parts(text, value):
    found = sum_in(text)

    assert found is not None
    assert found.at(SIZES) == value


NAMES = [
    "a",
    "7",
    "",
    "a b",
    "a +",
    "+ a",
    "(a + b",
    "a + b)",
    "a ** b",
    "a / b",
    "a+b;c",
    "1e9+a",
    "a+b\x00",
]
DEEP = ["a + " * 40 + "a", "(" * 50 + "a", "a+" + "(" * 59 + "b" + ")" * 58, "__import__('os') + a"]


@pytest.mark.parametrize("text", NAMES + DEEP)
def test_what_is_no_sum_is_a_name(text):
    assert sum_in(text) is None


@given(st.one_of(st.text(), st.text("ab+-*/() 01")))
def test_any_name_is_a_sum_or_a_name(text):
    found = sum_in(text)

    assert found is None or isinstance(found.at(dict.fromkeys(found.names, 3)), int | None)


def test_a_hyphen_alone_makes_no_sum():
    hyphened = FreeDimensions.of(floats(x=["batch-size", "seq-len"]))
    assert hyphened.named == {"batch-size": BATCH, "seq-len": LENGTH}
    between = FreeDimensions.of(floats(x=["batch", "all-old"], old=["batch", "old"], all=["batch", "all"]))
    assert between.named["all-old"] == sum_in("all-old")


def decoder(mask: str) -> onnx.ModelProto:
    """One attention of a decoder; its mask has the size ``mask``."""
    nodes = [
        helper.make_node("Concat", ["past", "q"], ["k"], axis=1),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["s"]),
        helper.make_node("Add", ["s", "mask"], ["y"], name="masked"),
    ]
    inputs = {"q": ["batch", "seq", 8], "past": ["batch", "past", 8], "mask": ["batch", 1, mask]}
    return model_of(nodes, inputs, {"y": ["batch", "seq", "total"]})


def test_usual_shapes_that_do_not_go_together_are_refused_with_every_input_and_the_remedy_works():
    model = decoder("past + 1")  # what Optimum called it, although the mask is past + seq long
    profiles = resolved([SHORTHAND], inputs_of(model))
    with pytest.raises(RequestError) as caught:
        check_fit(model, profiles)

    assert caught.value.reason is Reason.InvalidProfile
    assert caught.value.message.startswith(
        "profiles[0]: with the usual shapes q [4, 16, 8], past [4, 16, 8], mask [4, 1, 17], node masked (Add)"
    )
    assert caught.value.remedy == "give shapes that go together in shapes.q, shapes.past, shapes.mask"
    written = Profile({"mask": shape_range([1, 1, 2], [4, 1, 32], [8, 1, 32])}, {}, *SHORTHAND_FIELDS)
    check_fit(model, resolved([written], inputs_of(model)))


SHORTHAND_FIELDS = (SHORTHAND.batch_size, SHORTHAND.max_sequence_length)


def test_usual_shapes_that_go_together_pass_whatever_was_written_down_for_the_result():
    model = decoder("past + seq")
    model.graph.value_info.append(helper.make_tensor_value_info("s", onnx.TensorProto.FLOAT, [1, 2, 3]))

    check_fit(model, resolved([SHORTHAND], inputs_of(model)))
    check_fit(model, ())


def with_an_output_that_is_read(batch: int | str) -> onnx.ModelProto:
    """Return a model whose first output is what a Reshape makes the second of."""
    nodes = [
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("Reshape", ["y", "sizes"], ["z"], name="r"),
    ]
    sizes = onnx.numpy_helper.from_array(np.array([-1, 2, 2], np.int64), "sizes")
    return model_of(nodes, {"x": [batch, 4]}, {"y": [batch, 4], "z": [batch, 2, 2]}, weights=[sizes])


def test_an_output_that_a_node_reads_is_no_scalar_for_want_of_a_shape():
    model = with_an_output_that_is_read("n")
    check_fit(model, [Profile({"x": shape_range((1, 4), (2, 4), (4, 4))})])

    model = with_an_output_that_is_read(2)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    check_inference(model)
