"""An engine's inputs keep their names: an output that only repeats one is left out, and said to be."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.checking.duplicate_outputs import REMEDY, leave_out_repeated
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.pipeline import build
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.warnings import Warn
from smallmodels import model_of, request_for, saved, shape_range

RELU = helper.make_node("Relu", ["x"], ["y"])
ID = ([2], TensorProto.INT64)
FREE = (["n"], TensorProto.INT64)


def passing(size=2):
    """Return a model that gives its input ``frame_id`` out again."""
    frame = ([size], TensorProto.INT64)
    return model_of([RELU], {"x": [size, 4], "frame_id": frame}, {"y": [size, 4], "frame_id": frame})


def names_of(found):
    """Return the names of an engine's inputs and of its outputs."""
    shown = found.facts.engine_io
    return tuple([item["name"] for item in shown[kind]] for kind in ("inputs", "outputs"))


def left_out(found) -> int:
    """Return how often a build warned of an output that the engine has not."""
    return sum(item["count"] for item in found.facts.warnings if item["code"] == Warn.OutputLeftOut)


def built(model, folder, precision="fp32", **request):
    return build(request_for(precision, **request), saved(model, folder), folder, lambda *_: None)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_an_input_that_is_given_out_keeps_its_name(precision, tmp_path):
    found = built(passing(), tmp_path, precision)

    assert names_of(found) == (["x", "frame_id"], ["y"])
    assert left_out(found) == 1


def test_a_free_dimension_of_such_an_input_is_in_the_profile(tmp_path):
    ranges = {"x": shape_range([1, 4], [2, 4], [8, 4]), "frame_id": shape_range([1], [2], [8])}
    found = built(passing("n"), tmp_path, profiles=[ranges])

    assert names_of(found) == (["x", "frame_id"], ["y"])


def test_an_input_that_is_computed_with_and_given_out_keeps_its_name(tmp_path):
    model = model_of([RELU], {"x": [2, 4]}, {"y": [2, 4], "x": [2, 4]})

    assert names_of(built(model, tmp_path, "fp16")) == (["x"], ["y"])


def test_a_quantized_engine_has_the_same_names(tmp_path):
    weights = [numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")]
    model = model_of(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"x": [2, 4], "frame_id": ID},
        {"y": [2, 4], "frame_id": ID},
        weights=weights,
    )
    samples = tmp_path / "samples.npz"
    np.savez(samples, x=np.ones((2, 4), dtype=np.float32), frame_id=np.ones(2, dtype=np.int64))
    options = {"calibration": {"uri": "s3://b/samples.npz"}}
    found = build(
        request_for("int8", options=options),
        saved(model, tmp_path),
        tmp_path,
        lambda *_: None,
        files=Files(calibration=samples),
    )

    assert names_of(found) == (["x", "frame_id"], ["y"])


def test_the_gate_compares_what_the_engine_gives(tmp_path):
    found = built(passing(), tmp_path, "fp16", verification={"accuracy": {"rtol": 0.01, "atol": 0.01}})

    assert [item["output"] for item in found.facts.accuracy["outputs"]] == ["y"]


def test_a_build_may_be_made_to_fail_on_it(tmp_path):
    with pytest.raises(RequestError, match="warning OutputLeftOut occurred 1 times"):
        built(passing(), tmp_path, options={"failOnWarnings": ["OutputLeftOut"]})


def test_an_output_that_is_listed_twice_is_there_once(tmp_path):
    model = model_of([RELU], {"x": [2, 4]}, {"y": [2, 4]})
    model.graph.output.append(model.graph.output[0])
    found = built(model, tmp_path)

    assert names_of(found) == (["x"], ["y"])
    assert left_out(found) == 1


def test_a_model_that_gives_out_nothing_else_is_refused_and_builds_once_the_remedy_is_applied(tmp_path):
    model = model_of([RELU], {"x": [2, 4]}, {"x": [2, 4]})
    with pytest.raises(RequestError) as caught:
        built(model, tmp_path)
    assert (caught.value.reason, caught.value.remedy) == (Reason.InvalidModel, REMEDY)

    model.graph.node.append(helper.make_node("Identity", ["x"], ["again"]))
    model.graph.output[0].name = "again"
    (tmp_path / "mended").mkdir()
    assert names_of(built(model, tmp_path / "mended")) == (["x"], ["again"])


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_a_weight_and_a_constant_that_are_outputs_stay_outputs(precision, tmp_path):
    constant = numpy_helper.from_array(np.ones(3, dtype=np.float32), "c")
    weight = numpy_helper.from_array(np.ones(3, dtype=np.float32), "w")
    nodes = [RELU, helper.make_node("Constant", [], ["c"], value=constant)]
    model = model_of(nodes, {"x": [2, 4]}, {"y": [2, 4], "w": [3], "c": [3]}, weights=[weight])
    found = built(model, tmp_path, precision)

    assert names_of(found) == (["x"], ["y", "w", "c"])
    assert not left_out(found)


def test_a_weight_that_is_listed_as_an_input_is_no_input(tmp_path):
    weight = numpy_helper.from_array(np.ones(4, dtype=np.float32), "w")
    add = helper.make_node("Add", ["x", "w"], ["y"])
    model = model_of([add], {"x": [4], "w": [4]}, {"y": [4], "w": [4]}, weights=[weight])
    with Journal(tmp_path / "log") as journal:
        assert not leave_out_repeated(model, journal)
    assert not journal.warnings


def test_what_passes_through_an_identity_is_an_output_of_its_own(tmp_path):
    model = passing()
    model.graph.node.append(helper.make_node("Identity", ["frame_id"], ["again"]))
    model.graph.output[1].name = "again"
    found = built(model, tmp_path, "fp16")

    assert names_of(found) == (["x", "frame_id"], ["y", "again"])
    assert not left_out(found)


def test_the_model_that_is_compiled_keeps_everything_else(tmp_path):
    model = passing()
    with Journal(tmp_path / "log") as journal:
        assert leave_out_repeated(model, journal)
    assert dict(journal.warnings) == {Warn.OutputLeftOut: 1}
    onnx.checker.check_model(model, full_check=True)
    assert [item.name for item in model.graph.input] == ["x", "frame_id"]
