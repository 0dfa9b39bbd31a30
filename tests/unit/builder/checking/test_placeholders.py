"""Dimensions called ``?`` are free each by itself."""

import onnx
import pytest
from onnx import helper

from ignition_builder.checking.inspection import inputs_of
from ignition_builder.checking.placeholders import forget_placeholders
from ignition_builder.pipeline import build
from ignition_hub.engine.errors import RequestError
from smallmodels import model_of, request_for, saved, shape_range


def image(name: str) -> onnx.ModelProto:
    nodes = [helper.make_node("Relu", ["x"], ["y"], name="act")]
    return model_of(nodes, {"x": [1, 3, name, name]}, {"y": [1, 3, name, name]})


WIDE = shape_range([1, 3, 8, 16], [1, 3, 8, 32], [1, 3, 8, 64])


@pytest.mark.parametrize("name", ["?", "*", "None", "-1"])
def test_a_placeholder_is_forgotten(name):
    model = image(name)
    assert forget_placeholders(model)
    assert inputs_of(model)[0].shape == (1, 3, "", "")


def test_a_name_that_means_something_is_kept():
    model = image("side")
    assert not forget_placeholders(model)
    assert inputs_of(model)[0].shape == (1, 3, "side", "side")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_image_of_unknown_height_and_width_need_not_be_square(precision, tmp_path):
    request = request_for(precision, profiles=[{"x": WIDE}])
    assert build(request, saved(image("?"), tmp_path), tmp_path, lambda *_: None).size > 0


def test_an_image_whose_sides_have_one_name_must_be_square(tmp_path):
    request = request_for("fp32", profiles=[{"x": WIDE}])
    with pytest.raises(RequestError, match="dimension side has opt 8 in x and opt 32 in x"):
        build(request, saved(image("side"), tmp_path), tmp_path, lambda *_: None)
