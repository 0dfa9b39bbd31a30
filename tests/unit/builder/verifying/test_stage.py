"""The accuracy check over real conversions, run by onnxruntime."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from conversions import Converted
from ignition_builder.arrays import load_arrays
from ignition_builder.checking.inspection import facts_of, tensors_of
from ignition_builder.checking.skeleton import load_skeleton
from ignition_builder.checking.weights import write_model
from ignition_builder.documents import (
    AS_IS,
    CALIBRATOR,
    CONVERTED,
    FLAGS,
    STRONG,
    VERIFY,
    Prepared,
    Task,
    Verified,
)
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.precision.floats import BRAIN, HALF
from ignition_builder.report import Report
from ignition_builder.verifying import reference
from ignition_builder.verifying import stage as verifying
from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.identity import Profile, ShapeRange
from smallmodels import dense, model_of, request_for, saved

CHECK = {"accuracy": {"against": "onnxruntime", "rtol": 5e-3, "atol": 5e-3}}
WIDER = {"accuracy": {"against": "onnxruntime", "rtol": 0.1, "atol": 0.1}}
EXACT = {"accuracy": {"against": "onnxruntime", "rtol": 5e-3, "atol": 0.0}}


@pytest.fixture
def verified(tmp_path):
    """Return what verifies ``model`` against ``converted`` and gives the Verified."""

    def run(model, converted, precision="fp16", checks=CHECK, *, files=None, way=None, profiles=()):
        path = saved(model, tmp_path)
        target = path if converted is None else saved(converted, tmp_path, "converted.onnx")
        task = Task(
            stage=VERIFY,
            request=request_for(precision, verification=checks),
            model=str(path),
            folder=str(tmp_path),
            log=str(tmp_path / "log"),
            files=files or Files(),
            prepared=Prepared(
                path=str(target),
                facts=facts_of(model),
                converter={"path": way or (AS_IS if converted is None else CONVERTED)},
                typing=STRONG,
                profiles=profiles,
                warnings=(),
                peak_memory_bytes=0,
            ),
        )
        with Journal(tmp_path / "log") as journal, (tmp_path / "answers").open("wb") as answers:
            answer = verifying.run(task, Report(answers.fileno()), journal)
        return Verified.from_json(json.loads(json.dumps(answer)))

    return run


def narrowed(model, kind):
    """Cast ``dense`` by hand: everything between its input and its output is of ``kind``."""
    weight = numpy_helper.to_array(model.graph.initializer[0])
    nodes = [
        helper.make_node("Cast", ["x"], ["x16"], to=kind),
        helper.make_node("MatMul", ["x16", "w"], ["h"], name="fc"),
        helper.make_node("Relu", ["h"], ["y16"], name="act"),
        helper.make_node("Cast", ["y16"], ["y"], to=TensorProto.FLOAT),
    ]
    tensor = helper.make_tensor("w", kind, weight.shape, weight.flatten().tolist())
    return model_of(nodes, {"x": [2, 64]}, {"y": [2, 64]}, weights=[tensor], opset=22)


@pytest.mark.parametrize(
    ("kind", "precision"), [(TensorProto.FLOAT16, "fp16"), (TensorProto.BFLOAT16, "bf16")]
)
def test_an_honest_conversion_passes_and_its_figures_are_recorded(verified, kind, precision):
    model = dense()
    found = verified(model, narrowed(model, kind), precision)
    assert found.checked == "model"
    (figures,) = found.accuracy["outputs"]
    assert (figures["output"], figures["values"], figures["outside"]) == ("y", 128, 0)
    assert 0 < figures["maxAbsolute"] < 5e-3
    assert found.accuracy["inputs"] == "drawn"
    assert found.accuracy["against"].startswith("onnxruntime ")


def test_bf16_is_rounded_as_bf16_and_not_computed_in_fp32(verified):
    model = dense()
    wide = verified(model, narrowed(model, TensorProto.FLOAT16), "fp16").accuracy["outputs"][0]
    narrow = verified(model, narrowed(model, TensorProto.BFLOAT16), "bf16").accuracy["outputs"][0]
    assert narrow["maxAbsolute"] > 2 * wide["maxAbsolute"]


def test_a_broken_conversion_is_caught_and_named(verified):
    model = dense()
    broken = narrowed(model, TensorProto.FLOAT16)
    weight = numpy_helper.to_array(broken.graph.initializer[0]).copy()
    weight[:, 7] = 1.0
    broken.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "w"))
    with pytest.raises(
        RequestError, match=r"the fp16 model differs .*output y: \d+ of 128 .* at \[\d, 7\]"
    ) as e:
        verified(model, broken)
    assert e.value.reason == "VerificationFailed"
    assert e.value.exit_code == 17


NOTHING = [{"code": "NothingCompared", "count": 1}]


def test_a_model_built_as_it_came_is_not_compared_with_itself(verified, monkeypatch):
    """That could not fail; so nothing is run, and the build says that nothing was compared."""
    monkeypatch.setattr(reference, "Runnable", lambda *_: pytest.fail("it was run"))
    found = verified(dense(), None, "fp32")
    assert (found.checked, found.accuracy, list(found.warnings)) == ("none", None, NOTHING)


def test_a_model_with_its_weights_moved_is_still_the_model(verified, tmp_path):
    """The builder moves the weights of a large model into a file of their own."""
    moved = dense(width=256)
    path = saved(moved, tmp_path, "large.onnx")
    skeleton = load_skeleton(path)
    write_model(skeleton, tmp_path, tmp_path / "converted.onnx", {})
    assert moved.graph.initializer[0].data_location != skeleton.graph.initializer[0].data_location
    found = verified(moved, skeleton, "fp32", way=AS_IS)
    assert (found.checked, list(found.warnings)) == ("none", NOTHING)


def test_a_dimension_with_another_name_makes_no_other_model(verified):
    """Some exporters write ``?``, which the builder takes out; that computes nothing."""
    named, free = dense(batch="?"), dense(batch="n")
    profile = Profile({"x": ShapeRange((1, 64), (2, 64), (4, 64))})
    assert verified(named, free, "fp32", way=AS_IS, profiles=(profile,)).checked == "none"


def test_a_model_that_the_builder_changed_on_its_way_is_compared(verified):
    changed = dense()
    changed.graph.node[1].op_type = "Identity"
    with pytest.raises(RequestError, match="the model in its own types differs"):
        verified(dense(), changed, "fp32", way=AS_IS)


def test_a_quantized_model_that_was_brought_is_not_compared_with_itself(verified):
    scale = numpy_helper.from_array(np.float32(0.1), "s")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s"], ["y"]),
    ]
    found = verified(model_of(nodes, {"x": [4]}, {"y": [4]}, weights=[scale]), None, "int8")
    assert (found.checked, found.accuracy) == ("none", None)


def test_inputs_that_do_not_fit_are_refused_even_where_nothing_is_compared(verified, tmp_path):
    np.savez(tmp_path / "inputs.npz", other=np.zeros((2, 64), np.float32))
    with pytest.raises(RequestError, match="input other: the model has no such input"):
        verified(dense(), None, "fp32", files=Files(inputs=tmp_path / "inputs.npz"))


def test_the_users_own_inputs_are_used(verified, tmp_path):
    np.savez(tmp_path / "inputs.npz", x=np.zeros((2, 64), np.float32))
    model = dense()
    converted = narrowed(model, TensorProto.FLOAT16)
    found = verified(model, converted, files=Files(inputs=tmp_path / "inputs.npz"))
    assert found.accuracy["inputs"] == "given"


def test_an_operator_onnxruntime_lacks_ends_the_check_with_a_reason(verified):
    nodes = [helper.make_node("Own", ["x"], ["y"], domain="acme", name="own")]
    model = model_of(nodes, {"x": [1]}, {"y": [1]}, domains=["acme"])
    with pytest.raises(RequestError, match=r"onnxruntime cannot run the model on the CPU .*acme"):
        verified(model, model, way=CONVERTED)


def test_a_benchmark_without_a_gpu_is_refused(verified):
    with pytest.raises(
        RequestError, match=r"verification\.benchmark: the engine cannot be run where it is built"
    ) as failure:
        verified(dense(), None, checks={"benchmark": {"seconds": 1}})
    assert failure.value.reason == "UnsupportedOption"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"not a zip", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_a_file_that_is_no_npz_is_refused_with_the_field(tmp_path, data, words):
    (tmp_path / "file.npz").write_bytes(data)
    with pytest.raises(RequestError, match=words) as failure:
        load_arrays(tmp_path / "file.npz", "options.calibration.source")
    assert failure.value.message.startswith("options.calibration.source: ")


def test_arrays_of_python_objects_or_none_at_all_are_refused(tmp_path):
    path = tmp_path / "file.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(RequestError, match=r"cannot be read .*pickle"):
        load_arrays(path, "w")
    np.savez(path)
    with pytest.raises(RequestError, match="contains no arrays"):
        load_arrays(path, "w")
    np.savez(path, x=np.arange(3))
    assert load_arrays(path, "w")["x"].tolist() == [0, 1, 2]


def test_nan_and_infinity_are_given_as_they_are(tmp_path):
    given = np.array([1.0, np.nan, -np.inf], np.float32)
    np.savez(tmp_path / "file.npz", x=given)
    assert np.array_equal(load_arrays(tmp_path / "file.npz", "w")["x"], given, equal_nan=True)


def imputing(kind=TensorProto.FLOAT, fill=0.5):
    """A model that takes NaN for a value that is missing."""
    weight = helper.make_tensor("w", kind, [4, 4], np.eye(4, dtype=np.float32).flatten().tolist())
    nodes = [
        helper.make_node("Cast", ["x"], ["n"], to=kind),
        helper.make_node("IsNaN", ["n"], ["missing"]),
        helper.make_node("Where", ["missing", "fill", "n"], ["known"]),
        helper.make_node("MatMul", ["known", "w"], ["q"]),
        helper.make_node("Cast", ["q"], ["y"], to=TensorProto.FLOAT),
    ]
    weights = [weight, helper.make_tensor("fill", kind, [], [fill])]
    return model_of(nodes, {"x": [2, 4]}, {"y": [2, 4]}, weights=weights)


def masked(kind=TensorProto.FLOAT, gain=1.0):
    """Scores with a mask: the values that may be seen, and what a softmax makes of each row."""
    nodes = [
        helper.make_node("Cast", ["x"], ["n"], to=kind),
        helper.make_node("Cast", ["mask"], ["m"], to=kind),
        helper.make_node("Mul", ["n", "gain"], ["g"]),
        helper.make_node("Add", ["g", "m"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"]),
        helper.make_node("Cast", ["p"], ["y"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["s"], ["scores"], to=TensorProto.FLOAT),
    ]
    shape, weights = [3, 4], [helper.make_tensor("gain", kind, [], [gain])]
    return model_of(nodes, {"x": shape, "mask": shape}, {"y": shape, "scores": shape}, weights=weights)


def inputs_in(folder, **arrays):
    np.savez(folder / "inputs.npz", **{name: values.astype(np.float32) for name, values in arrays.items()})
    return Files(inputs=folder / "inputs.npz")


def test_a_model_that_takes_nan_for_missing_is_compared_on_nan(verified, tmp_path):
    files = inputs_in(tmp_path, x=np.array([[1, np.nan, 3, 4], [np.nan] * 4]))
    found = verified(imputing(), imputing(TensorProto.FLOAT16), files=files).accuracy
    assert (found["inputs"], found["outputs"][0]["values"]) == ("given", 8)
    with pytest.raises(RequestError, match=r"5 of 8 values are out of tolerance"):
        verified(imputing(), imputing(TensorProto.FLOAT16, fill=0.75), files=files)


def test_a_mask_of_minus_infinity_is_compared_where_it_lets_something_be_seen(verified, tmp_path):
    hidden = -np.inf
    mask = np.array([[0, 0, hidden, hidden], [0, 0, 0, 0], [hidden] * 4])
    files = inputs_in(tmp_path, x=np.arange(12).reshape(3, 4) / 12, mask=mask)
    softmax, scored = verified(masked(), masked(TensorProto.FLOAT16), files=files).accuracy["outputs"]
    assert softmax["values"] == 8  # The row that sees nothing is NaN in both.
    assert (scored["values"], scored["telling"]) == (12, 5)
    with pytest.raises(RequestError, match=r"output y: \d of 8 values .* output scores|scores: .*output y"):
        verified(masked(), masked(TensorProto.FLOAT16, gain=1.5), files=files)


def test_inputs_on_which_the_model_gives_nan_alone_are_refused(verified, tmp_path):
    files = inputs_in(tmp_path, x=np.full((2, 64), np.nan))
    with pytest.raises(RequestError, match="gives no finite number on these inputs"):
        verified(dense(), narrowed(dense(), TensorProto.FLOAT16), files=files)


def test_a_model_that_gives_no_number_itself_passes_no_check(verified):
    nodes = [helper.make_node("Abs", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["b"])]
    nodes += [helper.make_node("Log", ["b"], ["y"])]
    model = model_of(nodes, {"x": [2, 3]}, {"y": [2, 3]})

    with pytest.raises(RequestError, match="nothing to compare") as caught:
        verified(model, model, way=CONVERTED)
    assert "verification.accuracy.inputs" in caught.value.remedy


def scores(kind=TensorProto.FLOAT):
    """``softmax(200x (200x)^T / 50000)``, whose product is beyond fp16; in another type between casts."""
    numbers = {"k": 200.0, "i": 2e-5}
    weights = [helper.make_tensor(name, kind, [], [value]) for name, value in numbers.items()]
    nodes = [
        helper.make_node("Cast", ["x"], ["n"], to=kind),
        helper.make_node("Mul", ["n", "k"], ["a"]),
        helper.make_node("Transpose", ["a"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["a", "t"], ["s"]),
        helper.make_node("Mul", ["s", "i"], ["p"]),
        helper.make_node("Softmax", ["p"], ["q"], axis=-1),
        helper.make_node("Cast", ["q"], ["y"], to=TensorProto.FLOAT),
    ]
    return model_of(nodes, {"x": [1, 8, 64]}, {"y": [1, 8, 8]}, weights=weights)


def averages(kind=TensorProto.FLOAT):
    """``x / (sum of 1000|x| / 64000)``, a sum that fp16 does not hold."""
    weights = [helper.make_tensor(name, kind, [], [value]) for name, value in (("k", 1000.0), ("n", 64000.0))]
    nodes = [
        helper.make_node("Cast", ["x"], ["c"], to=kind),
        helper.make_node("Abs", ["c"], ["a"]),
        helper.make_node("Mul", ["a", "k"], ["m"]),
        helper.make_node("ReduceSum", ["m"], ["s"], keepdims=1),
        helper.make_node("Div", ["s", "n"], ["d"]),
        helper.make_node("Div", ["c", "d"], ["q"]),
        helper.make_node("Cast", ["q"], ["y"], to=TensorProto.FLOAT),
    ]
    return model_of(nodes, {"x": [1, 512]}, {"y": [1, 512]}, weights=weights)


def vanishing(kind=TensorProto.FLOAT):
    """``x * 1e-5 * 1e-5 * 1e10``, whose middle is below the smallest fp16."""
    weights = [helper.make_tensor(name, kind, [], [value]) for name, value in (("k", 1e-5), ("n", 1e4))]
    nodes = [
        helper.make_node("Cast", ["x"], ["c"], to=kind),
        helper.make_node("Mul", ["c", "k"], ["a"]),
        helper.make_node("Mul", ["a", "k"], ["b"]),
        helper.make_node("Mul", ["b", "n"], ["d"]),
        helper.make_node("Mul", ["d", "n"], ["q"]),
        helper.make_node("Cast", ["q"], ["y"], to=TensorProto.FLOAT),
    ]
    return model_of(nodes, {"x": [4]}, {"y": [4]}, weights=weights)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (scores, "64 of 64 values are out of tolerance, 64 of them not finite"),
        (averages, r"5\d\d of 512 values .*: 0 instead of"),
        (vanishing, r"\d of 4 values .* -?0 instead of"),
    ],
)
def test_a_model_whose_values_are_beyond_fp16_is_held_back(network, words, verified):
    with pytest.raises(RequestError, match=words):
        verified(network(), network(TensorProto.FLOAT16))
    assert verified(network(), network(TensorProto.BFLOAT16), "bf16", WIDER).accuracy["outputs"]


@pytest.mark.parametrize("network", [scores, averages, vanishing])
def test_a_model_that_came_in_fp16_is_computed_in_fp16_and_not_compared_with_itself(network, verified):
    with pytest.raises(RequestError, match="the model in its own types differs"):
        verified(network(TensorProto.FLOAT16), None)


def test_a_reference_of_a_bf16_model_can_be_computed(verified):
    found = verified(scores(TensorProto.BFLOAT16), None, "bf16", WIDER)
    assert found.accuracy["outputs"][0]["maxAbsolute"] > 0


@pytest.mark.parametrize("way", [FLAGS, CALIBRATOR])
def test_types_that_tensorrt_chose_are_not_compared_without_running_the_engine(way, verified):
    with pytest.raises(RequestError, match=r"verification\.accuracy: .* itself chooses") as failure:
        verified(dense(), None, way=way)
    assert failure.value.reason == "UnsupportedOption"


def embedding(rows, kind=TensorProto.FLOAT):
    """Rows of a table; from the third on they are beyond fp16."""
    table = np.ones((rows, 2), np.float32)
    table[2:] = 1e4
    weight = helper.make_tensor("table", kind, table.shape, table.flatten().tolist())
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["v"]),
        helper.make_node("Mul", ["v", "v"], ["q"]),
        helper.make_node("Cast", ["q"], ["y"], to=TensorProto.FLOAT),
    ]
    return model_of(nodes, {"ids": ([4, 16], TensorProto.INT64)}, {"y": [4, 16, 2]}, weights=[weight])


def test_rows_of_a_table_are_looked_at_beyond_the_first_two(verified):
    assert verified(embedding(2), embedding(2, TensorProto.FLOAT16)).accuracy["outputs"][0]["outside"] == 0
    with pytest.raises(RequestError, match="not finite"):
        verified(embedding(1000), embedding(1000, TensorProto.FLOAT16))


def test_a_profile_is_compared_at_its_ends_too(verified):
    """The mean of many is a sum that fp16 does not hold, where the usual few are one that it does."""

    def summed(kind):
        nodes = [
            helper.make_node("Cast", ["x"], ["c"], to=kind),
            helper.make_node("Exp", ["c"], ["a"]),
            helper.make_node("ReduceSum", ["a"], ["s"], keepdims=1),
            helper.make_node("Div", ["a", "s"], ["q"]),
            helper.make_node("Cast", ["q"], ["y"], to=TensorProto.FLOAT),
        ]
        return model_of(nodes, {"x": ["n"]}, {"y": ["n"]})

    def profile(largest):
        return (Profile({"x": ShapeRange((1,), (100,), (largest,))}),)

    models = summed(TensorProto.FLOAT), summed(TensorProto.FLOAT16)
    found = verified(*models, profiles=profile(200))
    assert found.accuracy["samples"] == 3
    with pytest.raises(RequestError, match="of 200000 values"):
        verified(*models, checks=EXACT, profiles=profile(200000))


def test_an_end_of_a_profile_that_the_model_cannot_be_run_at_is_left_out_and_said(verified):
    nodes = [helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3])]
    model = model_of(nodes, {"x": [1, 1, "n"]}, {"y": [1, 1, "m"]})
    profile = Profile({"x": ShapeRange((1, 1, 1), (1, 1, 8), (1, 1, 16))})
    found = verified(model, model, "fp32", way=CONVERTED, profiles=(profile,))
    assert list(found.warnings) == [{"code": "ShapesNotCompared", "count": 1}]
    assert found.accuracy["samples"] == 2


def classifier(gain):
    """Sixteen one-hot rows, each with its own class; ``gain`` is what the weights are scaled by."""
    weight = numpy_helper.from_array(np.eye(16, 400, dtype=np.float32) * np.float32(gain), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Softmax", ["h"], ["y"])]
    return model_of(nodes, {"x": [16, 16]}, {"y": [16, 400]}, weights=[weight])


def test_a_classifier_is_asked_for_its_answers(verified, tmp_path):
    np.savez(tmp_path / "inputs.npz", x=np.eye(16, dtype=np.float32))
    files, loose = Files(inputs=tmp_path / "inputs.npz"), {"accuracy": {"rtol": 0.1, "atol": 0.1}}
    (figures,) = verified(classifier(3.0), classifier(2.9), checks=loose, files=files).accuracy["outputs"]
    assert (figures["answers"], figures["argmaxAgreement"], figures["clearAnswers"]) == (16, 1.0, 16)
    with pytest.raises(RequestError, match=r"output y: 16 of 16 clear answers changed, as in row") as failure:
        verified(classifier(3.0), classifier(-3.0), checks=loose, files=files)
    assert "verification.accuracy.agreement" in failure.value.remedy
    allowed = {"accuracy": {**loose["accuracy"], "agreement": 0.0}}
    found = verified(classifier(3.0), classifier(-3.0), checks=allowed, files=files).accuracy
    assert (found["agreement"], found["outputs"][0]["clearChanged"]) == (0.0, 16)


def test_a_classifier_whose_last_layers_lie_in_branches_is_asked_too(verified, tmp_path):
    def network(gain):
        """The answer is near 0 in every class, so that no value tells that it changed."""
        given = numpy_helper.from_array(np.float32(gain), "gain")
        value = helper.make_tensor_value_info("z", TensorProto.FLOAT, [4, 100])
        bodies = [
            helper.make_graph(
                [helper.make_node("Mul", ["x", "gain"], ["m"]), helper.make_node("Softmax", ["m"], ["z"])],
                name,
                [],
                [value],
            )
            for name in ("then", "other")
        ]
        node = helper.make_node("If", ["c"], ["y"], then_branch=bodies[0], else_branch=bodies[1])
        inputs = {"x": [4, 100], "c": ([], TensorProto.BOOL)}
        return model_of([node], inputs, {"y": [4, 100]}, weights=[given])

    np.savez(tmp_path / "inputs.npz", x=np.eye(4, 100, dtype=np.float32), c=np.array(True))
    files, loose = Files(inputs=tmp_path / "inputs.npz"), {"accuracy": {"rtol": 0.1, "atol": 0.1}}
    with pytest.raises(RequestError, match="4 of 4 clear answers changed"):
        verified(network(2.0), network(-2.0), checks=loose, files=files)
    assert (
        verified(network(2.0), network(1.9), checks=loose, files=files).accuracy["outputs"][0]["answers"] == 4
    )


def directions(gain=1.0):
    """Four of 1,024 numbers, which have an RMS of 0.03; ``gain`` is what half the weights are."""
    values = np.random.default_rng(0).standard_normal((64, 1024)).astype(np.float32)
    values[:32] *= np.float32(gain)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("LpNormalization", ["h"], ["y"], axis=-1, p=2),
    ]
    weights = [numpy_helper.from_array(values, "w")]
    return model_of(nodes, {"x": [4, 64]}, {"y": [4, 1024]}, weights=weights)


def test_a_tolerance_that_is_more_than_the_values_is_named_for_it_could_hardly_fail(verified):
    loose = {"accuracy": {"rtol": 0.1, "atol": 0.1, "quantile": 0.999}}
    found = verified(directions(), directions(0.5), checks=loose)
    assert found.warnings == ({"code": "ToleranceTooWide", "count": 1},)
    with pytest.raises(RequestError, match=r"output y: \d+ of 4096 values are out of tolerance"):
        verified(directions(), directions(0.5), checks={"accuracy": {"rtol": 0.1, "atol": 0.01}})


def test_neither_a_fitting_tolerance_nor_an_answer_is_named(verified, tmp_path):
    assert (
        verified(directions(), directions(), checks={"accuracy": {"rtol": 0.1, "atol": 0.01}}).warnings == ()
    )
    np.savez(tmp_path / "inputs.npz", x=np.eye(16, dtype=np.float32))
    loose, files = {"accuracy": {"rtol": 0.1, "atol": 0.5}}, Files(inputs=tmp_path / "inputs.npz")
    assert verified(classifier(3.0), classifier(3.0), checks=loose, files=files).warnings == ()


WEIGHT = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32) / 8


def value(name, kind=TensorProto.FLOAT, shape=(2, 64)):
    return helper.make_tensor_value_info(name, kind, list(shape))


def with_an_if():
    """A product in the branch that is taken, with a weight of its own."""
    product, minus = helper.make_node("MatMul", ["x", "v"], ["t"]), helper.make_node("Neg", ["x"], ["o"])
    then = helper.make_graph([product], "then", [], [value("t")], [numpy_helper.from_array(WEIGHT, "v")])
    other = helper.make_graph([minus], "other", [], [value("o")])
    yes = numpy_helper.from_array(np.array(True), "yes")
    node = helper.make_node("If", ["yes"], ["y"], then_branch=then, else_branch=other)
    return model_of([node], {"x": [2, 64]}, {"y": [2, 64]}, weights=[yes])


def with_a_loop():
    """The same product three times over what a loop carries."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["goes"]),
            helper.make_node("MatMul", ["carried", "v"], ["next"]),
        ],
        "body",
        [value("step", TensorProto.INT64, ()), value("go", TensorProto.BOOL, ()), value("carried")],
        [value("goes", TensorProto.BOOL, ()), value("next")],
        [numpy_helper.from_array(WEIGHT, "v")],
    )
    times = numpy_helper.from_array(np.array(3), "times")
    node = helper.make_node("Loop", ["times", "", "x"], ["y"], body=body)
    return model_of([node], {"x": [2, 64]}, {"y": [2, 64]}, weights=[times])


@pytest.mark.parametrize("made", [with_an_if, with_a_loop])
@pytest.mark.parametrize("narrow", [HALF, BRAIN])
def test_a_model_with_bodies_is_converted_and_goes_through_its_check(made, narrow, verified, tmp_path):
    model, converted = made(), Converted(made(), tmp_path, narrow)
    (figures,) = verified(model, converted.model, narrow.precision, checks=WIDER).accuracy["outputs"]
    assert 0 < figures["maxAbsolute"] < 0.1

    (weight,) = (tensor for tensor in tensors_of(converted.model) if tensor.name == "v")
    weight.CopyFrom(helper.make_tensor("v", weight.data_type, [64, 64], np.zeros(64 * 64)))
    with pytest.raises(RequestError, match=f"the {narrow.precision} model differs from the model"):
        verified(model, converted.model, narrow.precision, checks=WIDER)
