"""Quantized models: what TensorRT would not compute as it says is refused by name, and so is another type."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.checking.inspection import load_checked
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.precision.quantized import quantization_of
from ignition_builder.precision.selection import Came, with_precision
from ignition_hub.engine.errors import Reason, RequestError
from smallmodels import dense, model_of, request_for, saved

OLD = {"flavor": "TensorRT", "version": "10.3.0.26"}
"""A TensorRT that chooses types itself."""


def quantized(kind=TensorProto.INT8, zero=0, scale=0.1, *, opset=21, scales=None):
    """Return a model that quantizes its input to ``kind`` and back."""
    many = [] if scales is None else [len(scales)]
    weights = [
        helper.make_tensor("scale", TensorProto.FLOAT, many, scales or [scale]),
        helper.make_tensor("zero", kind, many, [zero] * (len(scales) if scales else 1)),
    ]
    axis = {} if scales is None else {"axis": 1}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], name="first", **axis),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], name="second", **axis),
    ]
    return model_of(nodes, {"x": [1, 4]}, {"y": [1, 4]}, weights=weights, opset=opset)


def ready(model, precision, folder, files=None, **request):
    path = saved(model, folder)
    inputs = request_for(precision, **request).inputs
    with Journal(folder / "log") as journal:
        found = with_precision(
            Came(
                model=load_checked(path),
                path=path,
                inputs=inputs,
                files=files or Files(),
                folder=folder,
                journal=journal,
            )
        )
    return found, journal.warnings


def refusal(model, precision, folder, reason=Reason.UnsupportedPrecision, **more) -> RequestError:
    with pytest.raises(RequestError) as caught:
        ready(model, precision, folder, **more)
    assert caught.value.reason is reason
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    ("kind", "precision"),
    [(TensorProto.INT8, "int8"), (TensorProto.FLOAT8E4M3FN, "fp8"), (TensorProto.INT4, "int4")],
)
def test_a_model_quantized_as_asked_is_compiled_as_it_came(kind, precision, tmp_path):
    found, warned = ready(quantized(kind), precision, tmp_path)

    assert found.path == tmp_path / "model.onnx"
    assert found.converter == {"path": "AsIs"}
    assert not warned


def test_scales_per_channel_are_taken(tmp_path):
    assert ready(quantized(scales=[0.1, 0.2, 0.3, 0.4]), "int8", tmp_path)[0].converter == {"path": "AsIs"}


def test_one_zero_point_of_many_that_is_not_zero_is_refused(tmp_path):
    model = quantized(scales=[0.1, 0.2, 0.3, 0.4])
    zero = next(tensor for tensor in model.graph.initializer if tensor.name == "zero")
    zero.CopyFrom(helper.make_tensor("zero", TensorProto.INT8, [4], [0, 0, 5, 0]))

    assert "its zero point is 5" in refusal(model, "int8", tmp_path).message


def test_the_type_that_a_dequantizer_gives_is_not_the_type_it_reads(tmp_path):
    model = quantized(opset=23)
    model.graph.node[1].attribute.append(helper.make_attribute("output_dtype", TensorProto.FLOAT))

    assert ready(model, "int8", tmp_path)[0].converter == {"path": "AsIs"}


def test_a_model_quantized_to_another_type_is_refused_by_both_names(tmp_path):
    error = refusal(quantized(), "fp8", tmp_path)

    assert error.message == "precision fp8 was requested, but the model is quantized to int8"
    assert "ask for int8" in error.remedy
    assert "ModelOpt" in error.remedy


def test_uint8_is_refused_because_tensorrt_would_read_it_as_int8(tmp_path):
    error = refusal(quantized(TensorProto.UINT8), "int8", tmp_path)

    assert error.message == "node first (QuantizeLinear) quantizes to UINT8, which TensorRT would not keep"
    assert "QInt8" in error.remedy


def test_a_quantization_without_a_type_is_uint8_as_onnx_says(tmp_path):
    model = quantized()
    del model.graph.node[0].input[2]
    model.graph.node[0].output[0] = "unread"
    model.graph.node[1].input[0] = "whole"
    model.graph.initializer.append(helper.make_tensor("whole", TensorProto.INT8, [1, 4], [0, 1, 2, 3]))

    assert "UINT8" in refusal(model, "int8", tmp_path).message


@pytest.mark.parametrize("precision", ["int8", "fp32", "fp16"])
def test_zero_points_other_than_zero_are_refused_whatever_is_asked(precision, tmp_path):
    error = refusal(quantized(zero=3), precision, tmp_path)

    assert "node first (QuantizeLinear): its zero point is 3" in error.message
    assert "ActivationSymmetric" in error.remedy


def test_every_kind_of_finding_is_told_at_once_and_each_once(tmp_path):
    model = quantized(TensorProto.UINT8, zero=128, scale=float("inf"))
    model.graph.initializer.append(helper.make_tensor("bias", TensorProto.INT32, [4], [1, 2, 3, 4]))
    model.graph.node.append(helper.make_node("DequantizeLinear", ["bias", "scale"], ["b"], name="third"))
    error = refusal(model, "int8", tmp_path)

    assert error.message == (
        "node first (QuantizeLinear) quantizes to UINT8, which TensorRT would not keep; "
        "node first (QuantizeLinear): its zero point is 128, and TensorRT quantizes symmetrically; "
        "node first (QuantizeLinear): its scale has values that are not positive and finite; "
        "node third (DequantizeLinear) quantizes to INT32, which TensorRT would not keep"
    )
    assert error.remedy.count("ActivationSymmetric") == 1
    assert all(
        words in error.remedy for words in ("QInt8", "calibrate the model again", "QuantizeBias False")
    )


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_no_scale_is_refused(scale, tmp_path):
    assert "node first" in refusal(quantized(scale=scale), "int8", tmp_path).message


def test_a_quantized_bias_is_refused_with_the_quantizers_option(tmp_path):
    weights = [
        numpy_helper.from_array(np.array([1, 2], dtype=np.int32), "bias"),
        numpy_helper.from_array(np.float32(0.5), "scale"),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["bias", "scale"], ["b"], name="dq"),
        helper.make_node("Add", ["x", "b"], ["y"], name="add"),
    ]
    error = refusal(model_of(nodes, {"x": [2]}, {"y": [2]}, weights=weights), "int8", tmp_path)

    assert "INT32" in error.message
    assert "QuantizeBias" in error.remedy


def blocks(weight, scale, *, twice=False, own=""):
    """
    Return a product with a weight in blocks of 16, whose scales are quantized too; ``twice`` gives a second
    product with a weight in the scales' type; ``own`` is the operator that gives the scales back.
    """
    weights = [
        helper.make_tensor("w", weight, [64, 32], [1.0] * 2048),
        helper.make_tensor("small", scale, [4, 32], [1] * 128),
        helper.make_tensor("large", TensorProto.FLOAT, [], [0.05]),
    ]
    nodes = [
        helper.make_node(own or "DequantizeLinear", ["small", "large"], ["s"], name="scales"),
        helper.make_node("Abs", ["s"], ["scale"], name="abs"),
        helper.make_node("DequantizeLinear", ["w", "scale"], ["v"], axis=0, block_size=16, name="weights"),
        helper.make_node("MatMul", ["x", "v"], ["y"], name="product"),
    ]
    if own:
        nodes[0].domain = "trt"
    outputs = {"y": [8, 32]}
    if twice:
        nodes += [
            helper.make_node("DequantizeLinear", ["u", "large"], ["other"], name="second weights"),
            helper.make_node("Transpose", ["other"], ["t"], name="turned"),
            helper.make_node("MatMul", ["x", "t"], ["z"], name="second"),
        ]
        weights.append(helper.make_tensor("u", scale, [4, 64], [1] * 256))
        outputs["z"] = [8, 4]
    return model_of(nodes, {"x": [8, 64]}, outputs, weights=weights, opset=23, domains=["trt"] if own else [])


BLOCKS = {
    "fp4 with fp8 scales": ("fp4", "fp8", TensorProto.FLOAT4E2M1, TensorProto.FLOAT8E4M3FN),
    "int4 with int8 scales": ("int4", "int8", TensorProto.INT4, TensorProto.INT8),
    "int4 with fp8 scales": ("int4", "fp8", TensorProto.INT4, TensorProto.FLOAT8E4M3FN),
}


@pytest.mark.parametrize(("has", "wrong", "weight", "scale"), BLOCKS.values(), ids=BLOCKS)
def test_scales_of_blocks_are_not_what_a_model_is_quantized_to(has, wrong, weight, scale, tmp_path):
    error = refusal(blocks(weight, scale), wrong, tmp_path)

    assert error.message == f"precision {wrong} was requested, but the model is quantized to {has}"
    assert f"ask for {has}, or" in error.remedy
    assert ready(blocks(weight, scale), has, tmp_path)[0].converter == {"path": "AsIs"}


def test_scales_that_nvidias_own_operator_gives_back_are_not_either():
    model = blocks(TensorProto.FLOAT4E2M1, TensorProto.FLOAT8E4M3FN, own="TRT_FP8DequantizeLinear")

    assert quantization_of(model) == {"fp4"}


@pytest.mark.parametrize(("has", "other", "weight", "scale"), BLOCKS.values(), ids=BLOCKS)
def test_a_model_quantized_to_two_types_is_either_with_a_warning(has, other, weight, scale, tmp_path):
    for precision in (has, other):
        assert ready(blocks(weight, scale, twice=True), precision, tmp_path)[1] == {"MixedPrecision": 1}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_quantized_model_under_another_name_is_a_warning(precision, tmp_path):
    assert ready(quantized(), precision, tmp_path)[1] == {"MixedPrecision": 1}


@pytest.mark.parametrize("precision", ["fp8", "int4", "fp4"])
def test_what_needs_another_tool_names_it(precision, tmp_path):
    assert "ModelOpt" in refusal(dense(), precision, tmp_path).remedy


def test_a_calibrators_cache_is_refused_where_types_are_strong(tmp_path):
    cache = tmp_path / "int8.cache"
    cache.write_bytes(b"TRT-8601-EntropyCalibration2\nx: 3c010a14\n")
    error = refusal(dense(), "int8", tmp_path, Reason.UnsupportedOption, files=Files(calibration=cache))

    assert "TensorRT-RTX 1.7.1.116 builds strongly typed" in error.message
    assert ".npz" in error.remedy


def test_calibration_that_nothing_would_use_is_refused(tmp_path):
    files = Files(calibration=tmp_path / "data.npz")
    for model, precision in ((quantized(), "int8"), (dense(), "fp16"), (dense(), "fp32")):
        error = refusal(model, precision, tmp_path, Reason.UnsupportedOption, files=files)
        assert "nothing is calibrated" in error.message


class TestWeakTyping:
    """Before TensorRT 10.12 types are chosen below flags, and the model stays as it came."""

    @pytest.mark.parametrize("precision", ["fp16", "bf16"])
    def test_the_flag_is_the_way(self, precision, tmp_path):
        found, _ = ready(dense(), precision, tmp_path, **OLD)

        assert found.path == tmp_path / "model.onnx"
        assert found.typing == "Weak"
        assert found.converter == {"path": "Flags", "arguments": {"flags": [precision.upper()]}}

    def test_a_quantized_model_stays_as_it_came(self, tmp_path):
        assert ready(quantized(), "int8", tmp_path, **OLD)[0].converter == {"path": "AsIs"}

    def test_a_cache_of_a_calibrator_is_used_by_one(self, tmp_path):
        cache = tmp_path / "int8.cache"
        cache.write_bytes(b"TRT-8601-EntropyCalibration2\nx: 3c010a14\n")
        found, _ = ready(dense(), "int8", tmp_path, Files(calibration=cache), **OLD)

        assert found.path == tmp_path / "model.onnx"
        assert found.converter["path"] == "Calibrator"

    def test_from_10_12_types_are_strong(self, tmp_path):
        found, _ = ready(dense(), "fp16", tmp_path, flavor="TensorRT", version="10.12.0.36")

        assert found.typing == "Strong"
        assert found.converter["path"] == "Converted"


def test_tf32_before_ampere_is_a_warning(tmp_path):
    assert ready(dense(), "tf32", tmp_path, arch="sm_75")[1] == {"Tf32NotInForce": 1}
    assert not ready(dense(), "tf32", tmp_path, arch="sm_80")[1]


def test_every_double_is_counted(tmp_path):
    weights = [numpy_helper.from_array(np.array([1.0, 2.0]), "w")]
    nodes = [helper.make_node("Add", ["x", "w"], ["y"], name="add")]
    double = ([2], TensorProto.DOUBLE)
    model = model_of(nodes, {"x": double}, {"y": double}, weights=weights)

    assert ready(model, "fp32", tmp_path)[1] == {"DoubleNarrowed": 3}


def test_a_model_that_is_mostly_fp16_keeps_what_its_author_left_in_fp32(tmp_path):
    weights = [
        numpy_helper.from_array(np.ones((8, 8), dtype=np.float16), "w"),
        numpy_helper.from_array(np.ones(2, dtype=np.float32), "exact"),
    ]
    half = ([8, 8], TensorProto.FLOAT16)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], name="mul"),
        helper.make_node("Relu", ["exact"], ["z"], name="relu"),
    ]
    found, warned = ready(
        model_of(nodes, {"x": half}, {"y": half, "z": [2]}, weights=weights), "fp16", tmp_path
    )

    assert found.converter == {"path": "AsIs"}
    assert warned == {"MixedPrecision": 1}
