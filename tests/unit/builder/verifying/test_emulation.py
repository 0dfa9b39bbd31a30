"""A CPU that computes what a model's types say: rounded, overflowing, in bodies and functions too."""

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.verifying.emulation import ENGINES, WIDE, retyped
from ignition_builder.verifying.reference import outputs_of
from ignition_builder.verifying.samples import Sample
from ignition_hub.engine.errors import RequestError
from smallmodels import model_of, saved

FLOAT, HALF, BRAIN = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16
NUMPY = {HALF: np.float16, BRAIN: ml_dtypes.bfloat16}
NARROW = pytest.mark.parametrize("kind", [HALF, BRAIN], ids=["fp16", "bf16"])


def made(kind, name, value):
    return numpy_helper.from_array(np.array(value, NUMPY[kind]), name)


def between_casts(kind, nodes, *, weights=(), shape=(4,), out=None, opset=17, **more):
    """Return a model that casts ``x`` to ``x16``, does ``nodes`` and casts their ``y16`` to ``y``."""
    first = helper.make_node("Cast", ["x"], ["x16"], to=kind)
    last = helper.make_node("Cast", ["y16"], ["y"], to=FLOAT)
    shapes = {"x": list(shape)}, {"y": out}
    return model_of([first, *nodes, last], *shapes, weights=list(weights), opset=opset, **more)


def computed(model, folder, arithmetic=ENGINES, **values):
    return outputs_of(saved(model, folder), [Sample(0, values)], "it", arithmetic)[0]["y"]


def in_an_if(kind):
    """``x * k * i`` in a branch, with ``x`` and ``k`` from outside and ``i`` its own."""
    multiply = [helper.make_node("Mul", ["x16", "k"], ["m"]), helper.make_node("Mul", ["m", "i"], ["n"])]
    empty = helper.make_empty_tensor_value_info
    then = helper.make_graph(multiply, "then", [], [empty("n")], [made(kind, "i", 0.001)])
    other = helper.make_graph([helper.make_node("Neg", ["x16"], ["o"])], "else", [], [empty("o")])
    yes = helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True)))
    branch = helper.make_node("If", ["yes"], ["y16"], then_branch=then, else_branch=other)
    return between_casts(kind, [yes, branch], weights=[made(kind, "k", 200)])


def in_a_loop(kind):
    """``x`` times 200 once, and 0.001 times that after, over a carried value."""
    body = helper.make_graph(
        [
            helper.make_node("Constant", [], ["factor"], value=made(kind, "", 200)),
            helper.make_node("Mul", ["carried", "factor"], ["next"]),
            helper.make_node("Identity", ["go"], ["goes"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", kind, [4]),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", kind, [4]),
        ],
    )
    once = helper.make_node("Constant", [], ["once"], value=numpy_helper.from_array(np.array(1)))
    nodes = [
        once,
        helper.make_node("Loop", ["once", "", "x16"], ["m"], body=body),
        helper.make_node("Mul", ["m", "i"], ["y16"]),
    ]
    return between_casts(kind, nodes, weights=[made(kind, "i", 0.001)], out=[4])


def in_a_scan(kind):
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["each", "k"], ["m"]),
            helper.make_node("Mul", ["m", "i"], ["scanned"]),
        ],
        "body",
        [helper.make_tensor_value_info("each", kind, [])],
        [helper.make_tensor_value_info("scanned", kind, [])],
    )
    scan = helper.make_node("Scan", ["x16"], ["y16"], body=body, num_scan_inputs=1)
    return between_casts(kind, [scan], weights=[made(kind, "k", 200), made(kind, "i", 0.001)])


def in_a_function(kind):
    opsets = [helper.make_opsetid("", 17)]
    nodes = [helper.make_node("Mul", ["a", "b"], ["m"]), helper.make_node("Mul", ["m", "c"], ["r"])]
    function = helper.make_function("own", "Scaled", ["a", "b", "c"], ["r"], nodes, opsets)
    call = helper.make_node("Scaled", ["x16", "k", "i"], ["y16"], domain="own")
    weights = [made(kind, "k", 200), made(kind, "i", 0.001)]
    return between_casts(kind, [call], weights=weights, domains=["own"], functions=[function])


def in_the_graph(kind):
    nodes = [helper.make_node("Mul", ["x16", "k"], ["m"]), helper.make_node("Mul", ["m", "i"], ["y16"])]
    return between_casts(kind, nodes, weights=[made(kind, "k", 200), made(kind, "i", 0.001)])


PLACES = [in_the_graph, in_an_if, in_a_loop, in_a_scan, in_a_function]


@NARROW
@pytest.mark.parametrize("place", PLACES)
def test_every_value_is_rounded_and_overflows_wherever_it_is_computed(place, kind, tmp_path):
    x = np.array([1, 1 / 3, 400, 3e36], np.float32)
    with np.errstate(over="ignore"):
        narrow = x.astype(NUMPY[kind])
        expected = (narrow * NUMPY[kind](200)) * NUMPY[kind](0.001)
    found = computed(place(kind), tmp_path, x=x)

    assert np.array_equal(found, expected.astype(np.float32))
    assert np.isinf(found[2]) == (kind == HALF)


@pytest.mark.parametrize("place", PLACES)
def test_the_reference_is_not_rounded(place, tmp_path):
    x = np.array([1, 1 / 3, 400, 3e34], np.float32)
    found = computed(place(HALF), tmp_path, WIDE, x=x)

    assert np.allclose(found, x * 200 * np.float32(np.float16(0.001)), rtol=1e-6)


def test_casts_that_follow_each_other_are_no_way_round_rounding(tmp_path):
    nodes = [
        helper.make_node("Cast", ["x"], ["low"], to=HALF),
        helper.make_node("Cast", ["low"], ["y"], to=1),
    ]
    x = np.array([65519, 65520, -1e5, 2.9e-8, 3e-8, 6e-6, 1 + 2**-11, 1 + 3 * 2**-11, np.nan], np.float32)
    found = computed(model_of(nodes, {"x": [9]}, {"y": [9]}), tmp_path, x=x)

    with np.errstate(over="ignore"):
        assert np.array_equal(found, x.astype(np.float16).astype(np.float32), equal_nan=True)
    assert found[:5].tolist() == [65504, np.inf, -np.inf, 0, 2**-24]


@pytest.mark.parametrize(
    ("operator", "wanted"), [("ReduceSum", np.inf), ("ReduceMean", 40000), ("ReduceMax", 40000)]
)
def test_a_sum_overflows_when_it_is_given_and_not_on_its_way(operator, wanted, tmp_path):
    nodes = [helper.make_node(operator, ["x16"], ["y16"], keepdims=0)]
    assert computed(between_casts(HALF, nodes), tmp_path, x=np.full(4, 40000, np.float32)) == wanted


def test_sequences_hold_what_was_rounded(tmp_path):
    nodes = [
        helper.make_node("SequenceEmpty", [], ["none"], dtype=HALF),
        helper.make_node("Mul", ["x16", "x16"], ["square"]),
        helper.make_node("SequenceInsert", ["none", "square"], ["one"]),
        helper.make_node("ConcatFromSequence", ["one"], ["y16"], axis=0),
    ]
    found = computed(between_casts(HALF, nodes), tmp_path, x=np.array([300, 1, 2, 1 / 3], np.float32))
    assert found.tolist() == [np.inf, 1, 4, np.float16(np.float16(1 / 3) ** 2)]


def test_inputs_and_outputs_of_a_narrow_type_are_taken_and_given(tmp_path):
    nodes = [helper.make_node("Mul", ["x", "x"], ["y"])]
    model = model_of(nodes, {"x": ([2], HALF)}, {"y": ([2], HALF)})
    assert computed(model, tmp_path, x=np.array([300, 3], np.float16)).tolist() == [np.inf, 9]
    assert computed(model, tmp_path, WIDE, x=np.array([300, 3], np.float16)).tolist() == [90000, 9]


def test_double_is_what_tensorrt_makes_of_it(tmp_path):
    """The engine has FLOAT, the reference has the model's own digits."""
    start = numpy_helper.from_array(np.array(1.7e9), "start")
    nodes = [helper.make_node("Sub", ["x", "start"], ["y"])]
    model = model_of(
        nodes, {"x": ([1], TensorProto.DOUBLE)}, {"y": ([1], TensorProto.DOUBLE)}, weights=[start]
    )
    assert computed(model, tmp_path, x=np.array([1.7e9 + 7])).tolist() == [0]
    assert computed(model, tmp_path, WIDE, x=np.array([1.7e9 + 7])).tolist() == [7]


def test_quantizing_in_a_narrow_type_steps_from_rounded_numbers(tmp_path):
    scale, zero = made(HALF, "scale", 0.1), numpy_helper.from_array(np.array(0, np.int8), "zero")
    nodes = [
        helper.make_node("QuantizeLinear", ["x16", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y16"]),
    ]
    found = computed(
        between_casts(HALF, nodes, weights=[scale, zero], opset=19),
        tmp_path,
        x=np.float32([0.33, 99, -99, 0]),
    )
    scaled = np.float32(np.float16(0.1))
    assert found.tolist() == [np.float16(3 * scaled), np.float16(127 * scaled), np.float16(-128 * scaled), 0]


@NARROW
def test_weights_are_mapped_where_they_lie_even_through_links(kind, tmp_path):
    own, snapshot = tmp_path / "own", tmp_path / "snapshot"
    own.mkdir()
    snapshot.mkdir()
    weight = made(kind, "w", np.random.default_rng(0).standard_normal((4, 8192)))
    model = between_casts(
        kind, [helper.make_node("MatMul", ["x16", "w"], ["y16"])], weights=[weight], shape=(1, 4)
    )
    x = np.ones((1, 4), np.float32)
    expected = computed(model, own, x=x)
    onnx.save(model, own / "blob", save_as_external_data=True, location="weights", size_threshold=0)
    (snapshot / "model.onnx").symlink_to(own / "blob")
    (snapshot / "weights").symlink_to(own / "weights")

    found = outputs_of(snapshot / "model.onnx", [Sample(0, {"x": x})], "it", ENGINES)[0]["y"]
    assert np.array_equal(found, expected)
    assert np.ptp(found) > 1


def test_weights_of_half_a_byte_are_taken_in(tmp_path):
    weight = helper.make_tensor("w", TensorProto.INT4, [2, 2], [1, -2, 7, -8])
    nodes = [helper.make_node("DequantizeLinear", ["w", "scale"], ["y16"])]
    nodes.append(helper.make_node("Identity", ["x16"], ["unused"]))
    model = between_casts(HALF, nodes, weights=[weight, made(HALF, "scale", 0.5)], opset=21)
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    found = outputs_of(tmp_path / "m.onnx", [Sample(0, {"x": np.zeros(4, np.float32)})], "it", ENGINES)[0][
        "y"
    ]
    assert found.tolist() == [[0.5, -1], [3.5, -4]]


def test_a_model_without_such_types_is_left_alone():
    assert (
        retyped(model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": [1]}, {"y": [1]}), ENGINES) is None
    )


@pytest.mark.parametrize("place", PLACES)
def test_names_stay_and_onnx_accepts_the_rewritten_model(place):
    found = retyped(place(BRAIN), ENGINES)
    onnx.checker.check_model(found, full_check=True)
    assert [value.name for value in (*found.graph.input, *found.graph.output)] == ["x", "y"]


def test_what_cannot_be_emulated_is_refused_by_its_name(tmp_path):
    nodes = [helper.make_node("Own", ["x16"], ["y16"], domain="acme", name="mine")]
    with pytest.raises(RequestError, match=r"node mine \(Own\): ONNX cannot tell the type of y16"):
        computed(between_casts(HALF, nodes, domains=["acme"]), tmp_path, x=np.zeros(4, np.float32))
    nodes = [
        helper.make_node("BitCast", ["x16"], ["bits"], to=TensorProto.INT16, name="bits"),
        helper.make_node("Cast", ["bits"], ["y16"], to=HALF),
    ]
    with pytest.raises(RequestError, match=r"node bits \(BitCast\) reads the bits"):
        computed(between_casts(HALF, nodes, opset=26), tmp_path, x=np.zeros(4, np.float32))


def test_an_operator_whose_type_onnx_does_not_tell_has_that_of_its_input(tmp_path):
    """ONNX infers nothing for GroupNormalization of opset 18."""
    ones, zeros = made(HALF, "ones", [1, 1]), made(HALF, "zeros", [0, 0])
    norm = helper.make_node("GroupNormalization", ["x16", "ones", "zeros"], ["n"], num_groups=2)
    nodes = [norm, helper.make_node("Mul", ["n", "k"], ["y16"])]
    model = between_casts(
        HALF, nodes, weights=[ones, zeros, made(HALF, "k", 60000)], shape=(1, 4, 2), opset=18
    )
    x = np.array([1, 2, 3, 4, 5, 6, 7, 80], np.float32).reshape(1, 4, 2)
    assert np.isinf(computed(model, tmp_path, x=x)).any()
    assert np.isfinite(computed(model, tmp_path, WIDE, x=x)).all()
