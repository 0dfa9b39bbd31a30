"""What TensorRT cannot take is had otherwise, as the refusal says: beside the engine, or of another model."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.files import Files
from ignition_builder.pipeline import build
from ignition_builder.verifying.session import session_of
from ignition_hub.engine.errors import Reason, RequestError
from smallmodels import model_of, request_for, saved

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")

ML = "ai.onnx.ml"
X = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)


def numbers(name, *shape):
    values = np.random.default_rng(len(name)).standard_normal(shape).astype(np.float32)
    return numpy_helper.from_array(values, name)


def size_of(model, folder, precision="fp32", **more):
    return build(request_for(precision), saved(model, folder), folder, lambda *_: None, **more).size


def refusal_of(model, folder, precision="fp32", reason=Reason.UnsupportedOperator):
    with pytest.raises(RequestError) as caught:
        size_of(model, folder, precision)
    assert caught.value.reason is reason
    return caught.value.remedy


def trees():
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["y"],
        domain=ML,
        n_targets=1,
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[1, 0, 0],
        nodes_values=[0.0, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        target_treeids=[0, 0],
        target_nodeids=[1, 2],
        target_ids=[0, 0],
        target_weights=[-1.0, 1.0],
    )
    return model_of([node], {"x": [2, 4]}, {"y": [2, 1]}, domains=[ML])


def test_trees_run_with_onnxruntime_as_they_are(tmp_path):
    remedy = refusal_of(trees(), tmp_path)
    assert remedy == "it is no neural network: run it with onnxruntime, as it is"

    (found,) = session_of(saved(trees(), tmp_path)).run(None, {"x": X})
    assert found[:, 0].tolist() == [1.0 if value > 0 else -1.0 for value in X[:, 1]]


def scaled():
    """Return a network that has a scaler before it and a threshold behind it."""
    nodes = [
        helper.make_node("Scaler", ["x"], ["s"], domain=ML, offset=[1.0] * 4, scale=[0.5] * 4),
        helper.make_node("MatMul", ["s", "w"], ["h"]),
        helper.make_node("Softmax", ["h"], ["p"]),
        helper.make_node("Binarizer", ["p"], ["y"], domain=ML, threshold=0.3),
    ]
    model = model_of(nodes, {"x": [2, 4]}, {"y": [2, 3]}, weights=[numbers("w", 4, 3)], domains=[ML])
    # ONNX itself tells nothing of what classical operators give (run: 1.23.2).
    model.graph.value_info.append(helper.make_tensor_value_info("s", TensorProto.FLOAT, [2, 4]))
    return model


def test_a_network_alone_builds_and_with_the_rest_around_it_says_the_same(tmp_path):
    remedy = refusal_of(scaled(), tmp_path)
    assert remedy == "export the network alone, and do the rest before or after it"

    whole, value = saved(scaled(), tmp_path, "whole.onnx"), X
    for name, first, last in (("before", "x", "s"), ("alone", "s", "p"), ("after", "p", "y")):
        part = tmp_path / f"{name}.onnx"
        onnx.utils.extract_model(whole, part, [first], [last], check_model=False)
        (value,) = session_of(part).run(None, {first: value})
    assert np.array_equal(value, session_of(whole).run(None, {"x": X})[0])
    assert size_of(onnx.load(tmp_path / "alone.onnx"), tmp_path)


def product(kind):
    weight = numpy_helper.from_array(np.ones((4, 4), dtype=helper.tensor_dtype_to_np_dtype(kind)), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return model_of([node], {"x": ([2, 4], kind)}, {"y": ([2, 4], kind)}, weights=[weight])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_model_in_fp16_builds_in_fp16_and_one_exported_in_fp32_in_any(precision, tmp_path):
    half, single = product(TensorProto.FLOAT16), product(TensorProto.FLOAT)
    remedy = refusal_of(half, tmp_path, precision, Reason.UnsupportedPrecision)
    assert remedy == "ask for fp16, or export the model in fp32"

    assert size_of(half, tmp_path, "fp16")
    assert size_of(single, tmp_path, precision)


def branch(name, *, is_quantized):
    """Return a product in a branch, with Q/DQ nodes before it or without."""
    weight = np.random.default_rng(len(name)).integers(-127, 128, (4, 4)).astype(np.int8)
    scales = {"step": np.float32(0.03), "zero": np.int8(0), "weight": weight}
    weights = [numpy_helper.from_array(np.asarray(value), f"{name}.{key}") for key, value in scales.items()]
    step, zero, whole = (f"{name}.{key}" for key in scales)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", step, zero], [f"{name}.q"]),
        helper.make_node("DequantizeLinear", [f"{name}.q", step, zero], [f"{name}.d"]),
        helper.make_node("DequantizeLinear", [whole, step, zero], [f"{name}.w"]),
        helper.make_node("MatMul", [f"{name}.d", f"{name}.w"], [f"{name}.y"]),
    ]
    if not is_quantized:
        nodes = [helper.make_node("MatMul", ["x", f"{name}.w"], [f"{name}.y"])]
        weights = [numpy_helper.from_array(weight * np.float32(0.03), f"{name}.w")]
    output = helper.make_tensor_value_info(f"{name}.y", TensorProto.FLOAT, [2, 4])
    return helper.make_graph(nodes, name, [], [output], weights)


def branching(*, is_quantized):
    branches = {f"{name}_branch": branch(name, is_quantized=is_quantized) for name in ("then", "else")}
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Greater", ["m", "limit"], ["c"]),
        helper.make_node("If", ["c"], ["y"], **branches),
    ]
    limit = numpy_helper.from_array(np.float32(1), "limit")
    return model_of(nodes, {"x": [2, 4]}, {"y": [2, 4]}, weights=[limit])


def test_a_model_whose_products_lie_in_branches_builds_quantized_before_and_in_fp16(tmp_path):
    np.savez(tmp_path / "samples.npz", x=X)
    request = request_for("int8", options={"calibration": {"method": "max"}})
    files = Files(calibration=tmp_path / "samples.npz")
    model = branching(is_quantized=False)
    with pytest.raises(RequestError, match="its MatMul lie in branches") as caught:
        build(request, saved(model, tmp_path), tmp_path, lambda *_: None, files=files)
    assert caught.value.remedy == "quantize it before pushing, or ask for fp16"

    assert size_of(branching(is_quantized=True), tmp_path, "int8")
    assert size_of(model, tmp_path, "fp16")
