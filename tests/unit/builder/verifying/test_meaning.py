"""What a model does with an integer says what the integer is, and how large it may be."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.verifying.meaning import IntegerKind, Meaning, meanings_of
from smallmodels import model_of

INT64, FLOAT, BOOL = TensorProto.INT64, TensorProto.FLOAT, TensorProto.BOOL


def node(operator, inputs, *, out="y", **attributes):
    return helper.make_node(operator, inputs.split(","), [out], **attributes)


def constant(name, values, kind=np.int64):
    return numpy_helper.from_array(np.array(values, kind), name)


TABLE = constant("table", np.zeros((30, 2)), np.float32)
PLACES = constant("places", np.zeros((1, 1, 8)), np.float32)


def meaning(*nodes, weights=(), shape=(2, 6), kind=INT64, name="i", symbolic=("b", "s"), more=None):
    """Return what input ``name`` means to ``nodes``, when it has this shape."""
    declared = {name: (list(symbolic), kind), **(more or {})}
    model = model_of(nodes, declared, {"y": None}, weights=[*weights])
    return meanings_of(model, {name: shape, "x": (7, 2, 4)})[name]


def test_an_index_is_below_the_rows_of_its_table():
    assert meaning(node("Gather", "table,i"), weights=[TABLE]) == Meaning(IntegerKind.INDEX, 29)


@pytest.mark.parametrize(("axis", "largest"), [(0, 29), (1, 1), (-1, 1)])
def test_the_table_may_be_looked_up_along_any_axis(axis, largest):
    assert meaning(node("Gather", "table,i", axis=axis), weights=[TABLE]).largest == largest


def test_an_index_is_followed_through_what_moves_and_shifts_it():
    nodes = [
        node("Cast", "i", out="a", to=TensorProto.INT32),
        node("Unsqueeze", "a,axes", out="b"),
        node("Transpose", "b", out="c", perm=[1, 0, 2]),
        node("Add", "two,c", out="d"),
        node("Gather", "table,d"),
    ]
    weights = [TABLE, constant("axes", [0]), constant("two", 2, np.int32)]
    assert meaning(*nodes, weights=weights) == Meaning(IntegerKind.INDEX, 27)
    scaled = [node("Mul", "i,three", out="a"), node("Sub", "a,one", out="b"), node("Gather", "table,b")]
    weights = [TABLE, constant("three", 3), constant("one", 1)]
    assert meaning(*scaled, weights=weights).largest == 10
    turned = [node("Sub", "last,i", out="a"), node("Gather", "table,a")]
    assert meaning(*turned, weights=[TABLE, constant("last", 20)]).largest == 20


def test_the_smallest_of_several_tables_counts():
    other = constant("other", np.zeros((4, 2)), np.float32)
    nodes = [node("Gather", "table,i", out="a"), node("Gather", "other,i", out="b"), node("Add", "a,b")]
    assert meaning(*nodes, weights=[TABLE, other]) == Meaning(IntegerKind.INDEX, 3)


def test_a_table_may_be_as_long_as_the_profile_says():
    """Its rows follow from the shapes of the sample."""
    nodes = [node("Gather", "x,i", axis=1)]
    more = {"x": ["a", "s", 4]}
    assert meaning(*nodes, more=more) == Meaning(IntegerKind.INDEX, 1)
    assert meaning(node("Gather", "x,i"), more=more) == Meaning(IntegerKind.INDEX, 6)


@pytest.mark.parametrize(
    ("nodes", "largest"),
    [
        ([node("GatherElements", "table,i")], 29),
        ([node("ScatterElements", "table,i,table")], 29),
        ([node("GatherND", "table,i")], 1),
        ([node("OneHot", "i,depth,values")], 8),
    ],
)
def test_other_operators_take_indices_too(nodes, largest):
    weights = [TABLE, constant("depth", 9), constant("values", [0, 1])]
    assert meaning(*nodes, weights=weights) == Meaning(IntegerKind.INDEX, largest)


def test_an_index_that_was_computed_in_an_unknown_way_stays_0_or_1():
    nodes = [node("Mul", "i,i", out="a"), node("Gather", "table,a")]
    assert meaning(*nodes, weights=[TABLE]).largest == 1
    unknown = [node("Own", "i", out="t"), node("Gather", "t,i")]
    assert meaning(*unknown).largest == 1


@pytest.mark.parametrize("place", ["If", "Loop", "Scan"])
def test_an_index_is_followed_into_bodies(place):
    look = node("Gather", "table,inner", out="v")
    empty = helper.make_empty_tensor_value_info
    if place == "If":
        same = node("Identity", "i", out="inner")
        body = helper.make_graph([same, look], "then", [], [empty("v")])
        yes = helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True)))
        nodes = [yes, node("If", "yes", then_branch=body, else_branch=body)]
    elif place == "Loop":
        go = node("Identity", "go", out="on")
        keep = node("Identity", "inner", out="same")
        types = [("n", INT64, []), ("go", BOOL, []), ("inner", INT64, ["b", "s"])]
        inputs = [helper.make_tensor_value_info(*item) for item in types]
        body = helper.make_graph([look, go, keep], "body", inputs, [empty("on"), empty("same"), empty("v")])
        nodes = [helper.make_node("Loop", ["one", "", "i"], ["last", "y"], body=body)]
    else:
        inputs = [helper.make_tensor_value_info("inner", INT64, ["s"])]
        body = helper.make_graph([look], "body", inputs, [empty("v")])
        nodes = [node("Scan", "i", body=body, num_scan_inputs=1)]
    found = meaning(*nodes, weights=[TABLE, constant("one", 1)])
    assert found == Meaning(IntegerKind.INDEX, 29 if place == "If" else 1)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Cast", "i", out="f", to=FLOAT), node("Sub", "one,f", out="r"), node("Mul", "r,least")],
        [node("Cast", "i", out="c", to=BOOL), node("Not", "c")],
        [node("CumSum", "i,axis", out="p"), node("Cast", "p", to=FLOAT)],
        [node("Cast", "i", out="c", to=BOOL), node("Where", "c,one,least")],
    ],
    ids=["one minus it", "a truth", "counted", "a choice"],
)
def test_a_mask_is_known_by_its_use(nodes):
    weights = [constant("one", 1, np.float32), constant("least", -1e4, np.float32), constant("axis", 1)]
    assert meaning(*nodes, weights=weights).kind is IntegerKind.MASK


def test_a_mask_is_known_by_its_name():
    found = meaning(node("Cast", "attention_mask", to=FLOAT), name="attention_mask")
    assert found.kind is IntegerKind.MASK


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Cast", "i", out="f", to=FLOAT), node("MatMul", "f,waves", out="w"), node("Sin", "w")],
        [node("Cast", "i", out="f", to=FLOAT), node("Unsqueeze", "f,axis", out="u"), node("Mul", "u,places")],
        [node("Cast", "i", out="f", to=FLOAT), node("Div", "f,thousand", out="w"), node("Cos", "w")],
        [node("Cast", "i", out="f", to=FLOAT), node("Relu", "f")],
    ],
    ids=["waves", "frequencies", "a cosine", "any number"],
)
def test_a_position_is_an_integer_that_becomes_a_number(nodes):
    weights = [
        PLACES,
        constant("waves", np.ones((6, 3)), np.float32),
        constant("axis", [2]),
        constant("thousand", 1000, np.float32),
    ]
    assert meaning(*nodes, weights=weights) == Meaning(IntegerKind.POSITION, None)


def test_a_position_that_is_looked_up_too_stays_in_the_table():
    nodes = [
        node("Cast", "i", out="f", to=FLOAT),
        node("Sin", "f", out="s"),
        node("Gather", "table,i", out="g"),
        node("ReduceSum", "g", out="y"),
    ]
    assert meaning(*nodes, weights=[TABLE]) == Meaning(IntegerKind.POSITION, 29)


@pytest.mark.parametrize(("layout", "largest"), [(0, 7), (1, 2)])
def test_a_length_is_at_most_the_sequence(layout, largest):
    names = ["x", "w", "r", "", "i"]
    weights = [
        constant("w", np.zeros((1, 12, 4)), np.float32),
        constant("r", np.zeros((1, 12, 3)), np.float32),
    ]
    recurrent = helper.make_node("LSTM", names, ["y"], hidden_size=3, layout=layout)
    found = meaning(
        recurrent,
        weights=weights,
        kind=TensorProto.INT32,
        shape=(2,),
        symbolic=("b",),
        more={"x": ["t", "b", 4]},
    )
    assert found == Meaning(IntegerKind.LENGTH, largest)


def test_a_length_is_what_places_are_compared_with():
    nodes = [node("Less", "range,i")]
    assert meaning(*nodes, weights=[constant("range", [0, 1, 2])]).kind is IntegerKind.LENGTH
    assert meaning(*nodes, weights=[constant("range", 2)]).kind is IntegerKind.UNKNOWN


def test_bytes_that_become_numbers_are_data():
    nodes = [node("Cast", "i", out="f", to=FLOAT), node("Div", "f,top")]
    found = meaning(*nodes, weights=[constant("top", 255, np.float32)], kind=TensorProto.UINT8)
    assert found == Meaning(IntegerKind.DATA, None)


def test_a_size_stays_0_or_1_even_where_it_is_an_index_too():
    nodes = [node("Expand", "one,i", out="e"), node("Gather", "table,i", out="g"), node("ReduceSum", "g")]
    assert meaning(*nodes, weights=[TABLE, constant("one", 1)]).largest == 1


def test_an_input_that_nothing_tells_of_stays_0_or_1():
    assert meaning(node("Add", "i,i")) == Meaning(IntegerKind.UNKNOWN, 1)


def test_floats_have_no_meaning():
    model = model_of([node("Relu", "x")], {"x": [1]}, {"y": [1]})
    assert meanings_of(model, {"x": (1,)}) == {}
