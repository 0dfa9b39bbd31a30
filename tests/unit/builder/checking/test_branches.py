"""An If that shapes decide, the same in every profile, becomes the branch it takes; all others stay."""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.checking.branches import take_foreseen_branches
from ignition_builder.checking.checker_exceptions import set_aside
from ignition_builder.checking.graphs import graphs_of, nodes_of
from ignition_builder.checking.static_branches import MOST_NODES
from ignition_builder.journal import Journal
from ignition_builder.pipeline import build
from ignition_builder.verifying.reference import outputs_of
from ignition_builder.verifying.samples import Sample
from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.identity import Profile
from smallmodels import model_of, request_for, saved, shape_range

node = helper.make_node
X = np.arange(-4, 4, dtype=np.float32).reshape(1, 8)


def constant(name, value):
    return node("Constant", [], [name], value=numpy_helper.from_array(np.array(value, dtype=np.int64)))


def asking(size, axis=0, value="x", name="c") -> list:
    """Nodes that ask whether a value has a size."""
    return [
        node("Shape", [value], [f"{name}_shape"]),
        constant(f"{name}_axis", axis),
        node("Gather", [f"{name}_shape", f"{name}_axis"], [f"{name}_size"]),
        constant(f"{name}_other", size),
        node("Equal", [f"{name}_size", f"{name}_other"], [name]),
    ]


def branch(nodes, outputs: Sequence[str] = ("b",), weights=()):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    return helper.make_graph(list(nodes), "branch", [], values, list(weights))


def one(operator, read="x", made="b"):
    return branch([node(operator, [read], [made])], [made])


def choice(then, other, outputs: Sequence[str] = ("h",), condition="c", name="choice"):
    return node("If", [condition], list(outputs), name=name, then_branch=then, else_branch=other)


def choosing(*nodes, batch="n", length="t", outputs: Sequence[str] = ("y",), **options):
    """Return a model of ``[batch, length]``."""
    return model_of(nodes, {"x": [batch, length]}, dict.fromkeys(outputs), **options)


def profile(low, high):
    return Profile({"x": shape_range(low, low, high)})


ONE = profile((1, 8), (1, 8))
"""One sequence of 8."""


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "log") as opened:
        yield opened


def is_folded(model, tmp_path, journal, profiles=(ONE,), inputs=None):
    """Tell whether there is no If left; the model has then to compute what it did, in onnxruntime."""
    samples = [Sample(0, inputs or {"x": X})]
    right = outputs_of(saved(model, tmp_path), samples, "it")
    before, count = model.SerializeToString(), ifs_in(model)
    changed = take_foreseen_branches(model, profiles, journal)
    assert changed == (ifs_in(model) < count) == (before != model.SerializeToString())
    check(model)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    found = outputs_of(saved(model, tmp_path), samples, "it")
    assert found[0].keys() == right[0].keys()
    assert all(np.array_equal(found[0][name], right[0][name]) for name in right[0])
    return changed and not ifs_in(model)


def check(model):
    with set_aside(model, nodes_of(model), own_plugins=False):
        onnx.checker.check_model(model)


def ifs_in(model):
    return sum(item.op_type == "If" for item in nodes_of(model))


def operators(model):
    return [item.op_type for item in model.graph.node]


@pytest.mark.parametrize(("size", "taken", "left_out"), [(1, "Neg", "Abs"), (2, "Abs", "Neg")])
def test_the_branch_that_is_taken_stands_in_the_place_of_the_choice(size, taken, left_out, tmp_path, journal):
    model = choosing(*asking(size), choice(one("Neg"), one("Abs")), node("Exp", ["h"], ["y"]))
    assert is_folded(model, tmp_path, journal)
    assert operators(model)[-2:] == [taken, "Exp"]
    assert left_out not in operators(model)
    assert list(model.graph.node[-2].output) == ["h"]


def test_the_log_says_which_branch_was_taken(tmp_path, journal):
    model = choosing(*asking(1), choice(one("Neg"), one("Abs"), ["y"]))
    assert take_foreseen_branches(model, [ONE], journal)
    assert "1 If go the same way with all shapes of the profiles" in (tmp_path / "log").read_text()
    assert "node choice (If) its then branch" in (tmp_path / "log").read_text()


def test_a_choice_in_a_branch_is_taken_too(tmp_path, journal):
    inner = [*asking(8, 1, "x", "d"), choice(one("Neg", made="i"), one("Abs", made="i"), ["b"], "d", "in")]
    model = choosing(*asking(1), choice(branch(inner), one("Exp"), ["y"]))
    assert is_folded(model, tmp_path, journal)
    assert operators(model)[-1] == "Neg"


def test_a_choice_that_follows_from_what_another_gave_is_taken_too(tmp_path, journal):
    axes = constant("axes", [0])
    squeezed = branch([axes, node("Squeeze", ["x", "axes"], ["b"])])
    rank = [node("Shape", ["h"], ["s"]), node("Size", ["s"], ["r"]), constant("two", 2)]
    asked = [*rank, node("Equal", ["r", "two"], ["e"]), node("Not", ["e"], ["d"])]
    model = choosing(
        *asking(1),
        choice(squeezed, one("Identity")),
        *asked,
        choice(one("Neg", "h", "k"), one("Abs", "h", "k"), ["y"], "d", "second"),
    )
    assert is_folded(model, tmp_path, journal)
    assert operators(model)[-1] == "Neg"


def test_a_choice_that_a_run_decides_is_left_as_it_came(tmp_path, journal):
    """What its branches ask is no matter: of one that is never taken nothing has to fit the shapes."""
    inner = [*asking(1), choice(one("Neg", made="i"), one("Abs", made="i"), ["b"])]
    model = choosing(
        node("ReduceSum", ["x"], ["sum"], keepdims=0),
        node("Cast", ["sum"], ["yes"], to=TensorProto.BOOL),
        choice(branch(inner), one("Exp"), ["y"], "yes", "run"),
    )
    assert not is_folded(model, tmp_path, journal)
    assert ifs_in(model) == 2


def test_a_branch_reads_values_from_outside_and_weights_of_its_own(tmp_path, journal):
    weight = numpy_helper.from_array(np.full(8, 3, dtype=np.float32), "w")
    inner = branch([node("Mul", ["k", "w"], ["m"]), node("Add", ["m", "outer"], ["b"])], weights=[weight])
    outer = numpy_helper.from_array(np.full(8, 5, dtype=np.float32), "outer")
    model = choosing(node("Exp", ["x"], ["k"]), *asking(1), choice(inner, one("Abs"), ["y"]), weights=[outer])
    assert is_folded(model, tmp_path, journal)
    assert {item.name for item in model.graph.initializer} == {"outer", "w"}


def test_outputs_from_outside_weights_and_values_given_out_twice_are_passed_on(tmp_path, journal):
    weight = numpy_helper.from_array(np.full(8, 3, dtype=np.float32), "w")
    then = branch([node("Neg", ["x"], ["n"])], ["x", "w", "n", "n"], [weight])
    names = ["b1", "b2", "b3", "b4"]
    other = branch([node("Abs", ["x"], [name]) for name in names], names)
    outputs = ["y1", "y2", "y3", "y4"]
    model = choosing(*asking(1), choice(then, other, outputs), outputs=outputs)
    # onnxruntime takes no branch that gives out a value of the outside or a weight (run: 1.31.1).
    assert take_foreseen_branches(model, [ONE], journal)
    check(model)
    found = outputs_of(saved(model, tmp_path), [Sample(0, {"x": X})], "it")[0]
    assert np.array_equal(found["y1"], X)
    assert np.array_equal(found["y2"], np.full(8, 3))
    assert np.array_equal(found["y3"], -X)
    assert np.array_equal(found["y4"], -X)


def test_sizes_that_were_those_of_the_other_branch_are_forgotten(tmp_path, journal):
    squeezed = branch([constant("axes", [0]), node("Squeeze", ["x", "axes"], ["b"])])
    model = choosing(*asking(2), choice(squeezed, one("Identity")), node("Neg", ["h"], ["y"]))
    model.graph.value_info.append(helper.make_tensor_value_info("h", TensorProto.FLOAT, [8]))
    assert is_folded(model, tmp_path, journal)
    assert not model.graph.value_info[0].type.tensor_type.HasField("shape")


def test_a_plugin_beside_the_choice_changes_nothing(tmp_path, journal):
    """ONNX does not know the operator, and so no size behind it; what is known stays known."""
    plugin = node("EfficientNMS_TRT", ["x"], ["p"])
    chosen = [
        choice(one("Neg"), one("Abs"), ["y"]),
        *asking(1, value="p", name="d"),
        choice(one("Neg", "p"), one("Abs", "p"), ["z"], "d", "behind"),
    ]
    model = choosing(*asking(1), plugin, *chosen, outputs=["y", "z"])
    assert take_foreseen_branches(model, [ONE], journal)
    assert [item.name for item in model.graph.node if item.op_type == "If"] == ["behind"]


def test_an_output_that_nobody_reads_needs_no_name(tmp_path, journal):
    then = branch([node("Neg", ["x"], ["a"]), node("Relu", ["a"], ["b"])], ["a", "b"])
    other = branch([node("Abs", ["x"], ["a"]), node("Neg", ["a"], ["b"])], ["a", "b"])
    model = choosing(*asking(1), choice(then, other, ["", "y"]))
    # onnxruntime runs no If of which an output has no name (run: 1.31.1).
    assert take_foreseen_branches(model, [ONE], journal)
    check(model)
    found = outputs_of(saved(model, tmp_path), [Sample(0, {"x": X})], "it")[0]
    assert np.array_equal(found["y"], np.maximum(-X, 0))


def test_names_that_meet_are_made_fresh(tmp_path, journal):
    """Both choices use the names ``a`` and ``b`` inside, and the second's are used outside as well."""
    steps = [node("Neg", ["x"], ["a"]), node("Exp", ["a"], ["b"])]
    second = [node("Exp", ["h"], ["a"]), node("Neg", ["a"], ["b"])]
    inner = [
        *asking(3, 1, "x", "d"),
        choice(
            one("Sin", "a", "e"),
            branch([node("Cos", ["a"], ["e"]), node("Neg", ["e"], ["f"])], ["f"]),
            ["b"],
            "d",
            "inner",
        ),
    ]
    model = choosing(
        *asking(1),
        choice(branch(steps), one("Abs", made="b"), ["h"]),
        *asking(2, name="k"),
        choice(branch([*second]), branch([node("Exp", ["h"], ["a"]), *inner]), ["y"], "k", "second"),
    )
    assert is_folded(model, tmp_path, journal)


def test_a_branch_may_call_a_value_what_the_choice_calls_its_output(tmp_path, journal):
    then = branch([node("Neg", ["x"], ["y"]), node("Exp", ["y"], ["b"])])
    model = choosing(*asking(1), choice(then, one("Abs", made="y"), ["y"]))
    assert is_folded(model, tmp_path, journal)


def test_names_in_a_loop_of_the_branch_are_kept_apart(tmp_path, journal):
    """The body has a value of its own called as one outside, and one called as the choice's output."""
    body = helper.make_graph(
        [
            node("Identity", ["go"], ["on"]),
            node("Mul", ["state", "b"], ["y"]),
            node("Neg", ["y"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    loop = [
        node("Exp", ["x"], ["b"]),
        constant("trips", 3),
        node("Loop", ["trips", "", "b"], ["l"], body=body),
    ]
    then = branch([*loop, node("Add", ["l", "b"], ["sum"])], ["b"])
    model = choosing(*asking(1), choice(then, one("Abs"), ["y"]))
    assert is_folded(model, tmp_path, journal)


@pytest.mark.parametrize(
    "profiles",
    [
        [profile((1, 8), (2, 8))],
        [profile((2, 8), (3, 8))],
        [profile((1, 8), (1, 8)), profile((2, 8), (2, 8))],
    ],
)
def test_a_choice_by_a_size_that_differs_between_shapes_is_left_alone(profiles, tmp_path, journal):
    model = choosing(*asking(1), choice(one("Neg"), one("Abs"), ["y"]))
    assert not is_folded(model, tmp_path, journal, profiles)


def test_a_size_that_is_the_same_at_both_ends_and_not_between_is_left_alone(tmp_path, journal):
    """A length of 1 to 3, every second of it: the rest is 1 at both ends, and 0 between."""
    parity = [
        *asking(1, 1)[:3],
        constant("two", 2),
        node("Mod", ["c_size", "two"], ["rest"]),
        node("Cast", ["rest"], ["c"], to=TensorProto.BOOL),
    ]
    model = choosing(*parity, choice(one("Neg"), one("Abs"), ["y"]))
    ends = [profile((1, 1), (1, 3))]
    assert not is_folded(model, tmp_path, journal, ends, {"x": X[:, :2]})


def test_what_is_computed_of_several_sizes_of_which_one_is_free_is_not_known(tmp_path, journal):
    asked = [
        node("Shape", ["x"], ["s"]),
        node("ReduceMax", ["s"], ["most"], keepdims=0),
        constant("eight", 8),
        node("Equal", ["most", "eight"], ["c"]),
    ]
    model = choosing(*asked, choice(one("Neg"), one("Abs"), ["y"]))
    assert not is_folded(model, tmp_path, journal, [profile((1, 8), (20, 8))])


def test_sizes_that_nothing_changes_decide_beside_those_that_are_free(tmp_path, journal):
    model = choosing(*asking(8, 1), choice(one("Neg"), one("Abs"), ["y"]))
    assert is_folded(model, tmp_path, journal, [profile((1, 8), (4, 8))])


def test_a_model_without_profiles_goes_by_its_own_sizes(tmp_path, journal):
    model = choosing(*asking(1), choice(one("Neg"), one("Abs"), ["y"]), batch=1, length=8)
    assert is_folded(model, tmp_path, journal, [])


def test_a_choice_by_a_value_that_is_given_is_left_alone(tmp_path, journal):
    model = model_of(
        [
            constant("rate", 16000),
            node("Equal", ["sr", "rate"], ["c"]),
            choice(one("Neg"), one("Abs"), ["y"]),
        ],
        {"x": [1, 8], "sr": ([], TensorProto.INT64)},
        {"y": None},
    )
    inputs = {"x": X, "sr": np.array(16000, dtype=np.int64)}
    assert not is_folded(model, tmp_path, journal, [], inputs)


def test_a_branch_that_wants_to_be_given_something_is_left_alone(journal):
    then = one("Neg", "given")
    then.input.append(helper.make_tensor_value_info("given", TensorProto.FLOAT, None))
    model = choosing(*asking(1), choice(then, one("Abs"), ["y"]))
    assert not take_foreseen_branches(model, [ONE], journal)


def test_sizes_that_the_model_writes_down_inside_are_not_believed(tmp_path, journal):
    """NonZero makes as many columns as there are values; the model says it is always one."""
    model = choosing(
        node("NonZero", ["x"], ["found"]),
        *asking(1, 1, "found"),
        choice(one("Neg"), one("Abs"), ["y"]),
    )
    model.graph.value_info.append(helper.make_tensor_value_info("found", TensorProto.INT64, [2, 1]))
    before = model.SerializeToString()
    assert not take_foreseen_branches(model, [ONE], journal)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("inside", [True, False])
def test_sizes_that_a_branch_writes_down_are_not_believed(inside, journal):
    made = helper.make_tensor_value_info("b", TensorProto.INT64, [2, 1])
    found = branch([node("NonZero", ["x"], ["b"])])
    found.output[0].CopyFrom(made)
    passed = branch([node("NonZero", ["x"], ["b"]), node("Identity", ["b"], ["c"])], ["c"])
    passed.output[0].type.tensor_type.elem_type = TensorProto.INT64
    passed.value_info.append(made)
    graphs = [passed if inside else found] * 2
    model = model_of(
        [
            choice(*graphs, ["found"], "yes", "run"),
            *asking(1, 1, "found"),
            choice(one("Neg"), one("Abs"), ["y"]),
        ],
        {"x": [1, 8], "yes": ([], TensorProto.BOOL)},
        {"y": None},
    )
    assert not take_foreseen_branches(model, [ONE], journal)


@pytest.mark.parametrize(
    ("numbers", "operator", "other"),
    [((-7, 2), "Div", -3), ((-7, 2), "Div", -4), ((-7, 2), "Mod", 1), ((7, 0), "Div", 0)],
)
def test_what_is_not_computed_alike_everywhere_is_left_alone(numbers, operator, other, journal):
    names = [constant("l", numbers[0]), constant("r", numbers[1]), constant("o", other)]
    asked = [node(operator, ["l", "r"], ["q"]), node("Equal", ["q", "o"], ["c"])]
    model = choosing(*names, *asked, choice(one("Neg"), one("Abs"), ["y"]))
    assert not take_foreseen_branches(model, [ONE], journal)


def test_numbers_do_not_grow_while_they_are_foreseen(journal):
    """Fourteen times twice as many; forty times would be more than a machine holds."""
    doubled = [node("Concat", [f"d{n}", f"d{n}"], [f"d{n + 1}"], axis=0) for n in range(14)]
    asked = [
        node("ReduceSum", ["d14"], ["sum"], keepdims=0),
        node("Cast", ["sum"], ["c"], to=TensorProto.BOOL),
    ]
    model = choosing(constant("d0", [1]), *doubled, *asked, choice(one("Neg"), one("Abs"), ["y"]))
    assert not take_foreseen_branches(model, [ONE], journal)


def test_what_takes_too_many_steps_is_not_foreseen(journal):
    turned = [node("Neg", [f"t{n}"], [f"t{n + 1}"]) for n in range(MOST_NODES)]
    asked = node("Cast", [f"t{MOST_NODES}"], ["c"], to=TensorProto.BOOL)
    chosen = choice(one("Neg"), one("Abs"), ["y"])
    assert not take_foreseen_branches(choosing(constant("t0", 1), *turned, asked, chosen), [ONE], journal)


def test_padding_that_constants_say_in_many_steps_is_known(tmp_path, journal):
    """As PyTorch exports Pad: its shape depends on numbers that are turned around and cast."""
    steps = [
        constant("pads", [0, 0, 1, 0]),
        constant("pairs", [-1, 2]),
        node("Reshape", ["pads", "pairs"], ["p1"]),
        node("Transpose", ["p1"], ["p2"], perm=[1, 0]),
        constant("flat", [-1]),
        node("Reshape", ["p2", "flat"], ["p3"]),
        node("Pad", ["x", "p3"], ["padded"]),
    ]
    model = choosing(*steps, *asking(9, 1, "padded"), choice(one("Neg", "padded"), one("Abs"), ["y"]))
    assert is_folded(model, tmp_path, journal)
    assert operators(model)[-1] == "Neg"


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_weights_of_a_branch_in_a_file_are_found_again(precision, tmp_path):
    values = np.random.default_rng(0).standard_normal((8, 16)).astype(np.float32)
    weight = numpy_helper.from_array(values, "w")
    then = branch([node("MatMul", ["x", "w"], ["b"])], weights=[weight])
    other = branch([node("Concat", ["x", "x"], ["b"], axis=1)])
    model = choosing(*asking(1), choice(then, other, ["h"]), node("Relu", ["h"], ["y"]))
    (tmp_path / "weights.bin").write_bytes(values.tobytes())
    stored = next(graph for graph in graphs_of(model.graph) if graph.initializer).initializer[0]
    stored.ClearField("raw_data")
    stored.data_location = TensorProto.EXTERNAL
    stored.external_data.add(key="location", value="weights.bin")
    built = build(
        request_for(
            precision, "sm_89", profiles=[ONE], verification={"accuracy": {"rtol": 0.01, "atol": 0.01}}
        ),
        saved(model, tmp_path),
        tmp_path,
        lambda phase, part: None,
    )
    assert built.path.stat().st_size == built.size
    (output,) = built.facts.accuracy["outputs"]
    assert output["output"] == "y"


def test_types_that_contradict_each_other_are_left_to_others(journal):
    """What is known without ONNX's inference, as the shapes of inputs, is known still."""
    wrong = numpy_helper.from_array(np.zeros(8), "w")
    asked = [node("Relu", ["x"], ["r"]), *asking(1, value="r", name="d")]
    chosen = [
        choice(one("Neg"), one("Abs"), ["y"]),
        choice(one("Neg"), one("Abs"), ["z"], "d", "behind"),
    ]
    model = choosing(*asking(1), *asked, *chosen, outputs=["y", "z"], weights=[wrong])
    model.graph.output.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [8]))
    with pytest.raises(onnx.shape_inference.InferenceError, match="elem type"):
        onnx.shape_inference.infer_shapes(model)
    assert take_foreseen_branches(model, [ONE], journal)
    assert [item.name for item in model.graph.node if item.op_type == "If"] == ["behind"]


def test_a_loop_keeps_its_choices(tmp_path, journal):
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]), *asking(1), choice(one("Neg"), one("Abs"), ["next"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    model = choosing(constant("trips", 2), node("Loop", ["trips", "", "x"], ["y"], body=body))
    assert not is_folded(model, tmp_path, journal)


def one_name_in_many_graphs():
    """
    A choice ``v`` of ``[1, 1]``, which onnx 1.23.2 infers to be ``[1, 8]``: an ``u`` inside a branch of a
    branch has these sizes, and an ``u`` around it is given out.
    """
    third = choice(
        branch([node("Neg", ["x"], ["u"])], ["u"]),
        branch([node("Neg", ["x"], ["e"]), node("Neg", ["x"], ["u"])], ["e"]),
        ["g"],
        "c3",
        "third",
    )
    second = choice(
        branch(
            [node("Neg", ["x"], ["k"]), node("Neg", ["v"], ["s"])],
            ["s", "k"],
            [numpy_helper.from_array(np.float32([[3]]), "v")],
        ),
        branch([node("Neg", ["x"], ["d"]), *asking(2, 1, name="c3"), third], ["d", "g"]),
        ["u", "w"],
        "c2",
        "second",
    )
    first = choice(one("Neg", made="v"), branch([*asking(1, name="c2"), second], ["u"]), ["v"], "c1", "first")
    return choosing(
        *asking(8, name="c1"),
        first,
        *asking(1, 1, "v", "c4"),
        choice(one("Abs"), one("Exp"), ["y"], "c4", "last"),
    )


def test_a_value_is_not_taken_for_another_of_its_name(tmp_path, journal):
    model = one_name_in_many_graphs()
    assert is_folded(model, tmp_path, journal)
    assert operators(model)[-1] == "Abs"


def test_branches_of_different_ranks_are_refused_and_build_once_the_size_that_chooses_is_fixed(tmp_path):
    deep = branch([constant("axes", [0]), node("Unsqueeze", ["x", "axes"], ["b"])])
    total = node("ReduceSum", ["h"], ["y"], keepdims=0)
    model = choosing(*asking(8, 1), choice(deep, one("Neg", made="o")), total)
    path, free, fixed = saved(model, tmp_path), profile((1, 4), (2, 16)), profile((1, 4), (2, 4))

    with pytest.raises(RequestError, match="equal ranks") as caught:
        build(request_for("fp32", "sm_89", profiles=[free]), path, tmp_path, lambda *_: None)
    assert "fix the sizes that choose between them" in caught.value.remedy
    assert build(request_for("fp32", "sm_89", profiles=[fixed]), path, tmp_path, lambda *_: None).size
