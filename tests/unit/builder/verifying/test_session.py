"""onnxruntime computes what the graph says, with or without the instructions of the CPU it runs on."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.checking.inspection import load_checked
from ignition_builder.journal import Journal
from ignition_builder.precision.quantize import METHODS, quantize
from ignition_builder.verifying import session
from ignition_builder.verifying.reference import outputs_of
from ignition_builder.verifying.samples import Sample
from ignition_builder.verifying.session import EXACT, session_of
from ignition_hub.engine.errors import RequestError
from smallmodels import dense, model_of, saved

ACTIVATIONS = pytest.mark.parametrize("activations", [np.uint8, np.int8])
OPERATORS = pytest.mark.parametrize("operator", ["MatMul", "Conv"])


def quantized(operator, activations):
    """
    Return a product of 64 ones by 64 ones, quantized so that 8 bits are used to the full, and its input.

    Two products of 255 and 127 are more than 16 bits hold, which is where such kernels saturate.
    """
    top = np.iinfo(activations).max
    if operator == "MatMul":
        x, w = np.ones((4, 64), np.float32), np.full((64, 8), 127, np.int8)
    else:
        x, w = np.ones((1, 64, 2, 2), np.float32), np.full((8, 64, 1, 1), 127, np.int8)
    numbers = {
        "sx": np.float32(1 / top),
        "zx": activations(0),
        "sw": np.float32(1 / 127),
        "zw": np.int8(0),
        "w": w,
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "sx", "zx"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "sx", "zx"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["v"]),
        helper.make_node(operator, ["d", "v"], ["p"]),
        helper.make_node("QuantizeLinear", ["p", "sy", "zx"], ["o"]),
        helper.make_node("DequantizeLinear", ["o", "sy", "zx"], ["y"]),
    ]
    numbers["sy"] = np.float32(64 / top)
    weights = [numpy_helper.from_array(np.array(value), name) for name, value in numbers.items()]
    return model_of(nodes, {"x": list(x.shape)}, {"y": None}, weights=weights), x


@OPERATORS
@ACTIVATIONS
def test_a_quantized_product_is_right_on_every_cpu(operator, activations):
    model, x = quantized(operator, activations)
    assert np.allclose(session_of(model).run(None, {"x": x})[0], 64, rtol=1e-5)


@OPERATORS
@ACTIVATIONS
@pytest.mark.parametrize("setting", list(EXACT))
def test_each_setting_is_enough_by_itself_even_where_operators_are_fused(
    setting, operator, activations, monkeypatch
):
    monkeypatch.setattr(session, "EXACT", {setting: EXACT[setting]})
    options = session._options
    level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL

    def fusing(threads):
        made = options(threads)
        made.graph_optimization_level = level
        return made

    monkeypatch.setattr(session, "_options", fusing)
    model, x = quantized(operator, activations)
    assert np.allclose(session_of(model).run(None, {"x": x})[0], 64, rtol=0.02)


@OPERATORS
def test_no_operator_is_fused_moved_or_left_out(operator, tmp_path, monkeypatch):
    """As a kernel for 8 bits would be in the place of Q/DQ nodes, whether this CPU saturates or not."""
    options = session._options

    def kept(threads):
        made = options(threads)
        made.optimized_model_filepath = str(tmp_path / "run.onnx")
        return made

    monkeypatch.setattr(session, "_options", kept)
    model, _ = quantized(operator, np.uint8)
    session_of(model)
    run = onnx.load(tmp_path / "run.onnx")
    assert [node.op_type for node in run.graph.node] == [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("operator", ["MatMulInteger", "ConvInteger"])
def test_an_operator_that_saturates_by_itself_is_refused_by_name(operator, tmp_path):
    nodes = [helper.make_node(operator, ["x", "w"], ["y"])]
    shape = [4, 64] if operator == "MatMulInteger" else [1, 64, 2, 2]
    w = np.full((64, 8) if operator == "MatMulInteger" else (8, 64, 1, 1), 127, np.int8)
    inputs = {"x": (shape, TensorProto.UINT8)}
    model = model_of(
        nodes, inputs, {"y": (None, TensorProto.INT32)}, weights=[numpy_helper.from_array(w, "w")]
    )
    sample = Sample(0, {"x": np.full(shape, 255, np.uint8)})
    with pytest.raises(RequestError, match=f"its sums in {operator} saturate on a CPU without VNNI"):
        outputs_of(saved(model, tmp_path), [sample], "the model")


@pytest.mark.parametrize("method", list(METHODS))
def test_calibration_runs_nothing_that_was_fused(method, tmp_path, monkeypatch):
    """The sessions are onnxruntime's own; the ranges they measure become the engine's scales."""
    begin, made = onnxruntime.InferenceSession.__init__, []

    def noted(self, path, sess_options=None, *rest, **more):
        operators = {node.op_type for node in onnx.load(path, load_external_data=False).graph.node}
        made.append((sess_options.graph_optimization_level, operators))
        begin(self, path, sess_options, *rest, **more)

    monkeypatch.setattr(onnxruntime.InferenceSession, "__init__", noted)
    path = saved(dense(), tmp_path)
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).standard_normal((4, 2, 64)).astype(np.float32))
    with Journal(tmp_path / "log") as journal:
        quantize(load_checked(path), path, tmp_path / "data.npz", method, folder=tmp_path, journal=journal)

    levels = onnxruntime.GraphOptimizationLevel
    assert {level for level, _ in made} == {levels.ORT_ENABLE_BASIC, levels.ORT_DISABLE_ALL}
    assert not {name for _, operators in made for name in operators if "Linear" in name or "Integer" in name}


def test_a_session_computes_on_the_threads_it_is_given():
    model, x = quantized("MatMul", np.int8)
    one = session_of(model, threads=1)
    assert one.get_session_options().intra_op_num_threads == 1
    assert np.array_equal(one.run(None, {"x": x})[0], session_of(model).run(None, {"x": x})[0])
