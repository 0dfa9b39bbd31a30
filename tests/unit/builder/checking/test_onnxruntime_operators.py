"""
What onnxruntime made of a network is refused in one and the same words in every precision.

The network is built once the words are followed, by onnxruntime's own tools.
"""

import logging

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from ignition_builder.checking.inspection import load_checked
from ignition_builder.checking.onnxruntime_operators import BLOCKS, DYNAMIC, FUSED, INTEGER, KINDS
from ignition_builder.documents import INSPECT, Task
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.pipeline import build
from ignition_builder.precision import stage
from ignition_builder.report import Report
from ignition_hub.engine.errors import Reason, RequestError
from smallmodels import model_of, request_for, saved

pytestmark = pytest.mark.filterwarnings("ignore")
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
LEVELS = onnxruntime.GraphOptimizationLevel


def normal(name, *shape):
    return numpy_helper.from_array(
        np.random.default_rng(len(name)).standard_normal(shape).astype(np.float32), name
    )


def dense():
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"], name="fc"), helper.make_node("Relu", ["a"], ["y"])]
    return model_of(nodes, {"x": [2, 64]}, {"y": [2, 64]}, weights=[normal("w", 64, 64)])


def words():
    nodes = [helper.make_node("Gather", ["e", "x"], ["v"]), helper.make_node("MatMul", ["v", "w"], ["y"])]
    ids = ([2, 8], TensorProto.INT64)
    return model_of(nodes, {"x": ids}, {"y": [2, 8, 64]}, weights=[normal("e", 100, 64), normal("w", 64, 64)])


def convolution():
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv"),
        helper.make_node("Relu", ["c"], ["y"], name="act"),
    ]
    weights = [normal("w", 8, 4, 3, 3), normal("b", 8)]
    return model_of(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 8, 6, 6]}, weights=weights)


def gelu():
    """Return what an exporter writes for a bias and a Gelu."""
    half, one, root = (
        numpy_helper.from_array(np.array(value, dtype=np.float32), name)
        for name, value in (("half", 0.5), ("one", 1.0), ("root", 2**0.5))
    )
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"]),
        helper.make_node("Div", ["a", "root"], ["d"]),
        helper.make_node("Erf", ["d"], ["e"]),
        helper.make_node("Add", ["e", "one"], ["f"]),
        helper.make_node("Mul", ["a", "f"], ["g"]),
        helper.make_node("Mul", ["g", "half"], ["y"]),
    ]
    weights = [normal("b", 64), half, one, root]
    return model_of(nodes, {"x": [2, 64]}, {"y": [2, 64]}, weights=weights)


def residual():
    """Return a sum that is normalized, as in a transformer."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Add", ["x", "m"], ["s"]),
        helper.make_node("LayerNormalization", ["s", "scale", "b"], ["y"], axis=-1),
    ]
    weights = [normal("w", 64, 64), normal("scale", 64), normal("b", 64)]
    return model_of(nodes, {"x": [1, 2, 64]}, {"y": [1, 2, 64]}, weights=weights)


def attention_product():
    nodes = [
        helper.make_node("Transpose", ["k"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "t"], ["m"]),
        helper.make_node("Relu", ["m"], ["y"]),
    ]
    return model_of(nodes, {"x": [1, 2, 64], "k": [1, 2, 64]}, {"y": [1, 2, 2]})


def resaved(model, folder, level):
    """Let onnxruntime optimize a model and save what came of it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level, options.log_severity_level = level, 3
    options.optimized_model_filepath = str(folder / "resaved.onnx")
    onnxruntime.InferenceSession(
        str(saved(model, folder, "exported.onnx")), options, providers=["CPUExecutionProvider"]
    )
    return onnx.load(folder / "resaved.onnx")


def dynamic(model, folder):
    logging.disable(logging.CRITICAL)
    try:
        quantize_dynamic(saved(model, folder, "float.onnx"), folder / "q.onnx", weight_type=QuantType.QInt8)
    finally:
        logging.disable(logging.NOTSET)
    return onnx.load(folder / "q.onnx")


class Samples(CalibrationDataReader):
    def __init__(self, model):
        [value, *_] = model.graph.input
        shape = [size.dim_value for size in value.type.tensor_type.shape.dim]
        drawn = np.random.default_rng(1)
        is_float = value.type.tensor_type.elem_type == TensorProto.FLOAT
        make = drawn.standard_normal if is_float else lambda size: drawn.integers(0, 100, size)
        self._feeds = iter([{value.name: make(shape).astype("f" if is_float else "q")} for _ in range(4)])

    def get_next(self):
        return next(self._feeds, None)


def static(model, folder, form, **more):
    quantize_static(
        saved(model, folder, "float.onnx"), folder / "q.onnx", Samples(model), quant_format=form, **more
    )
    return onnx.load(folder / "q.onnx")


def as_advised(model, folder):
    """Quantize as STATICALLY says."""
    return static(
        model,
        folder,
        QuantFormat.QDQ,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
    )


def refusal_of(model, folder, precision="fp32", reason=Reason.UnsupportedOperator):
    """Return what the first stage says of ``model``, run in this process."""
    options = {"calibration": {"uri": "s3://b/samples.npz"}} if precision == "int8" else {}
    task = Task(
        stage=INSPECT,
        request=request_for(precision, options=options),
        model=str(saved(model, folder)),
        folder=str(folder),
        log=str(folder / "log"),
        files=Files(calibration=folder / "never read.npz") if options else Files(),
    )
    with (
        Journal(folder / "log") as journal,
        (folder / "answers").open("wb") as answers,
        pytest.raises(RequestError) as caught,
    ):
        stage.run(task, Report(answers.fileno()), journal)
    assert caught.value.reason is reason
    return caught.value


def size_of(model, folder, precision="fp16"):
    return build(request_for(precision), saved(model, folder), folder, lambda *_: None).size


@pytest.mark.parametrize("make", [dense, words, convolution])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_was_quantized_dynamically_is_called_so_in_every_precision(make, precision, tmp_path):
    error = refusal_of(dynamic(make(), tmp_path), tmp_path, precision)

    assert "quantized dynamically" in error.message
    assert error.remedy == DYNAMIC.remedy


@pytest.mark.parametrize("make", [dense, convolution])
def test_what_was_quantized_dynamically_is_built_from_its_float_model_or_with_qdq(make, tmp_path):
    assert all(
        word in DYNAMIC.remedy for word in ("the float model", "quant_format QDQ", "QuantizeBias False")
    )
    assert size_of(make(), tmp_path)
    assert size_of(as_advised(make(), tmp_path), tmp_path, "int8")


@pytest.mark.parametrize("make", [dense, convolution])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_integer_operators_are_called_so_in_every_precision(make, precision, tmp_path):
    model = static(make(), tmp_path, QuantFormat.QOperator)
    error = refusal_of(model, tmp_path, precision)

    assert "(QOperator)" in error.message
    assert error.remedy == INTEGER.remedy


def test_integer_operators_that_onnxruntime_made_of_a_qdq_model_are_not_in_that_model(tmp_path):
    qdq = as_advised(convolution(), tmp_path)
    error = refusal_of(resaved(qdq, tmp_path, LEVELS.ORT_ENABLE_EXTENDED), tmp_path, "int8")

    assert "give as the quantizer wrote it" in error.remedy
    assert size_of(qdq, tmp_path, "int8")


def test_a_bias_that_onnxruntime_quantized_as_it_saved_a_qdq_model_is_not_in_that_model(tmp_path):
    qdq = as_advised(convolution(), tmp_path)
    resaved_qdq = resaved(qdq, tmp_path, LEVELS.ORT_ENABLE_BASIC)
    error = refusal_of(resaved_qdq, tmp_path, "int8", Reason.UnsupportedPrecision)

    assert "quantizes to INT32" in error.message
    assert "as the quantizer wrote it" in error.remedy
    assert size_of(qdq, tmp_path, "int8")


@pytest.mark.parametrize("make", [convolution, gelu, residual, attention_product])
def test_what_onnxruntime_fused_is_named_and_built_once_it_is_saved_as_advised(make, tmp_path):
    fused = resaved(make(), tmp_path, LEVELS.ORT_ENABLE_EXTENDED)
    error = refusal_of(fused, tmp_path)

    assert "onnxruntime's optimizer put it" in error.message
    assert error.remedy == FUSED.remedy
    assert "ORT_ENABLE_BASIC" in error.remedy
    for precision in ("fp32", "fp16", "bf16"):
        assert size_of(resaved(make(), tmp_path, LEVELS.ORT_ENABLE_BASIC), tmp_path, precision)


def test_a_layout_for_one_processor_is_refused_whatever_the_operator(tmp_path):
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="reordered", domain="com.microsoft.nchwc")
    model = model_of(
        [node],
        {"x": [1, 8, 8, 8]},
        {"y": [1, 8, 6, 6]},
        weights=[normal("w", 8, 8, 3, 3)],
        domains=[node.domain],
    )

    assert refusal_of(model, tmp_path).message.startswith("node reordered (Conv): onnxruntime's optimizer")


def contributed(operator, domain="com.microsoft"):
    node = helper.make_node(operator, ["x", "x", "x"], ["y"], name="it", domain=domain)
    inner = helper.make_graph([node], "b", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    branch = helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
    return model_of(
        [branch],
        {"c": ([], TensorProto.BOOL), "x": [2, 2]},
        {"z": [2, 2]},
        domains=[domain] if domain else [],
    )


@pytest.mark.parametrize(
    ("operator", "kind"), [(name, kind) for kind in KINDS for name in sorted(kind.contributed)]
)
def test_each_operator_is_refused_wherever_it_stands(operator, kind, tmp_path):
    with pytest.raises(RequestError) as caught:
        load_checked(saved(contributed(operator), tmp_path))

    assert caught.value.message == f"node it ({operator}) and 1 more of its kind: {kind.said}"
    assert caught.value.remedy == kind.remedy


def test_operators_that_onnxruntime_puts_into_onnxs_own_domain_are_refused_too(tmp_path):
    for kind in KINDS:
        for operator in kind.standard:
            with pytest.raises(RequestError) as caught:
                load_checked(saved(contributed(operator, ""), tmp_path))
            assert caught.value.remedy == kind.remedy


def test_a_plugin_may_have_such_a_name(tmp_path):
    assert load_checked(saved(contributed("FusedConv"), tmp_path), plugins=True)


def test_gelu_of_onnxruntime_is_tensorrts_own(tmp_path):
    node = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    model = model_of([node], {"x": [2, 4]}, {"y": [2, 4]}, domains=["com.microsoft"])

    assert size_of(model, tmp_path, "fp32")


def test_weights_in_blocks_are_built_from_the_float_model(tmp_path):
    assert "the float model" in BLOCKS.remedy
    assert "fp16 or bf16" in BLOCKS.remedy
    for precision in ("fp16", "bf16"):
        assert size_of(dense(), tmp_path, precision)
