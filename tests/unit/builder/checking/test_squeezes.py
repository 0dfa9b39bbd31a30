"""A Squeeze without axes gets those that the profiles make 1, or a refusal that says what would work."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.checking.squeezes import name_squeezed_axes
from ignition_builder.pipeline import build
from ignition_builder.verifying.reference import outputs_of
from ignition_builder.verifying.samples import Sample
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import Profile
from smallmodels import model_of, request_for, saved, shape_range


def squeezing(batch="n", length="t", opset=17):
    """Return a model that squeezes ``[batch, length, 1]``, and what it takes away once again."""
    nodes = [
        helper.make_node("Relu", ["x"], ["h"]),
        helper.make_node("Squeeze", ["h"], ["s"], name="sq"),
        helper.make_node("Neg", ["s"], ["y"]),
    ]
    return model_of(nodes, {"x": [batch, length, 1]}, {"y": None}, opset=opset)


def profile(low, usual, high):
    return Profile({"x": shape_range((*low, 1), (*usual, 1), (*high, 1))})


ALWAYS_ONE = profile((1, 4), (1, 8), (1, 16))


@pytest.mark.parametrize("opset", [11, 17])
def test_dimensions_that_the_profiles_make_one_are_named_and_the_model_computes_the_same(opset, tmp_path):
    model = squeezing(opset=opset)
    samples = [Sample(0, {"x": np.arange(-4, 4, dtype=np.float32).reshape(1, 8, 1)})]
    right = outputs_of(saved(model, tmp_path), samples, "it")

    assert name_squeezed_axes(model, [ALWAYS_ONE])
    found = outputs_of(saved(model, tmp_path), samples, "it")
    assert found[0]["y"].shape == (8,)
    assert np.array_equal(found[0]["y"], right[0]["y"])


def test_dimensions_that_are_never_one_stay():
    model = squeezing()
    name_squeezed_axes(model, [profile((2, 4), (2, 8), (3, 16))])
    axes = next(item for item in model.graph.initializer if item.name == model.graph.node[1].input[1])
    assert numpy_helper.to_array(axes).tolist() == [2]


@pytest.mark.parametrize(
    "profiles",
    [
        [profile((1, 4), (2, 8), (3, 16))],
        [ALWAYS_ONE, profile((3, 4), (3, 8), (3, 16))],
    ],
)
def test_a_dimension_that_is_one_and_is_not_is_refused_with_what_would_work(profiles):
    with pytest.raises(
        RequestError, match=r"node sq \(Squeeze\) .* dimension 0 is now 1 and now 3"
    ) as caught:
        name_squeezed_axes(squeezing(), profiles)
    assert caught.value.reason is Reason.InvalidProfile
    assert "write the axes of the node into the model" in caught.value.remedy


def test_what_is_fixed_is_left_as_it_came():
    model = squeezing(batch=1, length=4)
    before = model.SerializeToString()
    assert not name_squeezed_axes(model, [])
    assert model.SerializeToString() == before


def test_a_model_whose_types_contradict_each_other_is_left_to_those_who_refuse_it():
    model = squeezing()
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(2), "w"))
    model.graph.output.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [2]))
    with pytest.raises(onnx.shape_inference.InferenceError, match="elem type"):
        onnx.shape_inference.infer_shapes(model)
    assert not name_squeezed_axes(model, [ALWAYS_ONE])


def test_an_engine_is_built_with_a_batch_that_a_profile_fixes_at_one(tmp_path):
    request = request_for("fp16", "sm_89", profiles=[ALWAYS_ONE])
    built = build(request, saved(squeezing(), tmp_path), tmp_path, lambda phase, part: None)
    assert built.facts.engine_io["outputs"][0]["shape"] == [-1]


def test_the_remedy_works_where_a_batch_may_be_one(tmp_path):
    model = squeezing()
    model.graph.initializer.append(numpy_helper.from_array(np.array([2], dtype=np.int64), "axes"))
    model.graph.node[1].input.append("axes")
    request = request_for("fp32", "sm_89", profiles=[profile((1, 4), (2, 8), (3, 16))])
    assert build(request, saved(model, tmp_path), tmp_path, lambda phase, part: None).size
