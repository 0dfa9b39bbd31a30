"""The precision a model gets: fp16 is converted, what cannot truthfully be called by its name is refused."""

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from ignition_builder.checking.inspection import load_checked
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.pipeline import build
from ignition_builder.precision.selection import Came, with_precision
from ignition_hub.engine.errors import Reason, RequestError
from smallmodels import dense, model_of, read_back, request_for, saved

WIDTH = 128
"""Wide enough that the weights stay in the file."""


def converted(model, precision, folder):
    """Return the model that would be compiled, what converted it, and the warnings."""
    path = saved(model, folder)
    (folder / "work").mkdir()
    with Journal(folder / "log") as journal:
        inputs = request_for(precision).inputs
        ready = with_precision(
            Came(
                model=load_checked(path),
                path=path,
                inputs=inputs,
                files=Files(),
                folder=folder / "work",
                journal=journal,
            )
        )
    return ready.path, ready.converter, journal.warnings


def types_of(model) -> dict[str, int]:
    return {tensor.name: tensor.data_type for tensor in model.graph.initializer}


def refusal_of(model, precision, folder) -> RequestError:
    with pytest.raises(RequestError) as caught:
        converted(model, precision, folder)
    assert caught.value.reason is Reason.UnsupportedPrecision
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_full_precision_compiles_the_file_as_it_came(precision, tmp_path):
    target, converter, _ = converted(dense(), precision, tmp_path)

    assert (target, converter) == (tmp_path / "model.onnx", {"path": "AsIs"})


@pytest.mark.parametrize("width", [32, WIDTH])
def test_fp16_converts_the_weights_and_keeps_inputs_and_outputs(width, tmp_path):
    model = dense(width=width, seed=3)
    target, converter, warned = converted(model, "fp16", tmp_path)
    half = read_back(target)
    onnx.checker.check_model(half, full_check=True)

    assert types_of(half) == {"w": TensorProto.FLOAT16}
    kinds = [value.type.tensor_type.elem_type for value in (*half.graph.input, *half.graph.output)]
    assert kinds == [TensorProto.FLOAT, TensorProto.FLOAT]
    expected = numpy_helper.to_array(model.graph.initializer[0]).astype(np.float16)
    assert np.array_equal(numpy_helper.to_array(half.graph.initializer[0]), expected)
    assert converter["path"] == "Converted"
    assert converter["arguments"]["keep_io_types"] is True
    assert not warned


def test_the_converted_model_computes_the_same_within_fp16(tmp_path):
    model = dense(width=WIDTH)
    half = read_back(converted(model, "fp16", tmp_path)[0])
    data = {"x": np.random.default_rng(1).standard_normal((2, WIDTH)).astype(np.float32)}

    (expected,), (found,) = (ReferenceEvaluator(one).run(None, data) for one in (model, half))

    assert found.dtype == np.float32
    assert np.allclose(found, expected, rtol=5e-3, atol=5e-3)


def test_nodes_without_names_do_not_share_their_casts(tmp_path):
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Sigmoid", ["x"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    half = read_back(converted(model_of(nodes, {"x": [1, 4]}, {"y": [1, 4]}), "fp16", tmp_path)[0])

    onnx.checker.check_model(half, full_check=True)


def test_an_output_that_other_nodes_read_stays_fp16_for_them(tmp_path):
    nodes = [
        helper.make_node("Relu", ["x"], ["seen"], name="first"),
        helper.make_node("MatMul", ["seen", "w"], ["y"], name="second"),
    ]
    weights = [numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")]
    model = model_of(nodes, {"x": [1, 4]}, {"seen": [1, 4], "y": [1, 4]}, weights=weights)
    half = read_back(converted(model, "fp16", tmp_path)[0])

    onnx.checker.check_model(half, full_check=True)
    data = {"x": np.array([[-1, 0, 1, 2]], dtype=np.float32)}
    seen, y = ReferenceEvaluator(half).run(None, data)
    assert seen.tolist() == y.tolist() == [[0, 0, 1, 2]]


def test_weights_beyond_fp16_are_bounded_and_counted(tmp_path):
    model = dense(width=WIDTH)
    values = np.zeros((WIDTH, WIDTH), dtype=np.float32)
    values[0, :5] = [1e6, -1e6, 1e-9, -1e-9, np.inf]
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, "w"))
    target, _, warned = converted(model, "fp16", tmp_path)

    found = numpy_helper.to_array(read_back(target).graph.initializer[0])[0, :6].astype(np.float32)
    assert found[:2].tolist() == [65504.0, -65504.0]
    assert found[2] > 0 > found[3]
    assert found[4] == np.inf
    assert found[5] == 0
    assert warned == {"WeightsTruncated": 1}


def test_a_model_that_is_fp16_already_is_left_alone(tmp_path):
    half = dense()
    values = numpy_helper.to_array(half.graph.initializer[0]).astype(np.float16)
    half.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, "w"))
    for value in (*half.graph.input, *half.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert converted(half, "fp16", tmp_path / "a")[:2] == (tmp_path / "a" / "model.onnx", {"path": "AsIs"})
    assert "weights are fp16" in refusal_of(half, "fp32", tmp_path / "b").message


NUMPY = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16}
ONNX = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}


def stored_as(precision, width):
    """Return two products, the first with ``width`` rows of weights of a type, the second of 64 in fp32."""
    values = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32) / 8
    weights = [
        numpy_helper.from_array(values[:width].astype(NUMPY.get(precision, np.float32)), "v"),
        numpy_helper.from_array(values, "w"),
    ]
    nodes = [
        helper.make_node("Slice", ["x", "zero", "width", "one"], ["piece"], name="slice"),
        helper.make_node("Cast", ["piece"], ["n"], to=ONNX.get(precision, TensorProto.FLOAT), name="in"),
        helper.make_node("MatMul", ["n", "v"], ["p"], name="first"),
        helper.make_node("Cast", ["p"], ["f"], to=TensorProto.FLOAT, name="out"),
        helper.make_node("MatMul", ["f", "w"], ["y"], name="second"),
    ]
    weights += [
        numpy_helper.from_array(np.array([number]), name)
        for name, number in (("zero", 0), ("width", width), ("one", 1))
    ]
    return model_of(nodes, {"x": [2, 64]}, {"y": [2, 64]}, weights=weights)


def wholly(precision):
    """Return a product that is of one type."""
    model = stored_as(precision, 64)
    del model.graph.node[-1]
    model.graph.node[-1].output[0] = "y"
    del model.graph.initializer[1]
    return model


OTHERS = [("fp16", "bf16"), ("bf16", "fp16"), ("fp16", "fp32"), ("bf16", "fp32"), ("bf16", "tf32")]


@pytest.mark.parametrize(("stored", "asked"), OTHERS)
def test_a_model_of_one_narrow_type_is_no_other_and_the_remedies_work(stored, asked, tmp_path):
    for name in ("before", "as stored", "in fp32"):
        (tmp_path / name).mkdir()
    error = refusal_of(wholly(stored), asked, tmp_path / "before")

    assert error.message == f"precision {asked} was asked for, the model's weights are {stored}"
    assert error.remedy == f"ask for {stored}, or export the model in fp32"
    assert converted(wholly(stored), stored, tmp_path / "as stored")[1] == {"path": "AsIs"}
    assert not converted(wholly("fp32"), asked, tmp_path / "in fp32")[2]


@pytest.mark.parametrize(("stored", "asked"), OTHERS)
def test_a_model_with_some_weights_of_another_narrow_type_is_converted_with_a_warning(
    stored, asked, tmp_path
):
    target, _, warned = converted(stored_as(stored, 16), asked, tmp_path)
    types = types_of(read_back(target))

    assert warned == {"MixedPrecision": 1}
    assert (types["v"], types["w"]) == (ONNX[stored], ONNX.get(asked, TensorProto.FLOAT))


def test_one_number_in_fp32_does_not_make_an_fp16_model_another(tmp_path):
    model = wholly("fp16")
    model.graph.node.append(helper.make_node("Add", ["y", "tiny"], ["z"], name="add"))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1e-6), "tiny"))
    model.graph.output[0].name = "z"

    for asked in ("bf16", "fp32"):
        (tmp_path / asked).mkdir()
        assert "weights are fp16" in refusal_of(model, asked, tmp_path / asked).message


def test_a_model_without_weights_is_of_the_type_of_its_inputs(tmp_path):
    half = ([2], TensorProto.FLOAT16)
    model = model_of([helper.make_node("Sigmoid", ["x"], ["y"], name="s")], {"x": half}, {"y": half})

    assert "fp16" in refusal_of(model, "bf16", tmp_path).message


@pytest.mark.parametrize("asked", ["bf16", "fp16"])
def test_the_real_tensorrt_builds_what_has_both_narrow_types(asked, tmp_path):
    stored = {"bf16": "fp16", "fp16": "bf16"}[asked]
    path = saved(stored_as(stored, 16), tmp_path)

    assert build(request_for(asked, "sm_89"), path, tmp_path, lambda *_: None).size > 0


@pytest.mark.parametrize("precision", ["int8", "fp8", "int4", "fp4"])
def test_a_precision_the_model_does_not_bring_is_refused(precision, tmp_path):
    assert precision in refusal_of(dense(), precision, tmp_path).message


def test_a_quantized_model_is_compiled_as_it_came(tmp_path):
    weights = [
        numpy_helper.from_array(np.array(0.1, dtype=np.float32), "scale"),
        numpy_helper.from_array(np.array(0, dtype=np.int8), "zero"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], name="q"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], name="dq"),
    ]
    model = model_of(nodes, {"x": [1, 4]}, {"y": [1, 4]}, weights=weights)

    assert converted(model, "int8", tmp_path)[1] == {"path": "AsIs"}


def test_many_weights_are_moved_into_a_file_that_can_be_mapped(tmp_path):
    model = dense(width=3000)
    target, converter, _ = converted(model, "fp32", tmp_path)

    assert target.parent == tmp_path / "work"
    assert target.stat().st_size < 4096
    assert converter == {"path": "AsIs"}
    moved = read_back(target)
    assert numpy_helper.to_array(moved.graph.initializer[0]).tobytes() == model.graph.initializer[0].raw_data


def test_a_graph_the_converter_cannot_read_is_a_typed_refusal(tmp_path, monkeypatch):
    monkeypatch.setattr("ignition_builder.precision.conversion.narrow_model", lambda *_: {}["no such node"])

    assert "KeyError: 'no such node'" in refusal_of(dense(), "fp16", tmp_path).message


def convolution():
    """Return a network that needs a newer opset to be bf16."""
    weights = [numpy_helper.from_array(np.full((4, 3, 3, 3), 0.1, dtype=np.float32), "w")]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("Relu", ["c"], ["y"], name="act"),
    ]
    return model_of(nodes, {"x": [1, 3, 8, 8]}, {"y": [1, 4, 6, 6]}, weights=weights)


@pytest.mark.parametrize("arch", ["sm_80", "sm_86", "sm_89", "sm_120"])
def test_the_real_tensorrt_builds_what_was_converted_to_bf16(arch, tmp_path):
    path = saved(convolution(), tmp_path)
    built = build(request_for("bf16", arch), path, tmp_path, lambda *_: None)

    assert built.size > 0
    assert built.facts.converter["arguments"]["opset"] == {"from": 17, "to": 22}


def test_the_real_tensorrt_has_no_bf16_before_ampere(tmp_path):
    path = saved(convolution(), tmp_path)
    with pytest.raises(RequestError) as caught:
        build(request_for("bf16", "sm_75"), path, tmp_path, lambda *_: None)

    assert caught.value.reason is Reason.UnsupportedPrecision
