"""A model in a newer opset is the same model, and where it would not be, it is not raised."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from conversions import Converted, floats, node
from ignition_builder.checking.inspection import load_checked
from ignition_builder.journal import Journal
from ignition_builder.precision.floats import BRAIN, HALF
from ignition_builder.precision.opset_raising import CHANGED, NotRaisedError, raised
from ignition_builder.precision.quantize import quantize
from ignition_builder.verifying.emulation import ENGINES
from ignition_builder.verifying.reference import outputs_of
from ignition_builder.verifying.samples import Sample
from ignition_builder.verifying.session import session_of
from ignition_hub.engine.errors import Reason, RequestError
from smallmodels import model_of, saved

SHAPE = [2, 4, 8, 8]
NUMBERS = np.random.default_rng(0)
X = NUMBERS.standard_normal(SHAPE).astype(np.float32)


def integers(name, *values):
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def only(operator, opset, *weights, **attributes):
    """Return a model of one node that reads ``x`` and the weights."""
    inputs = ["x", *(tensor.name for tensor in weights)]
    made = node(operator, inputs, ["y"], **attributes)
    return model_of([made], {"x": SHAPE}, {"y": None}, weights=weights, opset=opset)


def in_a_branch(operator, opset, *weights, **attributes):
    """Return a model with the node in both branches of an If."""
    inputs = ["x", *(tensor.name for tensor in weights)]
    branches = {
        branch: helper.make_graph(
            [node(operator, inputs, [branch], **attributes)],
            branch,
            [],
            [helper.make_tensor_value_info(branch, TensorProto.FLOAT, None)],
        )
        for branch in ("then_branch", "else_branch")
    }
    weights = [*weights, numpy_helper.from_array(np.array(True), "flag")]
    return model_of(
        [node("If", ["flag"], ["y"], **branches)], {"x": SHAPE}, {"y": None}, weights=weights, opset=opset
    )


def scales(*values):
    return floats("s", *values)


VECTOR = floats("v", 0.5, 1, 1.5, 2)
ROWS = {
    "Upsample-7 linear": only("Upsample", 7, mode="linear", scales=[1.0, 1, 2, 2]),
    "Upsample-9 linear": only("Upsample", 9, scales(1, 1, 2, 2), mode="linear"),
    "Upsample-9 nearest": only("Upsample", 9, scales(1, 1, 1.7, 1.7), mode="nearest"),
    "Resize-10 linear": only("Resize", 10, scales(1, 1, 2, 1.7), mode="linear"),
    "Resize-10 linear, smaller": only("Resize", 10, scales(1, 1, 0.6, 0.6), mode="linear"),
    "Resize-10 nearest": only("Resize", 10, scales(1, 1, 1.7, 2)),
    "Resize-10 in a branch": in_a_branch("Resize", 10, scales(1, 1, 2, 2), mode="linear"),
    "Resize-11": only("Resize", 11, floats("roi"), scales(1, 1, 1.7, 1.7), mode="linear"),
    "Softmax-11": only("Softmax", 11, axis=1),
    "Softmax-11 in a branch": in_a_branch("Softmax", 11, axis=2),
    "LogSoftmax-11": only("LogSoftmax", 11),
    "Clip-6": only("Clip", 10, min=-0.5, max=0.5),
    "Pad-2": only("Pad", 10, pads=[0, 0, 1, 1, 0, 0, 2, 2], value=1.5),
    "Slice-1": only("Slice", 9, starts=[1, 2], ends=[3, 100], axes=[1, 2]),
    "Split-2": only("Split", 11, axis=1, split=[4]),
    "Unsqueeze-11": only("Unsqueeze", 11, axes=[-1, 0]),
    "Unsqueeze-11 in a branch": in_a_branch("Unsqueeze", 11, axes=[0]),
    "ReduceMean-1": only("ReduceMean", 9, axes=[2, 3], keepdims=0),
    "ReduceSum-11": only("ReduceSum", 11, axes=[-1]),
    "BatchNormalization-7": only(
        "BatchNormalization", 7, VECTOR, *(floats(n, 1, 2, 3, 4) for n in "bmw"), epsilon=0.1
    ),
    "Dropout-7": only("Dropout", 9, ratio=0.9),
    "AveragePool-10": only("AveragePool", 10, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "LpPool-11": only("LpPool", 11, kernel_shape=[3, 3], strides=[2, 2]),
    "InstanceNormalization-6": only("InstanceNormalization", 7, VECTOR, floats("b", 1, 2, 3, 4)),
    "GridSample-16": only(
        "GridSample", 16, floats("g", *NUMBERS.uniform(-1, 1, (2, 3, 3, 2))), mode="bilinear"
    ),
    "DepthToSpace-1": only("DepthToSpace", 10, blocksize=2),
}


def computed(model):
    return session_of(model).run(["y"], {"x": X})[0]


def newer(row):
    return [opset for opset in (13, 22) if opset > ROWS[row].opset_import[0].version]


@pytest.mark.parametrize(("row", "opset"), [(row, opset) for row in ROWS for opset in newer(row)])
def test_a_model_in_a_newer_opset_computes_the_same(row, opset):
    expected, found = computed(ROWS[row]), computed(raised(ROWS[row], opset))

    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5


NOT_RAISED = {
    "a Hardmax": (only("Hardmax", 11, axis=1), r"node Hardmax-y \(Hardmax\)"),
    "a Hardmax in a branch": (in_a_branch("Hardmax", 11, axis=1), r"node Hardmax-else_branch \(Hardmax\)"),
    "a Resize to fewer values": (only("Resize", 10, scales(1, 1, 0.6, 0.6)), "opset 10 does not say which"),
    "a GroupNormalization": (
        only("GroupNormalization", 18, floats("v", 1, 2), floats("b", 1, 2), num_groups=2),
        "something else from opset 21 on",
    ),
    "an opset that nothing runs": (only("Relu", 6), "nothing can run opset 6"),
}


@pytest.mark.parametrize(("model", "words"), NOT_RAISED.values(), ids=NOT_RAISED)
def test_a_model_that_would_be_another_is_not_raised(model, words):
    with pytest.raises(NotRaisedError, match=words):
        raised(model, 22)


def test_a_model_is_raised_up_to_where_an_operator_changes(tmp_path, monkeypatch):
    monkeypatch.setitem(CHANGED, "Neg", 20)
    found = Converted(only("Neg", 11), tmp_path, BRAIN)

    assert found.record["arguments"]["opset"] == {"from": 11, "to": 19}


def classifier(opset):
    """Return a product whose largest row is marked along the last axis, which all opsets agree on."""
    nodes = [node("MatMul", ["x", "w"], ["c"]), node("Hardmax", ["c"], ["y"], axis=-1)]
    weight = numpy_helper.from_array(NUMBERS.standard_normal((8, 4)).astype(np.float32), "w")
    return model_of(nodes, {"x": [3, 8]}, {"y": [3, 4]}, weights=[weight], opset=opset)


def test_bf16_of_what_cannot_be_raised_is_refused_and_the_remedy_works(tmp_path):
    with pytest.raises(RequestError, match=r"Hardmax-y \(Hardmax\)") as caught:
        Converted(classifier(11), tmp_path, BRAIN)

    assert caught.value.reason is Reason.UnsupportedPrecision
    assert "export the model with opset 13 or newer, or ask for fp16" in caught.value.remedy
    for name, opset, narrow in (("newer", 13, BRAIN), ("half", 11, HALF)):
        (tmp_path / name).mkdir()
        found = Converted(classifier(opset), tmp_path / name, narrow)
        assert found.types["w"] == narrow.type


def quantized(model, folder):
    folder.mkdir()
    np.savez(folder / "calibration.npz", x=np.ones((2, 3, 8), dtype=np.float32))
    path = saved(model, folder)
    with Journal(folder / "log") as journal:
        return quantize(
            load_checked(path), path, folder / "calibration.npz", "max", folder=folder, journal=journal
        )


def test_int8_of_what_cannot_be_raised_is_refused_and_the_remedy_works(tmp_path):
    with pytest.raises(RequestError, match=r"Hardmax-y \(Hardmax\)") as caught:
        quantized(classifier(11), tmp_path / "before")

    assert "export the model with opset 13 or newer" in caught.value.remedy
    assert quantized(classifier(13), tmp_path / "after")


@pytest.mark.parametrize("row", [row for row in ROWS if row.startswith(("Upsample", "Resize-10"))])
def test_an_old_resize_in_bf16_samples_as_it_did(row, tmp_path):
    # With an operator beside it for whose sake the opset is raised.
    model = onnx.ModelProto()
    model.CopyFrom(ROWS[row])
    model.graph.node.append(node("Neg", ["x"], ["n"]))
    model.graph.output.append(helper.make_tensor_value_info("n", TensorProto.FLOAT, SHAPE))
    made = Converted(model, tmp_path, BRAIN)
    path = saved(made.model, tmp_path, "whole.onnx")
    found = outputs_of(path, [Sample(0, {"x": X})], "it", ENGINES)[0]["y"]

    assert made.record["arguments"]["opset"]["to"] == 22
    assert np.abs(found - computed(ROWS[row])).max() < 0.05
