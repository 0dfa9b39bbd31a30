"""Models that TensorRT's parser would swallow are refused with a reason; large weights stay in the file."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from ignition_builder.checking.inspection import facts_of, inputs_of, load_checked
from ignition_builder.checking.skeleton import LARGE, load_skeleton
from ignition_builder.checking.weights import is_external, place_of
from ignition_hub.engine.errors import Reason, RequestError
from smallmodels import OPSET, dense, model_of, saved


def refusal_of(path) -> RequestError:
    with pytest.raises(RequestError) as caught:
        load_checked(path)
    return caught.value


def relu(**options):
    return model_of([helper.make_node("Relu", ["x"], ["y"], name="act")], {"x": [1]}, {"y": [1]}, **options)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is not an ONNX model ("),
        (b"hello, this is no model", "the file is not an ONNX model ("),
        (b"\x3a\xff\xff\xff\xff\x0f", "the file is not an ONNX model ("),
        (b"\x08\x08", "the ONNX checker refuses the model: "),
    ],
)
def test_what_is_not_onnx_is_called_so(content, said, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)

    error = refusal_of(path)

    assert (error.reason, error.exit_code) == (Reason.InvalidModel, 10)
    assert error.message.startswith(said)


def test_a_model_that_was_cut_is_refused(tmp_path):
    path = saved(dense(width=128), tmp_path)
    path.write_bytes(path.read_bytes()[:-40])

    assert refusal_of(path).reason is Reason.InvalidModel


def test_a_model_without_layers_is_refused(tmp_path):
    error = refusal_of(saved(model_of([], {"x": [1]}, {"x": [1]}), tmp_path))

    assert (error.reason, error.message) == (Reason.InvalidModel, "the model has no layers")


def test_a_model_without_outputs_is_refused(tmp_path):
    model = relu()
    del model.graph.output[:]

    assert refusal_of(saved(model, tmp_path)).reason is Reason.InvalidModel


def test_an_opset_from_the_future_is_refused(tmp_path):
    error = refusal_of(saved(relu(opset=99), tmp_path))

    assert error.reason is Reason.InvalidModel
    assert "opset 99" in error.message
    assert str(onnx.defs.onnx_opset_version()) in error.remedy


def test_an_unknown_operator_is_named_with_its_node(tmp_path):
    node = helper.make_node("Frobnicate", ["x"], ["y"], name="middle")
    error = refusal_of(saved(model_of([node], {"x": [1]}, {"y": [1]}), tmp_path))

    assert (error.reason, error.exit_code) == (Reason.UnsupportedOperator, 11)
    assert error.message == f"node middle: ONNX opset {OPSET} has no operator Frobnicate"


def test_what_the_checker_refuses_is_quoted(tmp_path):
    node = helper.make_node("Relu", ["nowhere"], ["y"], name="act")
    error = refusal_of(saved(model_of([node], {"x": [1]}, {"y": [1]}), tmp_path))

    assert error.reason is Reason.InvalidModel
    assert "nowhere" in error.message


@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "missing.bin", "link.bin", ""])
def test_external_data_that_is_not_beside_the_model_is_refused(location, tmp_path):
    (tmp_path.parent / "secret").write_bytes(b"0" * (64 * 64 * 4))
    (tmp_path / "link.bin").symlink_to(tmp_path.parent / "secret")
    model = dense()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)

    error = refusal_of(saved(model, tmp_path))

    assert error.reason is Reason.InvalidModel
    assert "tensor w" in error.message


def test_weights_shorter_than_their_shape_are_refused(tmp_path):
    model = dense(width=128)
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]

    error = refusal_of(saved(model, tmp_path))

    assert error.reason is Reason.InvalidModel
    assert "tensor w: its shape [128, 128] needs 65536 bytes, 65532 are there" in error.message


def test_large_weights_stay_in_the_file_where_they_were(tmp_path):
    whole = dense(width=128)
    path = saved(whole, tmp_path)

    (weight,) = load_checked(path).graph.initializer

    name, offset = place_of(weight)
    assert (is_external(weight), name) == (True, "model.onnx")
    raw = whole.graph.initializer[0].raw_data
    assert path.read_bytes()[offset : offset + len(raw)] == raw


def test_a_model_with_small_weights_is_read_as_it_is(tmp_path):
    whole = dense(width=32)
    assert len(whole.graph.initializer[0].raw_data) < LARGE

    assert load_skeleton(saved(whole, tmp_path)) == whole


def test_everything_but_the_weights_survives(tmp_path):
    whole = dense(width=128)
    whole.metadata_props.add(key="author", value="somebody")
    whole.graph.initializer.append(numpy_helper.from_array(np.arange(3), "small"))
    found = load_skeleton(saved(whole, tmp_path))
    for model in (found, whole):
        model.graph.initializer[0].Clear()

    assert found == whole


def test_weights_listed_as_inputs_are_not_asked_for(tmp_path):
    model = dense(batch="n")
    model.graph.input.append(helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [64, 64]))

    (data,) = inputs_of(load_checked(saved(model, tmp_path)))

    assert (data.name, data.dtype, data.shape, data.dynamic) == ("x", "float", ("n", 64), True)


def test_the_facts_are_opset_inputs_and_outputs(tmp_path):
    assert facts_of(load_checked(saved(dense(batch="n"), tmp_path))) == {
        "opset": OPSET,
        "inputs": [{"name": "x", "dtype": "float", "shape": ["n", 64]}],
        "outputs": [{"name": "y", "dtype": "float", "shape": ["n", 64]}],
    }
