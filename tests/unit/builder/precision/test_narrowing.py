"""The rewriting to fp16 and bf16: where types meet there are casts, and what must be exact stays so."""

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from conversions import Converted, floats, node
from ignition_builder.checking.inspection import load_checked
from ignition_builder.journal import Journal
from ignition_builder.precision.conversion import convert
from ignition_builder.precision.floats import BRAIN, HALF, Rounding
from ignition_hub.engine.warnings import Warn
from smallmodels import model_of, read_back, saved

FLOAT = TensorProto.FLOAT


@pytest.mark.parametrize("narrow", [HALF, BRAIN])
def test_a_chain_of_operators_is_cast_once_at_either_end(narrow, tmp_path):
    nodes = [node("Relu", ["x"], ["a"]), node("Sigmoid", ["a"], ["b"]), node("Tanh", ["b"], ["y"])]
    found = Converted(model_of(nodes, {"x": [2]}, {"y": [2]}), tmp_path, narrow)

    assert found.casts() == 2
    assert found.types["x"] == found.types["y"] == FLOAT
    assert found.types["a"] == found.types["b"] == narrow.type


def test_bf16_raises_the_opset_where_convolutions_need_it_and_fp16_does_not(tmp_path):
    weights = [floats("w", *([[[[0.5]]]] * 3)), floats("b", 1.0, 2.0, 3.0)]
    model = model_of(
        [node("Conv", ["x", "w", "b"], ["y"])], {"x": [1, 1, 2, 2]}, {"y": [1, 3, 2, 2]}, weights=weights
    )
    (tmp_path / "fp16").mkdir()
    half, brain = Converted(model, tmp_path / "fp16"), Converted(model, tmp_path, BRAIN)

    assert half.record["arguments"]["opset"] == {"from": 17, "to": 17}
    assert brain.record["arguments"]["opset"] == {"from": 17, "to": 22}
    assert half.types["w"] == HALF.type
    assert brain.types["w"] == brain.types["b"] == BRAIN.type
    assert not half.warned + brain.warned


def test_bf16_leaves_the_opset_where_nothing_gains_by_another(tmp_path):
    model = model_of([node("Relu", ["x"], ["y"])], {"x": [2]}, {"y": [2]})

    assert Converted(model, tmp_path, BRAIN).record["arguments"]["opset"] == {"from": 17, "to": 17}


def test_an_operator_that_has_no_such_type_stays_fp32_and_is_counted(tmp_path):
    nodes = [node("Relu", ["x"], ["a"]), node("Einsum", ["a", "w"], ["y"], equation="ij,jk->ik")]
    model = model_of(nodes, {"x": [2, 2]}, {"y": [2, 2]}, weights=[floats("w", [1, 2], [3, 4])])
    found = Converted(model, tmp_path, BRAIN)

    assert found.warned == {Warn.MixedPrecision: 1}
    assert found.record["arguments"]["kept_wide"] == {"Einsum": 1}
    assert found.types["a"] == BRAIN.type
    assert found.types["w"] == FLOAT


def test_a_weight_read_in_both_types_keeps_its_own_and_is_cast_for_the_others(tmp_path):
    nodes = [
        node("Mul", ["x", "w"], ["a"]),
        node("Resize", ["a", "", "w"], ["y"], mode="nearest"),
    ]
    model = model_of(nodes, {"x": [2]}, {"y": [3]}, weights=[floats("w", 1.7)])
    found = Converted(model, tmp_path)

    assert found.types["w"] == FLOAT
    assert found.run(x=np.ones(2, dtype=np.float32))[0].shape == (3,)


def test_arithmetic_on_shapes_is_not_rounded(tmp_path):
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Cast", ["shape"], ["sizes"], to=FLOAT),
        node("Add", ["sizes", "one"], ["more"]),
        node("Cast", ["more"], ["wanted"], to=TensorProto.INT64),
        node("ConstantOfShape", ["wanted"], ["filled"]),
        node("Relu", ["filled"], ["y"]),
    ]
    model = model_of(nodes, {"x": ["n"]}, {"y": ["m"]}, weights=[floats("one", 1)])
    found = Converted(model, tmp_path)

    # fp16 has no 4098 + 1.
    assert found.run(x=np.zeros(4098, dtype=np.float32))[0].shape == (4099,)
    assert found.types["sizes"] == found.types["more"] == FLOAT
    assert found.types["filled"] == HALF.type


@pytest.mark.parametrize("square", ["Pow", "Mul"])
def test_the_squares_of_a_spelled_out_normalization_do_not_overflow(square, tmp_path):
    nodes = [
        node("Relu", ["x"], ["a"]),
        node(square, ["a", "two" if square == "Pow" else "a"], ["squares"]),
        node("ReduceMean", ["squares"], ["mean"], axes=[1]),
        node("Add", ["mean", "epsilon"], ["some"]),
        node("Sqrt", ["some"], ["root"]),
        node("Div", ["a", "root"], ["y"]),
    ]
    weights = [
        numpy_helper.from_array(np.float32(value), name) for name, value in (("two", 2), ("epsilon", 1e-5))
    ]
    model = model_of(nodes, {"x": [1, 4]}, {"y": [1, 4]}, weights=weights)
    found = Converted(model, tmp_path)

    assert found.run(x=np.full((1, 4), 1000, dtype=np.float32))[0].tolist() == [[1, 1, 1, 1]]
    assert found.types["a"] == HALF.type
    assert found.types["squares"] == found.types["root"] == FLOAT
    assert not found.warned


def test_bf16_holds_every_square_and_keeps_none_wide(tmp_path):
    nodes = [node("Relu", ["x"], ["a"]), node("Mul", ["a", "a"], ["squares"])]
    nodes += [node("ReduceMean", ["squares"], ["mean"], axes=[1]), node("Sqrt", ["mean"], ["root"])]
    nodes += [node("Div", ["a", "root"], ["y"])]
    found = Converted(model_of(nodes, {"x": [1, 4]}, {"y": [1, 4]}), tmp_path, BRAIN)

    assert found.types["squares"] == BRAIN.type


def test_the_types_that_a_model_noted_for_its_values_are_not_kept(tmp_path):
    model = model_of([node("Relu", ["x"], ["a"]), node("Tanh", ["a"], ["y"])], {"x": [2]}, {"y": [2]})
    model.graph.value_info.append(helper.make_tensor_value_info("a", FLOAT, [2]))
    found = Converted(model, tmp_path)

    assert not found.model.graph.value_info
    assert found.types["a"] == HALF.type


def test_constants_of_every_spelling_become_narrow(tmp_path):
    nodes = [
        node("Constant", [], ["a"], value=floats("", 0.5)),
        node("Constant", [], ["b"], value_float=0.25),
        node("Constant", [], ["c"], value_floats=[0.125]),
        node("Sum", ["x", "a", "b", "c"], ["y"]),
    ]
    found = Converted(model_of(nodes, {"x": [1]}, {"y": [1]}), tmp_path)

    assert {found.types[name] for name in "abc"} == {HALF.type}
    assert found.run(x=np.array([1], dtype=np.float32))[0].tolist() == [1.875]


def test_branches_compute_in_the_narrow_type_and_see_values_outside(tmp_path):
    def branch(operator, name):
        output = helper.make_tensor_value_info(name, FLOAT, [2])
        return helper.make_graph([node(operator, ["a", "w"], [name])], name, [], [output])

    nodes = [
        node("Relu", ["x"], ["a"]),
        node("If", ["flag"], ["y"], then_branch=branch("Add", "more"), else_branch=branch("Mul", "times")),
    ]
    inputs = {"x": [2], "flag": ([], TensorProto.BOOL)}
    found = Converted(model_of(nodes, inputs, {"y": [2]}, weights=[floats("w", 2, 3)]), tmp_path)

    assert found.types["w"] == HALF.type
    x = np.array([1, 5], dtype=np.float32)
    assert found.run(x=x, flag=np.array(True))[0].tolist() == [3, 8]
    assert found.run(x=x, flag=np.array(False))[0].tolist() == [2, 15]


def test_local_functions_are_written_out(tmp_path):
    model = model_of([helper.make_node("Twice", ["x"], ["y"], domain="own")], {"x": [1]}, {"y": [1]})
    body = [helper.make_node("Add", ["v", "v"], ["w"])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "Twice", ["v"], ["w"], body, opsets))
    model.opset_import.append(helper.make_opsetid("own", 1))
    found = Converted(model, tmp_path)

    assert [node.op_type for node in found.model.graph.node] == ["Cast", "Add", "Cast"]


def test_weights_that_are_listed_as_inputs_are_converted_like_others(tmp_path):
    model = model_of(
        [node("Add", ["x", "w"], ["y"])], {"x": [2], "w": [2]}, {"y": [2]}, weights=[floats("w", 1, 2)]
    )
    model.ir_version = 3
    found = Converted(model, tmp_path)

    assert [value.name for value in found.model.graph.input] == ["x"]
    assert found.types["w"] == HALF.type


def test_double_is_narrowed_too_and_stays_double_at_inputs_and_outputs(tmp_path):
    double = TensorProto.DOUBLE
    weights = [numpy_helper.from_array(np.array([1.5, 2.5]), "w")]
    model = model_of(
        [node("Add", ["x", "w"], ["y"])], {"x": ([2], double)}, {"y": ([2], double)}, weights=weights
    )
    found = Converted(model, tmp_path)

    assert found.types["x"] == found.types["y"] == double
    assert found.types["w"] == HALF.type


def test_double_weights_in_a_file_are_narrowed_on_the_way(tmp_path):
    values = np.linspace(-2, 2, 128 * 128).reshape(128, 128)
    double = TensorProto.DOUBLE
    model = model_of(
        [node("MatMul", ["x", "w"], ["y"])],
        {"x": ([1, 128], double)},
        {"y": ([1, 128], double)},
        weights=[numpy_helper.from_array(values, "w")],
    )
    found = Converted(model, tmp_path)

    assert np.array_equal(numpy_helper.to_array(found.model.graph.initializer[0]), values.astype(np.float16))


def test_a_plugin_keeps_its_types(tmp_path):
    nodes = [
        node("Relu", ["x"], ["a"]),
        helper.make_node("Magic", ["a"], ["b"], domain="trt.plugins"),
        node("Relu", ["b"], ["y"]),
    ]
    path = saved(model_of(nodes, {"x": [2]}, {"y": [2]}, domains=["trt.plugins"]), tmp_path)
    with Journal(tmp_path / "log") as journal:
        target, _ = convert(load_checked(path), path, HALF, tmp_path, journal)
    made = {item.op_type: item for item in read_back(target).graph.node if item.op_type != "Cast"}

    assert made["Magic"].input[0] not in {"a", "x"}
    # Nothing says which type the plugin gives, so nothing assumes one.
    assert list(made["Relu"].input) == ["b"]


def test_normalization_keeps_the_statistics_it_gives_out(tmp_path):
    nodes = [node("LayerNormalization", ["x", "g"], ["y", "mean"])]
    model = model_of(nodes, {"x": [2, 4]}, {"y": [2, 4], "mean": [2, 1]}, weights=[floats("g", 1, 1, 1, 1)])
    found = Converted(model, tmp_path)

    assert found.types["g"] == HALF.type
    assert found.types["mean"] == FLOAT


@pytest.mark.parametrize("spelling", ["initializer", "Constant"])
def test_a_variance_beyond_fp16_is_divided_away_before_it_is_rounded(spelling, tmp_path):
    vectors = {"scale": [1, 2], "shift": [0.5, 0], "mean": [300, 1], "variance": [1e8, 4]}
    tensors = [floats(name, *values) for name, values in vectors.items()]
    nodes = [node("BatchNormalization", ["x", *vectors], ["y"])]
    if spelling == "Constant":
        nodes = [*(node("Constant", [], [tensor.name], value=tensor) for tensor in tensors), *nodes]
    weights = tensors if spelling == "initializer" else []
    model = model_of(nodes, {"x": [1, 2]}, {"y": [1, 2]}, weights=weights)
    x = np.array([[20000, 7]], dtype=np.float32)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})
    found = Converted(model, tmp_path)

    assert np.allclose(found.run(x=x)[0], expected, rtol=2e-3)
    assert not found.warned
    assert found.record["arguments"]["folded_normalizations"] == 1


def test_what_a_normalization_is_folded_to_takes_no_name_of_the_models_own(tmp_path):
    vectors = {"scale": [1, 2], "shift": [0.5, 0], "mean": [300, 1], "variance": [1e8, 4]}
    tensors = [floats(name, *values) for name, values in vectors.items()]
    nodes = [
        node("BatchNormalization", ["x", *vectors], ["n"]),
        node("Mul", ["n", "n__scale"], ["m"]),
        node("Add", ["m", "n__shift"], ["y"]),
    ]
    weights = [*tensors, floats("n__scale", 3, 4), floats("n__shift", 5, 6)]
    model = model_of(nodes, {"x": [1, 2]}, {"y": [1, 2]}, weights=weights)
    x = np.array([[20000, 7]], dtype=np.float32)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})

    assert np.allclose(Converted(model, tmp_path).run(x=x)[0], expected, rtol=2e-3)


@pytest.mark.parametrize("narrow", [HALF, BRAIN])
def test_values_round_to_nearest_with_ties_to_even_and_stay_finite(narrow, tmp_path):
    step = 2.0**-10 if narrow is HALF else 2.0**-7
    values = np.array([1 + step / 2, 1 + 1.5 * step, -3.4e38, 1e-44, np.inf, 0], dtype=np.float32)
    with Journal(tmp_path / "log") as journal:
        rounding = Rounding(narrow, journal)
        found = np.frombuffer(rounding("w", values), dtype=narrow.dtype).astype(np.float32)
        rounding("w", values)

    assert found[:2].tolist() == [1, 1 + 2 * step]
    assert np.isfinite(found[2])
    assert found[3] > 0
    assert found[4:].tolist() == [np.inf, 0]
    assert journal.warnings[Warn.WeightsTruncated] == 1


def test_bf16_weights_are_the_nearest_numbers(tmp_path):
    values = np.random.default_rng(0).standard_normal((128, 128)).astype(np.float32)
    weights = [numpy_helper.from_array(values, "w")]
    model = model_of([node("MatMul", ["x", "w"], ["y"])], {"x": [1, 128]}, {"y": [1, 128]}, weights=weights)
    found = Converted(model, tmp_path, BRAIN)

    expected = values.astype(ml_dtypes.bfloat16)
    assert numpy_helper.to_array(found.model.graph.initializer[0]).tobytes() == expected.tobytes()
