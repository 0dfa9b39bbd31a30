"""Shapes, places and scales that a model computes in floating point, mostly of constants, are not rounded."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from conversions import Converted, floats, node
from ignition_builder.pipeline import build
from ignition_builder.precision.floats import BRAIN, HALF
from ignition_builder.verifying.emulation import ENGINES
from ignition_builder.verifying.reference import outputs_of
from ignition_builder.verifying.samples import Sample
from ignition_builder.verifying.session import session_of
from smallmodels import model_of, request_for, saved

SIDE = 37
X = np.random.default_rng(0).standard_normal((1, 1, SIDE, SIDE)).astype(np.float32)
INT64 = TensorProto.INT64


def integers(name, *values):
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def whole(value):
    """Cast to an integer, up to which the rows are taken."""
    return [
        node("Cast", [value], ["end"], to=INT64),
        node("Slice", ["x", "zero", "end", "two"], ["y"]),
    ]


def resized(scale):
    return [
        node("Concat", ["one", "one", scale, scale], ["scales"], axis=0),
        node("Resize", ["x", "", "scales"], ["y"], mode="linear"),
    ]


def picked(index):
    return [node("Slice", ["x", "zero", index, "two"], ["y"])]


def branch(name, operator):
    output = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
    return helper.make_graph([node(operator, ["tokens"], [name])], name, [], [output])


RISING = floats("rising", 1300, 1301, 1302, 1303)
SPELLINGS = {
    "the root of the tokens": [node("Pow", ["tokens", "half"], ["g"]), *whole("g")],
    "its logarithm": [
        node("Log", ["tokens"], ["l"]),
        node("Mul", ["l", "half"], ["h"]),
        node("Exp", ["h"], ["e"]),
        node("Round", ["e"], ["g"]),
        *whole("g"),
    ],
    "the root of a filled tensor": [
        node("ConstantOfShape", ["once"], ["f"], value=floats("", 1369.0)),
        node("Sqrt", ["f"], ["g"]),
        *whole("g"),
    ],
    "a branch": [
        node("If", ["flag"], ["g"], then_branch=branch("then", "Sqrt"), else_branch=branch("else", "Neg")),
        *whole("g"),
    ],
    "an activation": [
        node("Sigmoid", ["one"], ["s"]),
        node("Mul", ["s", "fifty"], ["m"]),
        node("Round", ["m"], ["g"]),
        *whole("g"),
    ],
    "a scale of a resize": [node("Div", ["wanted", "side"], ["s"]), *resized("s")],
    "a comparison": [
        node("Sqrt", ["tokens"], ["g"]),
        node("Less", ["g", "bound"], ["less"]),
        node("Where", ["less", "three", "two"], ["end"]),
        *picked("end"),
    ],
    "the largest of some": [
        node("Sub", ["rising", "half"], ["r"]),
        node("ArgMax", ["r"], ["end"], axis=0),
        *picked("end"),
    ],
    "the best of some": [
        node("Mul", ["rising", "half"], ["r"]),
        node("TopK", ["r", "once"], ["best", "end"], axis=0),
        *picked("end"),
    ],
    "what is not zero": [
        node("Sub", ["rising", "base"], ["r"]),
        node("NonZero", ["r"], ["where"]),
        node("ReduceMax", ["where"], ["end"], keepdims=0),
        node("Reshape", ["end", "once"], ["last"]),
        *picked("last"),
    ],
}
WEIGHTS = [
    RISING, floats("tokens", 1369), floats("half", 0.5), floats("one", 1), floats("fifty", 50),
    floats("wanted", 518), floats("side", SIDE), floats("bound", 37.01),
    floats("base", 1300, 1301, 1302, 1302),
    integers("zero", 0), integers("two", 3), integers("three", 5), integers("once", 1),
    numpy_helper.from_array(np.array(True), "flag"),
]  # fmt: skip


def spelled(nodes):
    """Return the model with those of the weights that it reads."""
    read = {name for one in nodes for name in one.input} | {"tokens"}
    weights = [tensor for tensor in WEIGHTS if tensor.name in read]
    return model_of(nodes, {"x": [1, 1, SIDE, SIDE]}, {"y": None}, weights=weights)


@pytest.mark.parametrize("narrow", [HALF, BRAIN], ids=["fp16", "bf16"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_shape_that_is_computed_of_constants_is_the_models(spelling, narrow, tmp_path):
    model = spelled(SPELLINGS[spelling])
    (expected,) = session_of(model).run(None, {"x": X})
    made = saved(Converted(model, tmp_path, narrow).model, tmp_path, "whole.onnx")
    found = outputs_of(made, [Sample(0, {"x": X})], "it", ENGINES)[0]["y"]

    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 0.02


@pytest.mark.parametrize("spelling", ["the root of the tokens", "a scale of a resize", "an activation"])
def test_the_real_tensorrt_builds_the_shape_that_the_model_has(spelling, tmp_path):
    model = spelled(SPELLINGS[spelling])
    expected = session_of(model).run(None, {"x": X})[0].shape
    built = build(request_for("bf16", "sm_89"), saved(model, tmp_path), tmp_path, lambda *_: None)

    assert built.facts.engine_io["outputs"][0]["shape"] == list(expected)


@pytest.mark.parametrize("narrow", [HALF, BRAIN], ids=["fp16", "bf16"])
def test_a_scale_that_is_an_input_is_not_rounded_on_its_way(narrow, tmp_path):
    nodes = [node("Div", ["size", "side"], ["s"]), *resized("s")]
    weights = [floats("side", SIDE), floats("one", 1)]
    inputs = {"x": [1, 1, SIDE, SIDE], "size": [1]}
    model = model_of(nodes, inputs, {"y": None}, weights=weights)
    feeds = {"x": X, "size": np.array([1037], dtype=np.float32)}
    made = saved(Converted(model, tmp_path, narrow).model, tmp_path, "whole.onnx")
    found = outputs_of(made, [Sample(0, feeds)], "it", ENGINES)[0]["y"]

    assert found.shape == (1, 1, 1037, 1037)


def test_constants_of_constants_that_only_meet_data_are_narrow(tmp_path):
    nodes = [node("Sigmoid", ["one"], ["s"]), node("Mul", ["x", "s"], ["m"]), node("Relu", ["m"], ["y"])]
    found = Converted(spelled(nodes), tmp_path)

    assert found.types["s"] == found.types["m"] == TensorProto.FLOAT16
