"""int8 of a model whose own names are those that a quantizer makes up: every node reads what it read."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from conversions import node
from ignition_builder.checking.inspection import load_checked
from ignition_builder.journal import Journal
from ignition_builder.precision.quantize import quantize
from ignition_builder.verifying.session import session_of
from smallmodels import model_of, read_back, saved

WIDTH = 8
DRAWN = np.random.default_rng(0)
WEIGHTS = {name: DRAWN.standard_normal((WIDTH, WIDTH)).astype(np.float32) for name in ("first", "second")}
BIAS = DRAWN.standard_normal(WIDTH).astype(np.float32)
FACTOR = DRAWN.uniform(0.5, 2, WIDTH).astype(np.float32)
X = DRAWN.standard_normal((16, WIDTH)).astype(np.float32)

DEFAULT = {name: name for name in ("x", "w", "u", "b", "middle", "r", "t", "factor", "y")}


def network(**names):
    """Return two products that share a bias, with the values called by ``names``."""
    n = {**DEFAULT, **names}
    nodes = [
        node("Gemm", [n["x"], n["w"], n["b"]], [n["middle"]]),
        node("Relu", [n["middle"]], [n["r"]]),
        node("Gemm", [n["r"], n["u"], n["b"]], [n["t"]]),
        node("Mul", [n["t"], n["factor"]], [n["y"]]),
    ]
    arrays = {n["w"]: WEIGHTS["first"], n["u"]: WEIGHTS["second"], n["b"]: BIAS, n["factor"]: FACTOR}
    weights = [numpy_helper.from_array(values, name) for name, values in arrays.items()]
    return model_of(nodes, {n["x"]: ["n", WIDTH]}, {n["y"]: ["n", WIDTH]}, weights=weights)


def quantized(model, folder, **calibration):
    path = saved(model, folder)
    np.savez(folder / "calibration.npz", **calibration)
    with Journal(folder / "log") as journal:
        target, _ = quantize(
            load_checked(path), path, folder / "calibration.npz", "max", folder=folder, journal=journal
        )
    return read_back(target)


def assert_same(model, found, feeds):
    expected, made = (session_of(one).run(None, feeds) for one in (model, found))
    assert [value.name for value in found.graph.output] == [value.name for value in model.graph.output]
    for one, other in zip(expected, made, strict=True):
        assert np.abs(one - other).max() < 0.05 * np.abs(one).max()
        assert not np.array_equal(one, other)


MEETINGS = [
    *({"factor": f"w_{made}"} for made in ("scale", "zero_point", "quantized")),
    *({"factor": f"x_{made}"} for made in ("scale", "zero_point", "QuantizeLinear_Output")),
    *({"middle": f"{read}_DequantizeLinear_Output"} for read in "wu"),
    *({"factor": name} for name in ("x_DequantizeLinear_Output", "b0")),
    *({"middle": name} for name in ("b0", "b1")),
    *({"u": name} for name in ("w_quantized", "w_scale")),
    *({"y": name} for name in ("x_scale", "x_DequantizeLinear_Output", "w_zero_point")),
    {"r": "x_scale"},
    {"t": "r_scale"},
    {"w": "x_quantized"},
    {"w": "x_QuantizeLinear_Input"},
    {"b": "r_DequantizeLinear_Output"},
    {"x": "w_scale"},
    {"x": "v0_", "w": "v1_", "middle": "v0__scale"},
]


@pytest.mark.parametrize("names", MEETINGS, ids=lambda names: "-".join(names.values()))
def test_a_value_by_a_name_that_the_quantizer_would_make_is_still_that_value(names, tmp_path):
    model = network(**names)
    feeds = {model.graph.input[0].name: X}

    assert_same(model, quantized(model, tmp_path, **feeds), feeds)


def test_inputs_by_such_names_are_still_those_inputs(tmp_path):
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Mul", ["m", "x_scale"], ["y"])]
    weights = [numpy_helper.from_array(WEIGHTS["first"], "w")]
    inputs = {"x": ["n", WIDTH], "x_scale": ["n", WIDTH]}
    model = model_of(nodes, inputs, {"y": ["n", WIDTH]}, weights=weights)
    feeds = {"x": X, "x_scale": X[::-1].copy()}

    assert_same(model, quantized(model, tmp_path, **feeds), feeds)


def test_a_branch_that_reads_such_a_value_from_outside_it_still_does(tmp_path):
    def branch(name, operator):
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH])
        return helper.make_graph([node(operator, ["x", "w_scale"], [name])], name, [], [output])

    nodes = [
        node("MatMul", ["x", "w"], ["m"]),
        node("If", ["flag"], ["f"], then_branch=branch("then", "Mul"), else_branch=branch("else", "Add")),
        node("Mul", ["m", "f"], ["y"]),
    ]
    weights = [numpy_helper.from_array(WEIGHTS["first"], "w"), numpy_helper.from_array(FACTOR, "w_scale")]
    inputs = {"x": ["n", WIDTH], "flag": ([], TensorProto.BOOL)}
    model = model_of(nodes, inputs, {"y": ["n", WIDTH]}, weights=weights)
    flags = np.array([True, False])
    found = quantized(model, tmp_path, x=X.reshape(2, 8, WIDTH), flag=flags)

    for flag in flags:
        assert_same(model, found, {"x": X, "flag": np.array(flag)})


def test_weights_and_what_is_made_of_them_keep_their_names_for_a_refit(tmp_path):
    found = quantized(network(factor="w_scale"), tmp_path, x=X)
    made = {tensor.name: numpy_helper.to_array(tensor) for tensor in found.graph.initializer}

    assert {"b", "w_scale", "w_quantized", "u_quantized", "u_scale"} <= made.keys()
    assert np.array_equal(made["w_scale"], FACTOR)
    names = [name for one in found.graph.node for name in one.output]
    assert len({*names, *made, "x"}) == len(names) + len(made) + 1
    onnx.checker.check_model(found, full_check=True)
