"""LSTM, GRU and RNN in narrow models: what TensorRT takes in fp32 only stays so, and builds."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from conversions import Converted, node
from ignition_builder.pipeline import build
from ignition_builder.precision.floats import BRAIN, HALF
from ignition_hub.engine.warnings import Warn
from smallmodels import model_of, request_for, saved

FLOAT, INT32, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}

narrow_types = pytest.mark.parametrize("narrow", [HALF, BRAIN], ids=["fp16", "bf16"])
operators = pytest.mark.parametrize("operator", GATES)


def filled(name, *shape):
    return numpy_helper.from_array(np.full(shape, 0.1, dtype=np.float32), name)


def weights_of(operator, directions=1):
    gates = GATES[operator]
    shapes = {"w": (8 * gates, 4), "r": (8 * gates, 8), "b": (16 * gates,)}
    return [filled(name, directions, *shape) for name, shape in shapes.items()]


def layer(operator, x, *more, output="y", **attributes):
    return node(operator, [x, "w", "r", "b", *more], [output], hidden_size=8, **attributes)


def masked(operator):
    """Return a layer that is masked by lengths, behind another operator."""
    nodes = [node("Relu", ["x"], ["a"]), layer(operator, "a", "lens")]
    inputs = {"x": [4, 2, 4], "lens": ([2], INT32)}
    return model_of(nodes, inputs, {"y": [4, 1, 2, 8]}, weights=weights_of(operator))


def is_built(model, folder, precision) -> bool:
    return build(request_for(precision), saved(model, folder), folder, lambda *_: None).size > 0


@narrow_types
@operators
def test_a_layer_masked_by_lengths_stays_wide_and_says_why(operator, narrow, tmp_path):
    found = Converted(masked(operator), tmp_path, narrow)

    assert found.warned == {Warn.MixedPrecision: 1}
    assert found.record["arguments"]["kept_wide"] == {operator: 1}
    assert (found.types["w"], found.types["a"]) == (FLOAT, narrow.type)
    assert "sequence_lens in fp32 only" in (tmp_path / "log").read_text()


@operators
def test_a_layer_that_is_not_masked_is_narrow(operator, tmp_path):
    nodes = [layer(operator, "x", "")]
    model = model_of(nodes, {"x": [4, 2, 4]}, {"y": [4, 1, 2, 8]}, weights=weights_of(operator))
    found = Converted(model, tmp_path)

    assert not found.warned
    assert found.types["w"] == HALF.type


@narrow_types
@operators
def test_a_masked_layer_builds_behind_what_is_narrow(operator, narrow, tmp_path):
    assert is_built(masked(operator), tmp_path, narrow.precision)


def test_a_layer_that_bf16_lacks_builds_behind_what_is_narrow(tmp_path):
    nodes = [node("Relu", ["x"], ["a"]), layer("GRU", "a")]
    model = model_of(nodes, {"x": [4, 2, 4]}, {"y": [4, 1, 2, 8]}, weights=weights_of("GRU"))

    assert is_built(model, tmp_path, "bf16")


def test_peepholes_build_behind_what_is_narrow(tmp_path):
    nodes = [node("Relu", ["x"], ["a"]), layer("LSTM", "a", "", "", "", "p")]
    weights = [*weights_of("LSTM"), filled("p", 1, 24)]

    assert is_built(model_of(nodes, {"x": [4, 2, 4]}, {"y": [4, 1, 2, 8]}, weights=weights), tmp_path, "fp16")


def test_a_masked_layer_in_both_directions_with_states_from_outside_builds(tmp_path):
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("Relu", ["h0"], ["h"]),
        layer("LSTM", "a", "lens", "h", "h", direction="bidirectional"),
    ]
    inputs = {"x": [4, 2, 4], "lens": ([2], INT32), "h0": [2, 2, 8]}
    model = model_of(nodes, inputs, {"y": [4, 2, 2, 8]}, weights=weights_of("LSTM", 2))

    assert is_built(model, tmp_path, "fp16")


def test_a_masked_layer_inside_a_branch_builds(tmp_path):
    shape = [4, 1, 2, 8]
    then = helper.make_graph(
        [node("Relu", ["x"], ["a"]), layer("GRU", "a", "lens")],
        "then", [], [helper.make_tensor_value_info("y", FLOAT, shape)],
    )  # fmt: skip
    other = helper.make_graph(
        [node("Expand", ["nothing", "shape"], ["none"])],
        "else", [], [helper.make_tensor_value_info("none", FLOAT, shape)],
    )  # fmt: skip
    nodes = [
        node("If", ["flag"], ["chosen"], then_branch=then, else_branch=other),
        node("Relu", ["chosen"], ["out"]),
    ]
    inputs = {"x": [4, 2, 4], "lens": ([2], INT32), "flag": ([], BOOL)}
    weights = [
        *weights_of("GRU"),
        numpy_helper.from_array(np.float32(0), "nothing"),
        numpy_helper.from_array(np.array(shape), "shape"),
    ]

    assert is_built(model_of(nodes, inputs, {"out": shape}, weights=weights), tmp_path, "fp16")


def test_a_masked_layer_inside_a_loop_builds(tmp_path):
    def value(name, kind, shape):
        return helper.make_tensor_value_info(name, kind, shape)

    body = helper.make_graph(
        [
            node("Identity", ["going"], ["on"]),
            node("Relu", ["before"], ["after"]),
            layer("LSTM", "after", "lens", output="noted"),
        ],
        "body",
        [value("i", INT64, []), value("going", BOOL, []), value("before", FLOAT, [4, 2, 4])],
        [value("on", BOOL, []), value("after", FLOAT, [4, 2, 4]), value("noted", FLOAT, [4, 1, 2, 8])],
    )
    weights = [
        *weights_of("LSTM"),
        numpy_helper.from_array(np.array(3), "times"),
        numpy_helper.from_array(np.array(True), "go"),
    ]
    inputs = {"x": [4, 2, 4], "lens": ([2], INT32)}
    nodes = [node("Loop", ["times", "go", "x"], ["last", "y"], body=body)]

    assert is_built(model_of(nodes, inputs, {"y": [3, 4, 1, 2, 8]}, weights=weights), tmp_path, "fp16")
