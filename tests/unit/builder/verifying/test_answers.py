"""What outputs are for, and that a check asks for their answers."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.verifying.accuracy import Tolerance, check, compared
from ignition_builder.verifying.agreement import agreement_of
from ignition_builder.verifying.answers import Answer, AnswerKind, answers_of
from ignition_hub.engine.errors import RequestError
from smallmodels import model_of

INT8 = Tolerance(rtol=0.1, atol=0.1, quantile=0.999)
CLASSES = 5000
CHOICE = Answer(AnswerKind.PROBABILITIES)


def node(operator, inputs="h", output="y", **attributes):
    return helper.make_node(operator, inputs.split(), [output], **attributes)


def network(*nodes, shape=(4, 8), out=None, opset=17, kind=TensorProto.FLOAT):
    """``x`` times weights is ``h``; the nodes go on from there to ``y``."""
    weights = [
        numpy_helper.from_array(np.ones((8, 8), np.float32), "w"),
        numpy_helper.from_array(np.ones(8, np.float32), "b"),
        numpy_helper.from_array(np.array([-1, 8]), "flat"),
        numpy_helper.from_array(np.array([2, -1, 8]), "steps"),
        numpy_helper.from_array(np.array([2, -1, 4]), "torn"),
        numpy_helper.from_array(np.array([2]), "two"),
        numpy_helper.from_array(np.array([-1]), "last"),
    ]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), *nodes]
    outputs = {"y": (list(out or shape), kind)}
    return model_of(nodes, {"x": list(shape)}, outputs, weights=weights, opset=opset)


def spelled_out(divisor, opset=17):
    """A softmax as JAX writes it, when the divisor is the total."""
    axes = {"axes": [-1]} if opset < 13 else {}
    return (
        node("Exp", output="e"),
        node("ReduceSum", "e" if axes else "e last", output="s", keepdims=1, **axes),
        node("Identity", "s", output="total"),
        node("Div", f"e {divisor}"),
    )


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (network(node("Softmax")), CHOICE),
        (network(node("LogSoftmax", axis=1)), Answer(AnswerKind.LOGARITHMS, 1)),
        (network(node("Softmax"), opset=11), Answer(AnswerKind.PROBABILITIES, 1, is_flat=True)),
        (network(node("Hardmax")), CHOICE),
        (network(node("Softmax", output="p"), node("Cast", "p", to=1)), CHOICE),
        (network(node("Softmax", output="p"), node("Reshape", "p steps"), out=(2, 2, 8)), CHOICE),
        (network(node("Softmax", output="p"), node("Reshape", "p torn"), out=(2, 4, 4)), None),
        (
            network(node("Softmax", output="p"), node("Transpose", "p", perm=[1, 0]), out=(8, 4)),
            Answer(AnswerKind.PROBABILITIES, 0),
        ),
        (network(*spelled_out("total")), CHOICE),
        (network(*spelled_out("total", opset=11), opset=11), CHOICE),
        (network(*spelled_out("h")), None),
        (network(node("Add", "h b")), Answer(AnswerKind.SCORES)),
        (network(node("Gemm", "h w b")), Answer(AnswerKind.SCORES)),
        (network(node("Identity")), Answer(AnswerKind.SCORES)),
        (network(node("Mul", "h b")), None),
        (network(node("Sigmoid")), None),
        (network(node("MatMul", "h h"), shape=(8, 8)), None),
        (
            network(node("ArgMax", keepdims=0), out=(4,), kind=TensorProto.INT64),
            Answer(AnswerKind.LABEL),
        ),
        (
            network(node("ArgMax", output="i", keepdims=0), node("Cast", "i", to=6), out=(4,), kind=6),
            Answer(AnswerKind.LABEL),
        ),
        (network(helper.make_node("TopK", ["h", "two"], ["y", "i"]), out=(4, 2)), None),
        (
            network(helper.make_node("TopK", ["h", "two"], ["v", "y"]), out=(4, 2), kind=TensorProto.INT64),
            Answer(AnswerKind.LABEL),
        ),
    ],
    ids=str,
)
def test_what_an_output_answers_is_read_from_the_graph(model, answer):
    assert answers_of(model).get("y") == answer


def branch(name, *nodes, kind=TensorProto.FLOAT):
    """The nodes end in ``z``, a name that both branches have."""
    return helper.make_graph(list(nodes), name, [], [helper.make_tensor_value_info("z", kind, None)])


def either(then, other, *after, kind=TensorProto.FLOAT, out=None):
    """Both branches read ``h``; nodes ``after`` go on from ``b``."""
    choice = helper.make_node(
        "If", ["c"], ["b" if after else "y"], then_branch=branch("then", *then, kind=kind),
        else_branch=branch("other", *other, kind=kind),
    )  # fmt: skip
    model = network(choice, *after, kind=kind, out=out)
    model.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    return model


SOFTMAX = (node("Mul", "h b", output="m"), node("Softmax", "m", output="z"))
PLAIN = (node("Softmax", output="z"),)
LOGARITHMS = (node("LogSoftmax", output="z"),)
LABEL = (node("ArgMax", output="z", keepdims=0),)
RENAMED = (node("Softmax", output="p"), node("Identity", "p", output="z"))


SIGMOID = (node("Sigmoid", output="z"),)
ALONG_ROWS = (node("Softmax", output="z", axis=0),)
EITHER = {
    "two ways to a softmax": (either(SOFTMAX, PLAIN), CHOICE),
    "one under another name": (either(RENAMED, SOFTMAX), CHOICE),
    "a cast behind": (either(PLAIN, PLAIN, node("Cast", "b", to=1)), CHOICE),
    "logarithms": (either(LOGARITHMS, LOGARITHMS), Answer(AnswerKind.LOGARITHMS)),
    "labels": (either(LABEL, LABEL, kind=TensorProto.INT64, out=(4,)), Answer(AnswerKind.LABEL)),
    "an answer or none": (either(PLAIN, SIGMOID), None),
    "none or an answer": (either(SIGMOID, PLAIN), None),
    "answers of two kinds": (either(PLAIN, LOGARITHMS), None),
    "answers along two axes": (either(PLAIN, ALONG_ROWS), None),
}


@pytest.mark.parametrize("case", EITHER)
def test_what_both_branches_of_an_if_answer_is_answered(case):
    model, answer = EITHER[case]

    assert answers_of(model).get("y") == answer


def test_a_branch_that_hands_on_an_answer_from_outside_answers_it():
    outside = node("Softmax", output="p")
    hand_on = (node("Identity", "p", output="z"),)
    model = either(hand_on, PLAIN)
    model.graph.node.insert(1, outside)

    assert answers_of(model) == {"y": CHOICE}


def test_a_branch_within_a_branch_is_looked_into():
    inner = helper.make_node(
        "If", ["c"], ["z"], then_branch=branch("in then", *PLAIN), else_branch=branch("in other", *SOFTMAX)
    )

    assert answers_of(either((inner,), PLAIN)) == {"y": CHOICE}


@pytest.mark.parametrize(
    ("answer", "shape", "axis"),
    [
        (CHOICE, (4,), None),
        (CHOICE, (4, 8), 1),
        (CHOICE, (1, 40, 8), 2),
        (CHOICE, (1, 3, 40, 8), None),  # Attention that is given out is no answer.
        (Answer(AnswerKind.PROBABILITIES, 1), (1, 21, 64, 64), 1),  # A class for each pixel is one.
        (Answer(AnswerKind.SCORES), (1, 3, 40, 8), None),
        (Answer(AnswerKind.PROBABILITIES, 1, is_flat=True), (1, 40, 8), None),
        (Answer(AnswerKind.PROBABILITIES, 2, is_flat=True), (1, 40, 8), 2),
    ],
)
def test_rows_of_classes_are_those_of_usual_answers(answer, shape, axis):
    assert answer.axis_in(len(shape)) == axis


def choices(winners, likely=0.99, classes=CLASSES):
    """Probabilities of which each row's winner is ``likely`` and the others share the rest."""
    rows = np.full((len(winners), classes), (1 - likely) / (classes - 1))
    rows[np.arange(len(winners)), winners] = likely
    return rows


def refused(right, wrong, tolerance=INT8, answers=None):
    with pytest.raises(RequestError) as failure:
        check(compared({"y": right}, {"y": wrong}, tolerance, answers or {}), tolerance, "the int8 model")
    return failure.value.message


def test_values_near_zero_are_no_make_weight_for_wrong_ones():
    """Every answer is wrong, and 99.96 % of the values are right: with or without a softmax in the graph."""
    said = refused(choices(range(16)), choices(range(100, 116)))
    assert "32 of 80000 values are out of tolerance, 32 are above atol or out" in said


def test_one_tag_among_thousands_is_no_outlier():
    right, wrong = np.full((8, CLASSES), 0.01), np.full((8, CLASSES), 0.01)
    right[:, 7], wrong[:, 9] = 0.98, 0.97
    assert "16 of 40000 values" in refused(right, wrong)


def test_an_absolute_tolerance_above_all_probabilities_lets_no_answer_change():
    right, wrong = choices(range(16), 0.05), choices(range(100, 116), 0.05)
    check(compared({"y": right}, {"y": wrong}, INT8), INT8, "the int8 model")
    said = refused(right, wrong, answers={"y": CHOICE})
    assert said.endswith("output y: 16 of 16 clear answers changed, as in row [0]: class 100 instead of 0")


def test_a_label_is_not_nearly_another():
    right, wrong = np.array([4000, 17]), np.array([4050, 17])
    check(compared({"y": right}, {"y": wrong}, INT8), INT8, "the int8 model")
    said = refused(right, wrong, answers={"y": Answer(AnswerKind.LABEL)})
    assert "1 of 2 values are out of tolerance" in said
    assert "4050 instead of 4000" in said


def test_a_batch_does_not_hide_that_one_thing_in_it_is_wrong():
    right, wrong = np.ones((2000, 10)), np.ones((2000, 10))
    wrong[1234, :5] = 2
    assert "too many of them in [1234]" in refused(right, wrong)
    wrong[1234, 1:5] = 1
    check(compared({"y": right}, {"y": wrong}, INT8), INT8, "the int8 model")


def test_an_answer_of_each_pixel_is_looked_for_along_its_own_axis():
    right, wrong = np.zeros((1, 3, 16, 16)), np.zeros((1, 3, 16, 16))
    right[:, 2], wrong[:, 2] = 0.04, 0.04
    wrong[0, :, 5, 6] = (0.04, 0, 0)
    said = refused(right, wrong, answers={"y": Answer(AnswerKind.PROBABILITIES, 1)})
    assert "1 of 256 clear answers changed, as in row [0, 5, 6]: class 0 instead of 2" in said


def test_an_answer_that_the_tolerance_leaves_open_may_change_and_is_counted():
    right = np.array([[0.45, 0.55], [0.1, 0.9]])
    wrong = np.array([[0.51, 0.49], [0.1, 0.9]])
    (figures,) = compared({"y": right}, {"y": wrong}, INT8, {"y": CHOICE})
    check([figures], INT8, "the int8 model")
    found = figures.to_json()
    assert (found["answers"], found["argmaxAgreement"]) == (2, 0.5)
    assert (found["clearAnswers"], found["clearChanged"]) == (1, 0)


def test_a_share_of_clear_answers_may_change_when_asked_for():
    right, wrong = choices(range(100)), choices([0, *range(2, 101)])
    wrong[2:] = right[2:]
    strict, lenient = Tolerance(1, 1, 1), Tolerance(1, 1, 1, agreement=0.99)
    assert "1 of 100 clear answers changed, as in row [1]: class 2 instead of 1" in refused(
        right, wrong, strict, {"y": CHOICE}
    )
    check(compared({"y": right}, {"y": wrong}, lenient, {"y": CHOICE}), lenient, "the int8 model")


@pytest.mark.parametrize("kind", [AnswerKind.SCORES, AnswerKind.LOGARITHMS, AnswerKind.PROBABILITIES])
def test_answers_among_infinities_and_nan_are_figures(kind):
    right = np.array([[0.0, -np.inf], [np.nan, 1.0], [np.inf, np.inf], [-np.inf, -np.inf]])
    found = agreement_of(right, right.copy(), Answer(kind), 0.1, 0.1)
    assert found is not None
    assert (found.rows, found.same, found.changed) == (3, 3, 0)


def test_a_clear_answer_that_others_draw_level_with_has_changed():
    right, level = choices([0, 4]), np.full((2, CLASSES), 1 / CLASSES)
    found = agreement_of(right, level, CHOICE, 0.1, 0.1)
    assert (found.clear, found.changed, found.expected, found.given) == (2, 2, 0, 1)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (0, 8)])
def test_what_has_no_rows_of_classes_has_no_agreement(shape):
    assert agreement_of(np.ones(shape), np.ones(shape), CHOICE, 0.1, 0.1) is None
