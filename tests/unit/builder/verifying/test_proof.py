"""A conversion is held against the model it was made from: what rounding cannot do is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.documents import INSPECT, PROVE, Prepared, Proof, Task
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.precision import levels
from ignition_builder.precision import stage as preparing
from ignition_builder.precision.floats import Rounding
from ignition_builder.report import Report
from ignition_builder.verifying import proof, reference
from ignition_hub.engine.errors import Reason, RequestError
from smallmodels import dense, model_of, read_back, request_for, saved, shape_range

PRECISIONS = pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])


def weight(name, *shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return numpy_helper.from_array(values / np.float32(np.sqrt(shape[0])), name)


def network():
    """Two layers whose second is what they have in common less what they have not."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="first"),
        helper.make_node("Relu", ["h"], ["r"], name="relu"),
        helper.make_node("MatMul", ["r", "v"], ["m"], name="second"),
        helper.make_node("Sub", ["m", "x"], ["y"], name="less"),
    ]
    weights = [weight("w", 64, 64), weight("v", 64, 64, seed=1)]
    return model_of(nodes, {"x": ["n", 64]}, {"y": ["n", 64]}, weights=weights)


PROFILE = {"x": shape_range([2, 64], [4, 64], [8, 64])}


@pytest.fixture
def converted(tmp_path):
    """Return what converts a model as the first stage does, and gives the task to prove it."""

    def make(model, precision="fp16", profiles=(), **inputs):
        files, options = Files(), {}
        if precision == "int8":
            drawn = np.random.default_rng(3).standard_normal((8, 64)).astype(np.float32)
            np.savez(tmp_path / "calibration.npz", **(inputs or {"x": drawn}))
            files = Files(calibration=tmp_path / "calibration.npz")
            options = {"calibration": {"method": "max"}}
        task = Task(
            stage=INSPECT,
            request=request_for(precision, profiles=profiles, options=options),
            model=str(saved(model, tmp_path)),
            folder=str(tmp_path),
            log=str(tmp_path / "log"),
            files=files,
        )
        found = json.loads(json.dumps(staged(preparing, task)))
        prepared = Prepared.from_json(found)
        return Task.from_json({**task.to_json(), "stage": PROVE, "prepared": prepared.to_json()})

    return make


def staged(stage, task):
    log = Path(task.log)
    with Journal(log) as journal, log.with_name("answers").open("wb") as answers:
        return stage.run(task, Report(answers.fileno()), journal)


def proven(task):
    return Proof.from_json(json.loads(json.dumps(staged(proof, task))))


def refusal_of(task):
    with pytest.raises(RequestError) as caught:
        staged(proof, task)
    assert caught.value.reason is Reason.VerificationFailed
    assert "verification.accuracy" in caught.value.remedy
    return caught.value


def edited(task, change):
    """Rewrite the converted model of ``task``."""
    path = Path(task.prepared.path)
    model = read_back(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    return task


@PRECISIONS
def test_a_right_conversion_is_proven_and_says_how_far_it_is(precision, converted):
    found = proven(converted(network(), precision, [PROFILE]))
    (figures,) = found.record["outputs"]

    assert found.record["proven"] is True
    assert found.record["inputs"] == ("calibration" if precision == "int8" else "drawn")
    assert found.record["against"].startswith("onnxruntime ")
    assert 0 < figures["relative"] < proof.NEAR[precision]
    assert not found.warnings
    assert found.peak_memory_bytes > 1 << 20


def half_lost(store):
    def broken(self, name, values):
        values = np.array(values)
        values[: len(values) // 2] = 0
        return store(self, name, values)

    return broken


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_of_the_weights_that_narrowing_loses_are_missed(precision, converted, monkeypatch):
    monkeypatch.setattr(Rounding, "__call__", half_lost(Rounding.__call__))
    error = refusal_of(converted(network(), precision, [PROFILE]))

    assert f"the conversion to {precision} changed the model: output y is off by" in error.message
    assert f"where weights in {precision} make 0." in error.message
    assert f"ask for {proof.WIDER[precision]}" in error.remedy


def test_half_of_the_levels_that_quantizing_loses_are_missed(converted, monkeypatch):
    whole = levels._Weight.levels

    def broken(self, scales):
        for piece in whole(self, scales):
            yield bytes(len(piece) // 2) + bytes(piece[len(piece) // 2 :])

    monkeypatch.setattr(levels._Weight, "levels", broken)
    assert (
        "the conversion to int8 changed the model: output y"
        in refusal_of(converted(network(), "int8", [PROFILE])).message
    )


def swap(model):
    node = next(node for node in model.graph.node if node.op_type == "Sub")
    first, second = node.input
    node.input[0], node.input[1] = second, first


@PRECISIONS
def test_operands_that_changed_places_are_found(precision, converted):
    assert (
        "output y is off by 200"
        in refusal_of(edited(converted(network(), precision, [PROFILE]), swap)).message
    )


def read_a_scale_of_another(model):
    """Let the second product's weight have the scale of its activations, as where names collide."""
    first, *_, last = (node for node in model.graph.node if node.op_type == "DequantizeLinear")
    scales = {tensor.name: tensor for tensor in model.graph.initializer}
    wrong = (
        numpy_helper.to_array(scales[last.input[1]]) * 0 + numpy_helper.to_array(scales[first.input[1]]).max()
    )
    scales[last.input[1]].CopyFrom(numpy_helper.from_array(wrong.astype(np.float32), last.input[1]))


def test_a_scale_that_is_anothers_is_found(converted):
    task = edited(converted(network(), "int8", [PROFILE]), read_a_scale_of_another)
    assert "the conversion to int8 changed the model" in refusal_of(task).message


def lose_a_row(model):
    """Cut the first row off, as a grid of 1369 tokens does that becomes one of 1368."""
    (end,) = (node for node in model.graph.node if "y" in node.output)
    end.output[0] = "whole"
    for name, value in (("from", 1), ("to", 99)):
        model.graph.initializer.append(numpy_helper.from_array(np.array([value]), name))
    model.graph.node.append(helper.make_node("Slice", ["whole", "from", "to"], ["y"]))
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "rest"


def test_an_output_of_another_shape_is_found(converted):
    error = refusal_of(edited(converted(network(), "bf16", [PROFILE]), lose_a_row))
    assert "output y has shape [1, 64], and the model gives [2, 64]" in error.message


def test_an_output_that_is_missing_is_found(converted):
    def rename(model):
        model.graph.output[0].name = "z"
        model.graph.node.append(helper.make_node("Identity", ["y"], ["z"]))

    assert (
        "output y is missing" in refusal_of(edited(converted(network(), "fp16", [PROFILE]), rename)).message
    )


def test_a_shape_that_depends_on_rounding_says_nothing(converted):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Sub", ["h", "h"], ["zero"]),
        helper.make_node("Add", ["zero", "one"], ["some"]),
        helper.make_node("NonZero", ["some"], ["y"]),
    ]
    one = numpy_helper.from_array(np.ones((1, 64), np.float32), "one")
    model = model_of(
        nodes, {"x": [2, 64]}, {"y": ([2, "n"], TensorProto.INT64)}, weights=[weight("w", 64, 64), one]
    )

    def lose(changed):
        value = next(tensor for tensor in changed.graph.initializer if tensor.name == "one")
        value.CopyFrom(numpy_helper.from_array(np.zeros((1, 64), np.float16), "one"))

    found = proven(edited(converted(model), lose))
    assert found.record["proven"] is False
    assert "depend on values" in found.record["why"]


def overflowing():
    """Sums beyond fp16 that a division brings back."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Exp", ["h"], ["e"]),
        helper.make_node("Log", ["e"], ["y"]),
    ]
    weights = [numpy_helper.from_array(np.full((64, 64), 9.0, np.float32), "w")]
    return model_of(nodes, {"x": [16, 64]}, {"y": [16, 64]}, weights=weights)


def test_what_fp16_does_not_hold_is_the_precisions_fault_and_a_warning(converted, tmp_path):
    found = proven(converted(overflowing()))
    (figures,) = found.record["outputs"]

    assert found.record["proven"] is True
    assert figures["notFinite"] > 0
    assert figures["unrounded"] < proof.NEAR["fp16"]
    assert list(found.warnings) == [{"code": "PrecisionTooNarrow", "count": 1}]
    assert "of output y are not finite in fp16" in (tmp_path / "log").read_text()


def cancelling():
    """The difference of a product and nearly the same one: nothing but what rounding leaves of it."""
    near = numpy_helper.to_array(weight("w", 64, 64))
    other = near + numpy_helper.to_array(weight("w", 64, 64, seed=5)) * np.float32(1e-4)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("MatMul", ["x", "v"], ["g"]),
        helper.make_node("Sub", ["h", "g"], ["d"]),
        helper.make_node("Mul", ["d", "k"], ["y"]),
    ]
    scale = numpy_helper.from_array(np.float32(1e4), "k")
    weights = [weight("w", 64, 64), numpy_helper.from_array(other, "v"), scale]
    return model_of(nodes, {"x": [2, 64]}, {"y": [2, 64]}, weights=weights)


@PRECISIONS
def test_a_model_that_answers_rounding_wildly_is_not_refused(precision, converted):
    found = proven(converted(cancelling(), precision))
    (figures,) = found.record["outputs"]

    assert figures["relative"] > proof.FAR
    assert figures["unrounded"] <= proof.TIMES * figures["roundedWeights"]
    assert list(found.warnings) == [{"code": "PrecisionTooNarrow", "count": 1}]


def test_what_onnxruntime_cannot_run_is_not_proven_and_says_why(converted, tmp_path):
    def foreign(model):
        model.opset_import.append(helper.make_opsetid("own", 1))
        next(node for node in model.graph.node if node.op_type == "Relu").domain = "own"

    found = proven(edited(converted(network(), "fp16", [PROFILE]), foreign))
    assert found.record["proven"] is False
    assert "onnxruntime cannot run the fp16 model" in found.record["why"]
    assert list(found.warnings) == [{"code": "ConversionNotProven", "count": 1}]
    assert f"warning: ConversionNotProven: {found.record['why']}" in (tmp_path / "log").read_text()


def test_a_model_too_large_is_not_run(converted, monkeypatch):
    task = converted(dense(width=128))
    monkeypatch.setattr(proof, "LARGEST", 128 * 128 * 4 - 1)
    monkeypatch.setattr(proof, "Runs", lambda *_: pytest.fail("it was run"))
    assert "of weights, more than" in proven(task).record["why"]


def test_a_model_that_gives_no_number_says_nothing(converted):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Abs", ["h"], ["a"]),
        helper.make_node("Neg", ["a"], ["n"]),
        helper.make_node("Sqrt", ["n"], ["y"]),
    ]
    model = model_of(nodes, {"x": [2, 64]}, {"y": [2, 64]}, weights=[weight("w", 64, 64)])
    assert proven(converted(model)).record["why"] == "the model itself gives no number on these inputs"


def test_the_usual_shapes_are_taken_where_the_model_does_not_run_in_the_smallest(converted):
    nodes = [
        helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[3]),
        helper.make_node("MatMul", ["p", "w"], ["y"]),
    ]
    model = model_of(nodes, {"x": [1, 1, "n"]}, {"y": [1, 1, 64]}, weights=[weight("w", 64, 64)])
    profile = {"x": shape_range([1, 1, 1], [1, 1, 66], [1, 1, 66])}
    assert proven(converted(model, profiles=[profile])).record["proven"] is True


def test_weights_that_an_old_model_lists_as_inputs_are_found(converted):
    model = network()
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(
            helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, list(tensor.dims))
        )
    assert proven(converted(model, profiles=[PROFILE])).record["proven"] is True


def test_masks_beyond_fp16_are_as_good_as_its_lowest_number(converted):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Where", ["seen", "h", "low"], ["y"]),
    ]
    low = numpy_helper.from_array(np.float32(-3.4e38), "low")
    inputs = {"x": [2, 64], "seen": ([2, 64], TensorProto.BOOL)}
    model = model_of(nodes, inputs, {"y": [2, 64]}, weights=[weight("w", 64, 64), low])
    found = proven(converted(model))
    assert found.record["outputs"][0]["relative"] < 0.001
    assert not found.warnings


def test_a_process_that_is_bounded_is_refused_more_memory_than_that():
    script = """
import numpy as np
from ignition_builder.memory import hold_to
hold_to(64 << 20)
np.ones(32 << 20, np.uint8)
try:
    np.ones(1 << 30, np.uint8)
except MemoryError:
    print("refused")
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "refused\n"


def test_a_proof_leaves_the_other_cores_to_the_compiler(converted, monkeypatch):
    asked = []
    real = reference.session_of
    monkeypatch.setattr(reference, "session_of", lambda *given: asked.append(given[2]) or real(*given))
    assert proven(converted(network(), profiles=[PROFILE])).record["proven"]
    assert set(asked) == {1}
