"""Static quantization to int8: what TensorRT needs of it, and that the real one builds it."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from ignition_builder.checking.inspection import load_checked
from ignition_builder.checking.skeleton import load_skeleton
from ignition_builder.checking.weights import is_external, place_of
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.pipeline import build
from ignition_builder.precision.insertion import OPERATORS
from ignition_builder.precision.selection import Came, with_precision
from ignition_builder.verifying.reference import outputs_of
from ignition_builder.verifying.samples import Sample
from ignition_builder.verifying.session import session_of
from ignition_hub.engine.errors import Reason, RequestError
from smallmodels import model_of, read_back, request_for, saved


def network(*, opset=17, width=8):
    """Return a convolution with a normalization, and a matrix product, over a free batch."""
    numbers = np.random.default_rng(0)

    def weight(name, *shape):
        return numpy_helper.from_array(numbers.standard_normal(shape).astype(np.float32) / 3, name)

    positive = numpy_helper.from_array(np.linspace(0.5, 1.5, width, dtype=np.float32), "var")
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "var", "b", "b", "var"], ["n"], name="norm"),
        helper.make_node("Relu", ["n"], ["r"], name="relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("MatMul", ["f", "fc"], ["y"], name="fc"),
    ]
    weights = [weight("w", width, 3, 3, 3), weight("b", width), positive, weight("fc", width, 4)]
    return model_of(nodes, {"x": ["n", 3, 8, 8]}, {"y": ["n", 4]}, weights=weights, opset=opset)


def samples(count=6):
    return np.random.default_rng(1).standard_normal((count, 3, 8, 8)).astype(np.float32)


def calibration(folder, method="entropy"):
    path = folder / "calibration.npz"
    np.savez(path, x=samples())
    return Files(calibration=path), {
        "calibration": {"source": {"uri": "s3://models/x.npz"}, "method": method}
    }


def quantized(model, folder, method="entropy"):
    """Return the model that would be compiled, and what made it."""
    files, options = calibration(folder, method)
    path, work = saved(model, folder), folder / "work"
    work.mkdir()
    inputs = request_for("int8", options=options).inputs
    with Journal(folder / "log") as journal:
        ready = with_precision(
            Came(
                model=load_checked(path),
                path=path,
                inputs=inputs,
                files=files,
                folder=work,
                journal=journal,
            )
        )
    assert {item.name for item in work.iterdir()} == {"int8.onnx", "int8.onnx.data"}
    return read_back(ready.path), ready.converter


@pytest.mark.parametrize(("method", "opset"), [("entropy", 17), ("max", 17), ("entropy", 11)])
def test_weighted_operators_get_symmetric_int8_at_their_inputs_only(method, opset, tmp_path):
    model, converter = quantized(network(opset=opset), tmp_path, method)
    made = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    quantizing = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    back = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}

    assert len(quantizing) == 2
    for node in (*quantizing, *back.values()):
        assert made[node.input[2]].dtype == np.int8
        assert not made[node.input[2]].any()
    for node in model.graph.node:
        if node.op_type in ("Conv", "MatMul"):
            assert set(node.input[:2]) <= back.keys()
            assert made[back[node.input[1]].input[1]].shape == (8 if node.op_type == "Conv" else 4,)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert converter["path"] == "Quantized"
    assert converter["name"] == "ignition-hub"
    assert converter["arguments"]["calibrate_method"] == method
    assert converter["arguments"]["samples"] == 6


def test_weights_that_came_in_fp16_have_a_scale_for_each_channel_too(tmp_path):
    came = network()
    for tensor in came.graph.initializer:
        tensor.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name)
        )
    came.graph.node.insert(0, helper.make_node("Cast", ["x"], ["x16"], to=onnx.TensorProto.FLOAT16))
    came.graph.node[1].input[0] = "x16"
    came.graph.node[-1].output[0] = "y16"
    came.graph.node.append(helper.make_node("Cast", ["y16"], ["y"], to=onnx.TensorProto.FLOAT))
    model, _ = quantized(came, tmp_path)
    made = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}

    stored = [
        node for node in model.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in made
    ]
    assert sorted(made[node.input[1]].shape for node in stored) == [(4,), (8,)]
    assert sum(node.op_type == "QuantizeLinear" for node in model.graph.node) == 2
    data = {"x": samples()}
    expected = outputs_of(saved(came, tmp_path, "came.onnx"), [Sample(0, data)], "it")[0]["y"]
    assert np.abs(expected - session_of(model).run(["y"], data)[0]).max() < 0.05 * np.abs(expected).max()


def test_it_computes_nearly_the_same_under_the_same_names(tmp_path):
    came = network()
    model, _ = quantized(came, tmp_path)
    data = {"x": samples()}
    expected, found = (session_of(one).run(["y"], data)[0] for one in (came, model))

    assert np.abs(expected - found).max() < 0.05 * np.abs(expected).max()
    assert not np.array_equal(expected, found)


def test_external_data_is_read_from_beside_the_model(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(network(width=512), str(path), save_as_external_data=True, location="weights.bin")
    files, options = calibration(tmp_path)
    inputs = request_for("int8", options=options).inputs
    with Journal(tmp_path / "log") as journal:
        ready = with_precision(
            Came(
                model=load_checked(path),
                path=path,
                inputs=inputs,
                files=files,
                folder=tmp_path,
                journal=journal,
            )
        )

    stored = [tensor for tensor in load_skeleton(ready.path).graph.initializer if is_external(tensor)]
    assert [place_of(tensor)[0] for tensor in stored] == ["int8.onnx.data"] * len(stored)
    size = ready.path.with_name("int8.onnx.data").stat().st_size
    assert ready.path.stat().st_size < size < (tmp_path / "weights.bin").stat().st_size
    assert read_back(ready.path).graph.node


class Reader(CalibrationDataReader):
    """Gives onnxruntime's own quantizer the same samples."""

    def __init__(self):
        self._samples = iter(samples())

    def get_next(self):
        values = next(self._samples, None)
        return None if values is None else {"x": values[None]}


def by_onnxruntime(came, folder):
    """Return what onnxruntime's own quantizer makes of a model, asked for the same."""
    prepared, target = folder / "prepared.onnx", folder / "theirs.onnx"
    quant_pre_process(str(came), str(prepared), skip_symbolic_shape=True)
    settings = {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        "CalibTensorRangeSymmetric": True,
        "QuantizeBias": False,
        "QDQDisableWeightAdjustForInt32Bias": True,
        "OpTypesToExcludeOutputQuantization": list(OPERATORS),
    }
    quantize_static(
        str(prepared),
        str(target),
        Reader(),
        op_types_to_quantize=list(OPERATORS),
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        extra_options=settings,
    )
    return onnx.load(target)


def test_scales_and_levels_by_max_are_those_of_onnxruntimes_own_quantizer(tmp_path):
    model, _ = quantized(network(), tmp_path, "max")
    theirs = by_onnxruntime(tmp_path / "model.onnx", tmp_path)
    made, expected = (
        {tensor.name: numpy_helper.to_array(tensor) for tensor in one.graph.initializer}
        for one in (model, theirs)
    )

    assert made.keys() == expected.keys()
    for name, values in expected.items():
        assert made[name].dtype == values.dtype
        assert np.array_equal(made[name], values), name
    assert sorted(node.op_type for node in model.graph.node) == sorted(
        node.op_type for node in theirs.graph.node
    )


def test_a_wild_value_costs_entropy_less_than_max(tmp_path, monkeypatch):
    def with_outlier(count=6):
        values = np.random.default_rng(1).standard_normal((count, 3, 8, 8)).astype(np.float32)
        values[0, 0, 0, 0] = 100
        return values

    monkeypatch.setitem(globals(), "samples", with_outlier)
    data, off = {"x": with_outlier()[1:]}, {}
    expected = session_of(network()).run(["y"], data)[0]
    for method in ("max", "entropy"):
        folder = tmp_path / method
        folder.mkdir()
        model, _ = quantized(network(), folder, method)
        off[method] = np.sqrt(np.mean((session_of(model).run(["y"], data)[0] - expected) ** 2))

    assert off["entropy"] < 0.5 * off["max"]


def test_what_a_model_gives_out_is_not_rounded_for_its_next_layer(tmp_path):
    came = network()
    came.graph.output.append(helper.make_tensor_value_info("f", onnx.TensorProto.FLOAT, ["n", 8]))
    model, _ = quantized(came, tmp_path)
    giving = next(node for node in model.graph.node if "f" in node.output)

    assert giving.op_type == "Flatten"


def test_a_weight_of_two_layers_has_the_channels_of_each(tmp_path):
    numbers = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    numbers[:, 0] *= 30
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], name="flat"),
        helper.make_node("Slice", ["f", "zero", "eight", "one"], ["s"], name="cut"),
        helper.make_node("MatMul", ["s", "w"], ["h"], name="there"),
        helper.make_node("Gemm", ["h", "w"], ["y"], name="back", transB=1),
    ]
    places = [
        numpy_helper.from_array(np.array([at]), name) for name, at in (("zero", 0), ("eight", 8), ("one", 1))
    ]
    weights = [numpy_helper.from_array(numbers, "w"), *places]
    came = model_of(nodes, {"x": ["n", 3, 8, 8]}, {"y": ["n", 8]}, weights=weights)
    model, _ = quantized(came, tmp_path)
    made = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    axes = {
        node.attribute[0].i: made[node.input[1]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.attribute
    }

    assert np.allclose(axes[1], np.abs(numbers).max(0) / 127)
    assert np.allclose(axes[0], np.abs(numbers).max(1) / 127)


def branching(*before, read):
    """Return a model of some nodes and two branches, each with a weight of its own, that read one value."""

    def branch(name):
        node = helper.make_node("MatMul", [read, f"{name}_w"], [f"{name}_y"], name=name)
        weight = numpy_helper.from_array(np.ones((192, 4), np.float32), f"{name}_w")
        output = helper.make_tensor_value_info(f"{name}_y", onnx.TensorProto.FLOAT, ["n", 4])
        return helper.make_graph([node], name, [], [output], [weight])

    weights = [numpy_helper.from_array(np.eye(192, dtype=np.float32), "w")] if before else []
    nodes = [
        helper.make_node("Flatten", ["x"], ["p"], name="flat"),
        helper.make_node("ReduceMax", ["x"], ["m"], name="top", keepdims=0),
        helper.make_node("Cast", ["m"], ["c"], name="any", to=onnx.TensorProto.BOOL),
        helper.make_node("If", ["c"], ["y"], name="if", then_branch=branch("a"), else_branch=branch("b")),
    ]
    nodes[1:1] = before
    return model_of(nodes, {"x": ["n", 3, 8, 8]}, {"y": ["n", 4]}, weights=weights)


def test_a_model_whose_weights_lie_in_branches_is_told_so(tmp_path):
    with pytest.raises(RequestError, match="its MatMul lie in branches or loops"):
        quantized(branching(read="p"), tmp_path)


def test_branches_keep_their_weights_and_read_what_they_read(tmp_path):
    came = branching(helper.make_node("MatMul", ["p", "w"], ["h"], name="fc"), read="h")
    model, _ = quantized(came, tmp_path)
    data = {"x": samples()}
    expected, found = (session_of(one).run(["y"], data)[0] for one in (came, model))

    assert [node.op_type for node in model.graph.node].count("QuantizeLinear") == 1
    assert np.abs(expected - found).max() < 0.05 * np.abs(expected).max()


def test_a_model_without_weights_has_nothing_to_quantize(tmp_path):
    model = model_of(
        [helper.make_node("Relu", ["x"], ["y"], name="r")], {"x": ["n", 3, 8, 8]}, {"y": ["n", 3, 8, 8]}
    )
    with pytest.raises(RequestError, match="nothing to quantize") as caught:
        quantized(model, tmp_path)

    assert caught.value.reason is Reason.UnsupportedPrecision


@pytest.mark.parametrize("method", ["awq_clip", "rtn_dq"])
def test_methods_of_other_tools_are_refused(method, tmp_path):
    with pytest.raises(RequestError, match=method) as caught:
        quantized(network(), tmp_path, method)

    assert caught.value.remedy == "use entropy or max"


def test_the_real_tensorrt_builds_it(tmp_path):
    files, options = calibration(tmp_path)
    model = network()
    del model.graph.input[0].type.tensor_type.shape.dim[0]
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", 1, [1, 3, 8, 8]))
    request = request_for("int8", "sm_89", options=options)
    built = build(request, saved(model, tmp_path), tmp_path, lambda *_: None, files=files)

    assert built.size > 0
    assert built.facts.converter["path"] == "Quantized"
