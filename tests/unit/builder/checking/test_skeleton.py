"""Reading a model without its weights: whichever way they are spelled, they stay in the file."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.checking.skeleton import load_skeleton
from smallmodels import dense, model_of, saved

SIDE = 128


def typed(kind, dtype):
    """Return a model whose weight is a repeated field of numbers instead of raw bytes, and its values."""
    values = np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(dtype)
    tensor = helper.make_tensor("w", kind, values.shape, values.flatten().tolist())
    assert not tensor.raw_data
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    return model_of(nodes, {"x": ([1, SIDE], kind)}, {"y": ([1, SIDE], kind)}, weights=[tensor]), values


def weight_of(path):
    """Return a skeleton's weight, and the values it refers to."""
    (tensor,) = load_skeleton(path).graph.initializer
    assert tensor.data_location == TensorProto.EXTERNAL
    assert tensor.ByteSize() < 200
    return numpy_helper.to_array(tensor, base_dir=str(path.parent))


@pytest.mark.parametrize(
    ("kind", "dtype"), [(TensorProto.FLOAT, np.float32), (TensorProto.DOUBLE, np.float64)]
)
def test_numbers_in_a_repeated_field_are_bytes_too(kind, dtype, tmp_path):
    model, values = typed(kind, dtype)

    assert np.array_equal(weight_of(saved(model, tmp_path)), values)


def test_a_weight_that_says_it_is_in_the_model_is(tmp_path):
    model = dense(width=SIDE)
    # As onnx.save leaves it after onnx.load of a model with external data.
    model.graph.initializer[0].data_location = TensorProto.DEFAULT
    expected = numpy_helper.to_array(model.graph.initializer[0])

    assert np.array_equal(weight_of(saved(model, tmp_path)), expected)


def test_numbers_of_a_varying_size_stay_in_the_model(tmp_path):
    tensor = helper.make_tensor("w", TensorProto.INT64, [SIDE * SIDE], list(range(SIDE * SIDE)))
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    kind = ([SIDE * SIDE], TensorProto.INT64)
    model = model_of(nodes, {"x": kind}, {"y": kind}, weights=[tensor])

    assert load_skeleton(saved(model, tmp_path)) == model
