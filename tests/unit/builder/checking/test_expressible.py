"""What no TensorRT, or not the one asked for, can express is refused by name before a GPU is spent."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from ignition_builder.checking.expressible import check_expressible
from ignition_builder.checking.inspection import load_checked
from ignition_builder.checking.integers import warn_of_clamping
from ignition_builder.checking.plugin_nodes import check_plugin_nodes
from ignition_builder.journal import Journal
from ignition_builder.pipeline import build
from ignition_hub.engine.errors import Reason, RequestError
from smallmodels import model_of, request_for, saved


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "log") as journal:
        yield journal


def inputs_for(version: str = "", **options):
    flavor = "TensorRT" if version else "TensorRTRTX"
    return replace(
        request_for(flavor=flavor).inputs,
        flavor=flavor,
        tensorrt_version=version or "1.7.1.116",
        options=options,
    )


def refusal_of(check, *arguments) -> RequestError:
    with pytest.raises(RequestError) as caught:
        check(*arguments)
    assert caught.value.remedy
    return caught.value


def identity(kind: int, **options):
    shape = ([2], kind)
    return model_of([helper.make_node("Identity", ["x"], ["y"])], {"x": shape}, {"y": shape}, **options)


@pytest.mark.parametrize(
    ("kind", "version", "said"),
    [
        (TensorProto.STRING, "", "input x holds string, a type TensorRT does not have"),
        (TensorProto.UINT16, "", "input x holds uint16"),
        (TensorProto.COMPLEX64, "11.1.0.106", "input x holds complex64"),
        (TensorProto.BFLOAT16, "8.6.1.6", "input x holds bfloat16, which TensorRT 8.6.1.6 does not have"),
    ],
)
def test_a_type_tensorrt_lacks_is_named_with_its_input(kind, version, said, journal):
    error = refusal_of(check_expressible, identity(kind), inputs_for(version), journal)

    assert error.reason is Reason.UnsupportedOperator
    assert error.message.startswith(said)


@pytest.mark.parametrize(
    "kind", [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.UINT8, TensorProto.BFLOAT16]
)
def test_types_tensorrt_has_are_let_through(kind, journal):
    check_expressible(identity(kind), inputs_for("10.13.2.6"), journal)

    assert not journal.warnings


def test_a_sequence_is_no_tensor(journal):
    model = identity(TensorProto.FLOAT)
    sequence = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [2])
    model.graph.input[0].CopyFrom(sequence)
    error = refusal_of(check_expressible, model, inputs_for(), journal)

    assert error.message == "input x is a sequence, not a tensor"


@pytest.mark.parametrize(
    ("operator", "domain", "said"),
    [
        (
            "SequenceConstruct",
            "",
            "node inner (SequenceConstruct): TensorRT has tensors, not sequences of them",
        ),
        ("StringSplit", "", "node inner (StringSplit): TensorRT has no strings"),
        ("TreeEnsemble", "ai.onnx.ml", "TensorRT has no operators for classical machine learning"),
    ],
)
def test_an_operator_no_tensorrt_has_is_named_wherever_it_is(operator, domain, said, journal):
    inner = helper.make_graph(
        [helper.make_node(operator, ["x"], ["z"], name="inner", domain=domain)], "b", [], []
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    model = model_of([node], {"c": ([], TensorProto.BOOL)}, {"y": [1]})
    error = refusal_of(check_expressible, model, inputs_for("10.13.2.6"), journal)

    assert error.reason is Reason.UnsupportedOperator
    assert said in error.message


@pytest.mark.parametrize(
    ("opset", "version", "said"),
    [
        (22, "8.6.1.6", "opset 22: TensorRT 8.6.1.6 knows operators up to opset 17"),
        (22, "10.3.0.26", "opset 22: TensorRT 10.3.0.26 knows operators up to opset 20"),
        (7, "", "opset 7: TensorRT-RTX 1.7.1.116 promises opset 9 and up"),
        (25, "", None),
        (17, "8.6.1.6", None),
    ],
)
def test_an_opset_the_parser_does_not_promise_is_warned_of(opset, version, said, journal):
    check_expressible(identity(TensorProto.FLOAT, opset=opset), inputs_for(version), journal)

    assert journal.first_warnings.get("OpsetBeyondParser") == said


def nms(operator: str = "EfficientNMS_TRT", domain: str = ""):
    node = helper.make_node(operator, ["x"], ["y"], name="nms", domain=domain)
    return model_of([node], {"x": [1, 4]}, {"y": [1, 4]}, domains=[domain] if domain else [])


@pytest.mark.parametrize("domain", ["", "TRT"])
def test_a_standard_plugin_passes_the_checker_in_whichever_domain(domain, tmp_path):
    model = load_checked(saved(nms(domain=domain), tmp_path))

    assert [(node.op_type, node.domain) for node in model.graph.node] == [("EfficientNMS_TRT", domain)]
    assert [item.domain for item in model.opset_import] == ["", domain][: 1 + bool(domain)]


def test_an_operator_of_a_users_plugin_passes_only_with_a_library(tmp_path):
    path = saved(nms("Frobnicate"), tmp_path)

    assert load_checked(path, plugins=True).graph.node[0].domain == ""
    assert refusal_of(load_checked, path).reason is Reason.UnsupportedOperator


def test_efficient_nms_is_fine_to_10_11_and_warned_of_from_10_12(journal):
    check_plugin_nodes(nms(), inputs_for("10.11.0.33"), journal)
    assert not journal.warnings

    check_plugin_nodes(nms(), inputs_for("10.12.0.36"), journal)
    assert journal.warnings == {"DeprecatedPlugin": 1}
    assert "INMSLayer" in journal.first_warnings["DeprecatedPlugin"]


def test_efficient_nms_is_impossible_under_rtx_and_the_remedy_names_what_works(journal):
    error = refusal_of(check_plugin_nodes, nms(), inputs_for(), journal)

    assert error.reason is Reason.UnsupportedOperator
    assert error.message.startswith("node nms: EfficientNMS_TRT is a plugin of TensorRT")
    for word in (
        "NonMaxSuppression",
        "INMSLayer",
        "Ultralytics",
        "nms=False",
        "--end2end",
        "flavor: TensorRT",
    ):
        assert word in error.remedy


def test_rtx_has_roi_align(journal):
    check_plugin_nodes(nms("ROIAlign_TRT"), inputs_for(), journal)

    assert not journal.warnings


@pytest.mark.parametrize(
    ("operator", "last", "first_without"),
    [
        ("EfficientNMS_ONNX_TRT", "10.15.1.29", "10.16.0.72"),
        ("Normalize_TRT", "10.16.0.72", "11.0.0.114"),
        ("NMSDynamic_TRT", "10.16.0.72", "11.0.0.114"),
    ],
)
def test_a_removed_plugin_is_refused_by_name_with_the_version(operator, last, first_without, journal):
    check_plugin_nodes(nms(operator), inputs_for(last), journal)
    error = refusal_of(check_plugin_nodes, nms(operator), inputs_for(first_without), journal)

    assert f"removed the plugin {operator}" in error.message
    assert first_without in error.message
    assert "a tensorrt.version before" in error.remedy


def test_a_users_own_library_may_bring_a_removed_plugin_back(journal):
    check_plugin_nodes(nms("Normalize_TRT"), inputs_for("11.0.0.114", plugins=[{"name": "mine"}]), journal)


def slicing():
    ends = numpy_helper.from_array(np.array([2**63 - 1, 5], dtype=np.int64), "ends")
    constant = helper.make_node("Constant", [], ["low"], value_ints=[-(2**40), 7])
    inside = helper.make_node(
        "Constant", [], ["fine"], value=numpy_helper.from_array(np.array([7], np.int64))
    )
    nodes = [constant, inside, helper.make_node("Identity", ["x"], ["y"])]
    return model_of(nodes, {"x": [1]}, {"y": [1]}, weights=[ends])


def test_int64_that_would_be_clamped_is_counted_and_named(tmp_path, journal):
    warn_of_clamping(slicing(), tmp_path, inputs_for("8.6.1.6"), journal)

    assert journal.warnings == {"Int64Clamped": 2}
    log = (tmp_path / "log").read_text()
    assert "ends: 1 of 2 values are beyond INT32, such as 9223372036854775807" in log
    assert "low: 1 of 2 values are beyond INT32, such as -1099511627776" in log


@pytest.mark.parametrize("version", ["10.0.1.6", "11.4.0.106", ""])
def test_int64_is_kept_where_tensorrt_has_it(version, tmp_path, journal):
    warn_of_clamping(slicing(), tmp_path, inputs_for(version), journal)

    assert not journal.warnings


def summed(operator="ScatterElements", reduction="add"):
    """Return the sum of what the edges of a graph bring to each of its four nodes."""
    indices = numpy_helper.from_array(np.array([[0] * 3, [2] * 3, [0] * 3, [3] * 3, [2] * 3]), "i")
    if operator == "ScatterND":
        indices = numpy_helper.from_array(np.array([[0], [2], [0], [3], [2]]), "i")
    zeros = numpy_helper.from_array(np.zeros((4, 3), dtype=np.float32), "zeros")
    node = helper.make_node(operator, ["zeros", "i", "x"], ["y"], name="sum", reduction=reduction)
    return model_of([node], {"x": [5, 3]}, {"y": [4, 3]}, weights=[zeros, indices], opset=18)


def summed_as_advised(reduction):
    """Return the same as ``summed``, of a number of places that the model is given with its zeros."""
    two, several, neutral = {
        "add": ("Add", "", 0),
        "mul": ("Mul", "ReduceProd", 1),
        "max": ("Max", "ReduceMax", -np.inf),
        "min": ("Min", "ReduceMin", np.inf),
    }[reduction]
    masked = [
        helper.make_node("Unsqueeze", ["picked", "two"], ["mask"]),
        helper.make_node("Where", ["mask", "x", "neutral"], ["masked"]),
        helper.make_node(several, ["masked", "one"], ["met"], keepdims=0),
    ]
    product = [
        helper.make_node("Cast", ["picked"], ["picks"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["picks", "x"], ["met"]),
    ]
    numbers = {"indices": [0, 2, 0, 3, 2], "nil": 0, "step": 1, "one": [1], "two": [2]}
    weights = [
        *(numpy_helper.from_array(np.array(value), name) for name, value in numbers.items()),
        numpy_helper.from_array(np.array(neutral, np.float32), "neutral"),
        numpy_helper.from_array(np.zeros((4, 3), dtype=np.float32), "zeros"),
    ]
    nodes = [
        helper.make_node("Shape", ["zeros"], ["size"], start=0, end=1),
        helper.make_node("Squeeze", ["size"], ["places"]),
        helper.make_node("Range", ["nil", "places", "step"], ["row"]),
        helper.make_node("Unsqueeze", ["row", "one"], ["column"]),
        helper.make_node("Equal", ["column", "indices"], ["picked"]),
        *(masked if several else product),
        helper.make_node(two, ["zeros", "met"], ["y"]),
    ]
    return model_of(nodes, {"x": [5, 3]}, {"y": [4, 3]}, weights=weights, opset=18)


@pytest.mark.parametrize("operator", ["ScatterElements", "ScatterND"])
@pytest.mark.parametrize("reduction", ["add", "mul", "max", "min"])
def test_sums_over_one_place_are_named_with_their_node(operator, reduction, journal):
    error = refusal_of(check_expressible, summed(operator, reduction), inputs_for(), journal)

    assert error.message.startswith(f"node sum ({operator}): ")
    assert f"no reduction '{reduction}'" in error.message


def test_such_a_sum_is_tried_where_the_parser_may_have_it_and_written_values_are_none(journal):
    check_expressible(summed(), inputs_for("10.13.2.6"), journal)
    check_expressible(summed(reduction="none"), inputs_for(), journal)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize(
    ("reduction", "words"),
    [
        ("add", "write a sum as a product: Add(data, MatMul(Cast(Equal("),
        ("mul", "Mul(data, ReduceProd(Where(Unsqueeze(Equal("),
        ("max", "Max(data, ReduceMax(Where(Unsqueeze(Equal("),
        ("min", "Min(data, ReduceMin(Where(Unsqueeze(Equal("),
    ],
)
def test_what_meets_in_one_place_is_built_once_it_is_written_as_advised(
    reduction, words, precision, tmp_path, journal
):
    error = refusal_of(check_expressible, summed(reduction=reduction), inputs_for(), journal)
    advised = summed_as_advised(reduction)
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    came, got = (
        ReferenceEvaluator(one).run(None, {"x": x}) for one in (summed(reduction=reduction), advised)
    )

    assert words in error.remedy
    assert np.allclose(came, got)
    assert build(request_for(precision), saved(advised, tmp_path), tmp_path, lambda *_: None).size > 0


def one_operator(operator, **attributes):
    nodes = [
        helper.make_node("Relu", ["x"], ["h"]),
        helper.make_node(operator, ["h"], ["y"], name="it", **attributes),
    ]
    return model_of(nodes, {"x": [4, 4]}, {"y": None})


@pytest.mark.parametrize("operator", ["Det", "Unique"])
def test_a_model_with_an_operator_that_tensorrt_lacks_is_built_once_it_is_cut_as_advised(operator, tmp_path):
    path = saved(one_operator(operator), tmp_path)
    with pytest.raises(RequestError, match=rf"node it \({operator}\)") as caught:
        build(request_for("fp32"), path, tmp_path, lambda *_: None)
    assert "onnx.utils.extract_model" in caught.value.remedy

    onnx.utils.extract_model(path, tmp_path / "cut.onnx", ["x"], ["h"], check_model=False)
    assert build(request_for("fp32"), tmp_path / "cut.onnx", tmp_path, lambda *_: None).size > 0


def added(kind, *, opset=21):
    """Return a model that adds a constant of integers to what it is given."""
    constant = helper.make_tensor("c", kind, [4], [1, -1, 2, 3])
    nodes = [
        helper.make_node("Identity", ["c"], ["d"]),
        helper.make_node("Cast", ["d"], ["e"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "e"], ["y"]),
        helper.make_node("Add", ["k", "d"], ["z"]),
    ]
    shape = ([4], kind)
    return model_of(nodes, {"x": [4], "k": shape}, {"y": [4], "z": shape}, weights=[constant], opset=opset)


def packed(kind):
    """Return a model that casts a constant of ``kind``."""
    nodes = [
        helper.make_node("Cast", ["c"], ["e"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "e"], ["y"]),
    ]
    constant = helper.make_tensor("c", kind, [4], [1, -1, 2, 3])
    return model_of(nodes, {"x": [4]}, {"y": [4]}, weights=[constant], opset=21)


def test_a_constant_of_int4_that_is_cast_is_built_once_it_is_int32(tmp_path):
    with pytest.raises(RequestError) as caught:
        build(request_for("fp32"), saved(packed(TensorProto.INT4), tmp_path), tmp_path, lambda *_: None)
    assert "store the constant as INT32" in caught.value.remedy

    path = saved(packed(TensorProto.INT32), tmp_path)
    assert build(request_for("fp32"), path, tmp_path, lambda *_: None).size > 0


def test_an_input_of_int4_that_is_cast_is_built_once_it_is_int32(tmp_path):
    before, after = (
        model_of(
            [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)],
            {"x": ([4], kind)},
            {"y": [4]},
            opset=21,
        )
        for kind in (TensorProto.INT4, TensorProto.INT32)
    )
    with pytest.raises(RequestError) as caught:
        build(request_for("fp32"), saved(before, tmp_path), tmp_path, lambda *_: None)

    assert "or give the input so" in caught.value.remedy
    assert build(request_for("fp32"), saved(after, tmp_path), tmp_path, lambda *_: None).size > 0


def test_a_constant_of_int8_that_is_computed_with_is_built_once_it_is_int32(tmp_path):
    with pytest.raises(RequestError) as caught:
        build(request_for("fp32"), saved(added(TensorProto.INT8), tmp_path), tmp_path, lambda *_: None)
    assert caught.value.reason is Reason.UnsupportedOperator
    assert "store the constant as INT32" in caught.value.remedy

    path = saved(added(TensorProto.INT32), tmp_path)
    assert build(request_for("fp32"), path, tmp_path, lambda *_: None).size > 0
