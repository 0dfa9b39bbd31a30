"""Positions, counts and time steps in a narrow model: exact until they meet data, and no further."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from conversions import Converted, floats, node
from ignition_builder.precision.floats import BRAIN, HALF
from smallmodels import model_of

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
MANY = 4096
"""Positions: fp16 has no odd numbers beyond 2048, bf16 none beyond 256."""
FREQUENCIES = (10000.0 ** -(np.arange(0, 32, 2) / 32)).astype(np.float32).reshape(1, -1)
LOWEST = np.finfo(np.float32).min

narrow_types = pytest.mark.parametrize("narrow", [HALF, BRAIN], ids=["fp16", "bf16"])


def tensor(name, values, kind=np.float32):
    return numpy_helper.from_array(np.array(values, dtype=kind), name)


def integers(name, *values):
    return tensor(name, values, np.int64)


def angles_of(value):
    """Return the nodes that turn a float of shape [n] into ``y`` of shape [n, 16]."""
    return [
        node("Unsqueeze", [value, "axis"], ["column"]),
        node("MatMul", ["column", "frequencies"], ["angles"]),
        node("Cos", ["angles"], ["y"]),
    ]


ANGLES = (integers("axis", 1), tensor("frequencies", FREQUENCIES))


def cast(source, target, kind=FLOAT):
    return node("Cast", [source], [target], to=kind)


def assert_same(model, folder, narrow, **feeds):
    """Convert and compare with the model itself, both computed by ONNX's own reference."""
    expected = ReferenceEvaluator(model).run(None, feeds)
    found = Converted(model, folder, narrow)
    for one, other in zip(expected, found.run(**feeds), strict=True):
        assert np.isfinite(one).all()
        assert np.allclose(other, one, rtol=0.02, atol=0.02), np.abs(other - one).max()
    return found


@narrow_types
def test_the_angles_of_positions_are_exact(narrow, tmp_path):
    model = model_of(
        [cast("p", "f"), *angles_of("f")], {"p": (["n"], INT64)}, {"y": ["n", 16]}, weights=ANGLES
    )
    found = assert_same(model, tmp_path, narrow, p=np.arange(MANY))

    assert not found.warned


@narrow_types
def test_positions_that_are_counted_from_a_mask_are_exact(narrow, tmp_path):
    nodes = [node("CumSum", ["m", "zero"], ["p"]), cast("p", "f"), *angles_of("f")]
    weights = [*ANGLES, tensor("zero", 0, np.int64)]
    model = model_of(nodes, {"m": (["n"], INT64)}, {"y": ["n", 16]}, weights=weights)

    assert_same(model, tmp_path, narrow, m=np.ones(MANY, dtype=np.int64))


@narrow_types
def test_a_bucket_is_the_one_that_a_position_falls_into(narrow, tmp_path):
    nodes = [cast("p", "f"), node("Div", ["f", "three"], ["q"]), node("Floor", ["q"], ["w"])]
    nodes += [cast("w", "bucket", INT64), node("Gather", ["rows", "bucket"], ["y"])]
    rows = np.random.default_rng(0).random((3000, 1), dtype=np.float32)
    weights = [tensor("three", 3), tensor("rows", rows)]
    model = model_of(nodes, {"p": (["n"], INT64)}, {"y": ["n", 1]}, weights=weights)

    assert_same(model, tmp_path, narrow, p=np.arange(8990))


@narrow_types
def test_relative_buckets_by_the_logarithm_of_a_distance_are_exact(narrow, tmp_path):
    # As T5 has them: small distances one by one, large ones on a logarithmic scale.
    nodes = [
        node("Unsqueeze", ["p", "axis0"], ["row"]),
        node("Unsqueeze", ["p", "axis1"], ["column"]),
        node("Sub", ["row", "column"], ["distance"]),
        node("Abs", ["distance"], ["size"]),
        cast("size", "f"),
        node("Max", ["f", "onef"], ["positive"]),
        node("Log", ["positive"], ["log"]),
        node("Mul", ["log", "scale"], ["scaled"]),
        cast("scaled", "bucket", INT64),
        node("Gather", ["rows", "bucket"], ["bias"]),
        node("Add", ["bias", "x"], ["y"]),
    ]
    weights = [
        integers("axis0", 0), integers("axis1", 1), tensor("onef", 1), tensor("scale", 64 / np.log(600)),
        tensor("rows", np.arange(65) % 7),
    ]  # fmt: skip
    inputs = {"p": (["n"], INT64), "x": ["n"]}
    model = model_of(nodes, inputs, {"y": ["n", "n"]}, weights=weights)

    assert_same(model, tmp_path, narrow, p=np.arange(600), x=np.zeros(600, dtype=np.float32))


@narrow_types
def test_slopes_times_distances_are_rounded_once(narrow, tmp_path):
    nodes = [
        cast("p", "f"),
        node("Unsqueeze", ["f", "axis0"], ["row"]),
        node("Unsqueeze", ["f", "axis1"], ["column"]),
        node("Sub", ["row", "column"], ["distance"]),
        node("Mul", ["distance", "slope"], ["bias"]),
        node("Add", ["x", "bias"], ["y"]),
    ]
    weights = [integers("axis0", 0), integers("axis1", 1), tensor("slope", 2.0**-8)]
    inputs = {"p": (["n"], INT64), "x": ["n", "n"]}
    model = model_of(nodes, inputs, {"y": ["n", "n"]}, weights=weights)
    p = np.arange(3001, 3001 + 64)

    assert_same(model, tmp_path, narrow, p=p, x=np.zeros((64, 64), dtype=np.float32))


@narrow_types
@pytest.mark.parametrize(("kind", "factor"), [(INT64, 1), (FLOAT, 1000)])
def test_a_time_step_is_exact_as_an_integer_and_as_a_fraction(kind, factor, narrow, tmp_path):
    nodes = [cast("t", "f"), node("Mul", ["f", "factor"], ["scaled"]), *angles_of("scaled")]
    model = model_of(
        nodes, {"t": (["n"], kind)}, {"y": ["n", 16]}, weights=[*ANGLES, tensor("factor", factor)]
    )
    steps = np.arange(999, 0, -7)
    t = steps if kind == INT64 else (steps / 1000).astype(np.float32)

    assert_same(model, tmp_path, narrow, t=t)


@narrow_types
def test_frequencies_that_a_model_computes_are_exact_too(narrow, tmp_path):
    # As diffusers has them: exp(-log(10000) * i / half), from a Range.
    nodes = [
        node("Range", ["begin", "end", "step"], ["i"]),
        node("Mul", ["i", "factor"], ["exponent"]),
        node("Exp", ["exponent"], ["f"]),
        node("Unsqueeze", ["f", "axis0"], ["row"]),
        cast("t", "tf"),
        node("Unsqueeze", ["tf", "axis1"], ["column"]),
        node("Mul", ["row", "column"], ["angles"]),
        node("Sin", ["angles"], ["y"]),
    ]
    weights = [
        tensor("begin", 0), tensor("end", 16), tensor("step", 1), tensor("factor", -np.log(10000) / 16),
        integers("axis0", 0), integers("axis1", 1),
    ]  # fmt: skip
    model = model_of(nodes, {"t": (["n"], INT64)}, {"y": ["n", 16]}, weights=weights)

    assert_same(model, tmp_path, narrow, t=np.arange(0, 1000, 9))


@narrow_types
def test_a_grid_of_coordinates_is_projected_exactly_into_angles(narrow, tmp_path):
    # As the prompt encoder of a segmentation model: coordinates times a random matrix, times 2 pi.
    matrix = np.random.default_rng(0).standard_normal((2, 16)).astype(np.float32) * 20
    nodes = [
        node("Div", ["points", "size"], ["unit"]),
        node("MatMul", ["unit", "matrix"], ["turns"]),
        node("Mul", ["turns", "turn"], ["angles"]),
        node("Sin", ["angles"], ["y"]),
    ]
    weights = [tensor("size", 1024), tensor("turn", 2 * np.pi), tensor("matrix", matrix)]
    model = model_of(nodes, {"points": ["n", 2]}, {"y": ["n", 16]}, weights=weights)
    points = np.random.default_rng(1).integers(0, 1024, (50, 2)).astype(np.float32)

    assert_same(model, tmp_path, narrow, points=points)


@narrow_types
def test_a_length_that_divides_is_counted_exactly(narrow, tmp_path):
    # The mean over what a mask lets through.
    nodes = [
        cast("m", "f"),
        node("Mul", ["x", "f"], ["kept"]),
        node("ReduceMax", ["kept"], ["largest"], axes=[0]),
        node("ReduceSum", ["f", "axis"], ["count"]),
        node("Clip", ["count", "tiny"], ["some"]),
        node("Div", ["largest", "some"], ["share"]),
        node("Mul", ["share", "many"], ["y"]),
    ]
    weights = [integers("axis", 0), tensor("tiny", 1e-9), tensor("many", MANY)]
    model = model_of(nodes, {"x": ["n"], "m": (["n"], INT64)}, {"y": [1]}, weights=weights)
    found = assert_same(
        model, tmp_path, narrow, x=np.ones(MANY, dtype=np.float32), m=np.ones(MANY, dtype=np.int64)
    )

    assert found.types["kept"] == narrow.type
    assert found.types["count"] == FLOAT


@narrow_types
def test_a_mask_of_lengths_ends_where_the_length_says(narrow, tmp_path):
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Squeeze", ["shape"], ["n"]),
        node("Range", ["zero", "n", "one"], ["p"]),
        cast("p", "f"),
        node("Less", ["f", "length"], ["inside"]),
        node("Where", ["inside", "x", "nothing"], ["y"]),
    ]
    weights = [tensor("zero", 0, np.int64), tensor("one", 1, np.int64), tensor("nothing", 0)]
    model = model_of(nodes, {"x": ["n"], "length": [1]}, {"y": ["n"]}, weights=weights)
    x = np.ones(MANY, dtype=np.float32)

    assert_same(model, tmp_path, narrow, x=x, length=np.array([2049], dtype=np.float32))


def counting_body():
    """Count in floating point, and note every count."""
    nodes = [
        node("Add", ["before", "one"], ["after"]),
        node("Identity", ["after"], ["noted"]),
        node("Identity", ["going"], ["on"]),
    ]
    values = [
        helper.make_tensor_value_info(name, kind, [])
        for name, kind in (("i", INT64), ("going", BOOL), ("before", FLOAT), ("on", BOOL), ("after", FLOAT),
                           ("noted", FLOAT))
    ]  # fmt: skip
    return helper.make_graph(nodes, "body", values[:3], values[3:])


@narrow_types
def test_what_a_loop_counts_in_floating_point_is_exact(narrow, tmp_path):
    nodes = [
        node("Loop", ["times", "go", "zero"], ["last", "all"], body=counting_body()),
        node("Div", ["last", "many"], ["share"]),
        node("Add", ["all", "x"], ["y"]),
    ]
    weights = [
        tensor("times", 2500, np.int64), tensor("zero", 0), tensor("one", 1), tensor("many", 2500),
        tensor("go", True, np.bool_),
    ]  # fmt: skip
    model = model_of(nodes, {"x": [1]}, {"y": ["n"], "share": []}, weights=weights)

    assert_same(model, tmp_path, narrow, x=np.zeros(1, dtype=np.float32))


@narrow_types
def test_positions_inside_a_branch_and_from_outside_it_are_exact(narrow, tmp_path):
    def branch(*nodes):
        output = helper.make_tensor_value_info("turned", FLOAT, ["n"])
        return helper.make_graph(nodes, "branch", [], [output])

    # Both branches call their value ``angle``; only one of them is an angle.
    then = branch(node("Mul", ["f", "third"], ["angle"]), node("Cos", ["angle"], ["turned"]))
    other = branch(node("Add", ["x", "third"], ["angle"]), node("Tanh", ["angle"], ["turned"]))
    nodes = [cast("p", "f"), node("If", ["flag"], ["y"], then_branch=then, else_branch=other)]
    inputs = {"p": (["n"], INT64), "x": ["n"], "flag": ([], BOOL)}
    model = model_of(nodes, inputs, {"y": ["n"]}, weights=[tensor("third", 1 / 3)])
    p, x = np.arange(MANY), np.ones(MANY, dtype=np.float32)

    assert_same(model, tmp_path, narrow, p=p, x=x, flag=np.array(True))


@narrow_types
def test_a_time_step_that_a_branch_scales_is_an_angle_all_the_same(narrow, tmp_path):
    def branch(factor):
        output = helper.make_tensor_value_info("scaled", FLOAT, ["n"])
        return helper.make_graph([node("Mul", ["t", factor], ["scaled"])], factor, [], [output])

    choice = node("If", ["flag"], ["angles"], then_branch=branch("many"), else_branch=branch("few"))
    inputs = {"t": ["n"], "flag": ([], BOOL)}
    weights = [tensor("many", 1000), tensor("few", 500)]
    model = model_of([choice, node("Sin", ["angles"], ["y"])], inputs, {"y": ["n"]}, weights=weights)
    t = np.linspace(0, 1, 200, dtype=np.float32)

    assert_same(model, tmp_path, narrow, t=t, flag=np.array(True))


@narrow_types
def test_an_integer_is_made_of_the_exact_value_and_not_of_one_rounded_for_others(narrow, tmp_path):
    nodes = [
        cast("p", "f"),
        node("Mul", ["f", "one"], ["same"]),
        node("Mul", ["same", "x"], ["product"]),
        cast("same", "again", INT64),
    ]
    model = model_of(
        nodes,
        {"p": ([1], INT64), "x": [1]},
        {"product": [1], "again": ([1], INT64)},
        weights=[tensor("one", 1)],
    )
    found = Converted(model, tmp_path, narrow).run(p=np.array([4097]), x=np.ones(1, dtype=np.float32))

    assert found[1].tolist() == [4097]


SCORES = [node("Add", ["x", "bias"], ["scores"]), node("Softmax", ["scores"], ["y"], axis=-1)]


def masks():
    """Yield how exporters spell the mask of a transformer: a name, nodes that make ``bias``, weights."""
    one, low, nothing, none = tensor("one", 1), tensor("low", LOWEST), tensor("zero", 0), integers("none", 0)
    inverse = [cast("m", "f"), node("Sub", ["one", "f"], ["inverse"])]
    yield "one minus mask, times lowest", [*inverse, node("Mul", ["inverse", "low"], ["bias"])], [one, low]
    filled = [*inverse, cast("inverse", "b", BOOL), node("Where", ["b", "low", "inverse"], ["bias"])]
    yield "masked fill", filled, [one, low]
    yield (
        "a choice of two constants",
        [cast("m", "b", BOOL), node("Where", ["b", "zero", "low"], ["bias"])],
        [nothing, low],
    )
    yield (
        "equality times -1e30",
        [node("Equal", ["m", "none"], ["b"]), cast("b", "f"), node("Mul", ["f", "low"], ["bias"])],
        [none, tensor("low", -1e30)],
    )
    yield (
        "a filled tensor times a mask",
        [
            node("Shape", ["m"], ["shape"]),
            node("ConstantOfShape", ["shape"], ["full"], value=tensor("", [LOWEST])),
            node("Equal", ["m", "none"], ["b"]),
            cast("b", "f"),
            node("Mul", ["full", "f"], ["bias"]),
        ],
        [none],
    )
    yield (
        "a logarithm",
        [cast("m", "f"), node("Add", ["f", "low"], ["some"]), node("Log", ["some"], ["bias"])],
        [tensor("low", 1e-38)],
    )


@narrow_types
@pytest.mark.parametrize("opset", [11, 13, 17])
@pytest.mark.parametrize("made", [pytest.param(made[1:], id=made[0]) for made in masks()])
def test_masks_of_every_spelling_stay_finite_where_nothing_may_be_seen(made, opset, narrow, tmp_path):
    nodes, weights = made
    inputs = {"x": ["b", 8], "m": (["b", 8], INT64)}
    model = model_of([*nodes, *SCORES], inputs, {"y": ["b", 8]}, weights=weights, opset=opset)
    x = np.zeros((3, 8), dtype=np.float32)
    m = np.array([[1] * 8, [1, 1, 1, 0, 0, 0, 0, 0], [0] * 8])

    assert_same(model, tmp_path, narrow, x=x, m=m)


@narrow_types
def test_before_opset_11_the_bounds_of_a_mask_are_attributes(narrow, tmp_path):
    nodes = [
        cast("m", "f"),
        node("Sub", ["one", "f"], ["inverse"]),
        node("Mul", ["inverse", "low"], ["bias"]),
    ]
    model = model_of(
        [*nodes, node("Add", ["x", "bias"], ["y"])],
        {"x": [2], "m": ([2], INT64)},
        {"y": [2]},
        weights=[tensor("one", 1), tensor("low", LOWEST)],
        opset=10,
    )
    found = Converted(model, tmp_path)

    assert [len(made.input) for made in found.model.graph.node if made.op_type == "Clip"] == [1]


def test_an_infinite_mask_stays_infinite(tmp_path):
    nodes = [
        cast("m", "b", BOOL),
        node("Where", ["b", "zero", "low"], ["mask"]),
        cast("p", "f"),
        node("Mul", ["f", "slope"], ["slopes"]),
        node("Add", ["mask", "slopes"], ["bias"]),
        node("Add", ["x", "bias"], ["y"]),
    ]
    weights = [tensor("zero", 0), tensor("low", -np.inf), tensor("slope", 0.5)]
    inputs = {"x": [2], "m": ([2], INT64), "p": ([2], INT64)}
    found = Converted(model_of(nodes, inputs, {"y": [2]}, weights=weights), tmp_path)
    y = found.run(x=np.zeros(2, dtype=np.float32), m=np.array([1, 0]), p=np.array([2, 2]))[0]

    assert y.tolist() == [1, -np.inf]


@narrow_types
def test_what_is_computed_wide_on_purpose_is_no_warning(narrow, tmp_path):
    nodes = [
        cast("p", "f"),
        node("Einsum", ["f", "w"], ["angles"], equation="i,j->ij"),
        node("Cos", ["angles"], ["c"]),
    ]
    nodes += [node("Mul", ["c", "x"], ["y"])]
    inputs = {"p": (["n"], INT64), "x": [1]}
    found = Converted(
        model_of(nodes, inputs, {"y": ["n", 2]}, weights=[floats("w", 1, 0.1)]), tmp_path, narrow
    )

    assert not found.warned
    assert found.record["arguments"]["kept_wide"] == {}
    assert (found.types["angles"], found.types["y__" + narrow.precision]) == (FLOAT, narrow.type)


def narrow_names(nodes, inputs, outputs, weights, folder):
    """Return the names of values that became narrow."""
    found = Converted(model_of(nodes, inputs, outputs, weights=weights), folder)
    return {name for name, kind in found.types.items() if kind == HALF.type}


def test_rows_of_an_embedding_are_data_behind_a_mask_too(tmp_path):
    nodes = [
        node("Gather", ["rows", "i"], ["e"]),
        cast("m", "f"),
        node("Mul", ["e", "f"], ["kept"]),
        node("MatMul", ["kept", "w"], ["y"]),
    ]
    weights = [floats("rows", [1, 2], [3, 4]), floats("w", [1], [2])]
    inputs = {"i": ([1], INT64), "m": ([1, 1], INT64)}
    names = narrow_names(nodes, inputs, {"y": [1, 1]}, weights, tmp_path)

    assert {"rows", "e", "f", "kept", "w"} <= names


def test_pixels_that_came_as_integers_are_narrow_from_the_first_layer_on(tmp_path):
    nodes = [cast("x", "f"), node("Div", ["f", "scale"], ["unit"]), node("Conv", ["unit", "w"], ["a"])]
    nodes += [node("Relu", ["a"], ["y"])]
    weights = [tensor("scale", 255), tensor("w", np.ones((1, 1, 2, 2)))]
    inputs = {"x": ([1, 1, 4, 4], TensorProto.UINT8)}
    names = narrow_names(nodes, inputs, {"y": [1, 1, 3, 3]}, weights, tmp_path)

    assert {"w", "a"} <= names
    assert not {"unit", "scale"} & names


def test_integers_times_a_matrix_are_a_layer(tmp_path):
    nodes = [cast("x", "f"), node("MatMul", ["f", "w"], ["a"]), node("Sigmoid", ["a"], ["y"])]
    weights = [floats("w", [1], [2])]
    names = narrow_names(nodes, {"x": (["b", 2], INT64)}, {"y": ["b", 1]}, weights, tmp_path)

    assert {"w", "a"} <= names


def test_weights_that_a_model_dequantizes_by_hand_are_narrow(tmp_path):
    nodes = [
        node("Transpose", ["q"], ["t"]),
        cast("t", "f"),
        node("Mul", ["f", "scale"], ["w"]),
        node("MatMul", ["x", "w"], ["y"]),
    ]
    weights = [tensor("q", [[1, 2], [3, 4]], np.int8), tensor("scale", 0.5)]
    names = narrow_names(nodes, {"x": [1, 2]}, {"y": [1, 2]}, weights, tmp_path)

    assert {"f", "w"} <= names


def test_only_the_first_sine_of_a_network_of_sines_is_of_an_angle(tmp_path):
    nodes = [
        node("MatMul", ["x", "v"], ["a"]),
        node("Sin", ["a"], ["b"]),
        node("MatMul", ["b", "w"], ["c"]),
        node("Sin", ["c"], ["d"]),
        node("Relu", ["d"], ["y"]),
    ]
    weights = [floats("v", [1, 2]), floats("w", [1], [2])]
    names = narrow_names(nodes, {"x": ["n", 1]}, {"y": ["n", 1]}, weights, tmp_path)

    assert {"w", "c", "d"} <= names
    assert not {"v", "a", "b"} & names


def test_a_mask_that_only_multiplies_data_is_cast_to_the_narrow_type_at_once(tmp_path):
    nodes = [
        cast("m", "f"),
        node("Relu", ["x"], ["a"]),
        node("Mul", ["a", "f"], ["b"]),
        node("Tanh", ["b"], ["y"]),
    ]
    found = Converted(model_of(nodes, {"x": [2], "m": ([2], INT64)}, {"y": [2]}), tmp_path)

    assert found.types["f"] == HALF.type
    assert found.casts() == 3
