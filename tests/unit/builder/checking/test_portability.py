"""An engine that is to run elsewhere too must not be tied to a plugin by the parser of 8.6.0."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

from bindings.inventory import inventories
from ignition_builder.checking.portability import NATIVE_SINCE, check_travelling
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import EngineInputs
from smallmodels import dense, model_of, request_for

COMPATIBLE = {"versionCompatible": {"enabled": True}}
WEIGHTS = [numpy_helper.from_array(np.ones(3, np.float32), name) for name in ("scale", "bias")]
SHAPE = [1, 3, 4, 4]


def norm() -> Any:
    return helper.make_node("InstanceNormalization", ["x", "scale", "bias"], ["y"], name="norm")


def normalizing() -> Any:
    return model_of([norm()], {"x": SHAPE}, {"y": SHAPE}, weights=WEIGHTS)


def normalizing_in_a_branch() -> Any:
    body = helper.make_graph(
        [norm()], "then", [], [helper.make_tensor_value_info("y", 1, SHAPE)], initializer=WEIGHTS
    )
    same = helper.make_node("Identity", ["x"], ["z"])
    other = helper.make_graph([same], "else", [], [helper.make_tensor_value_info("z", 1, SHAPE)])
    node = helper.make_node("If", ["c"], ["out"], then_branch=body, else_branch=other, name="choice")
    return model_of([node], {"x": SHAPE, "c": ([], 9)}, {"out": SHAPE})


def inputs(version: str, *, level: str = "Product", options: Any = None) -> EngineInputs:
    plain = request_for(flavor="TensorRT", version=version, options=options or {}).inputs
    return replace(plain, compatibility=level, product="NVIDIA-A10" if level == "Product" else None)


@pytest.mark.parametrize("model", [normalizing(), normalizing_in_a_branch()], ids=["plain", "branch"])
@pytest.mark.parametrize(
    ("asked", "field", "otherwise"),
    [
        ({"options": COMPATIBLE}, "options.versionCompatible", "leave options.versionCompatible out"),
        ({"level": "AmperePlus"}, "compatibility AmperePlus", "use compatibility: Product"),
    ],
)
def test_a_node_made_from_a_plugin_is_refused_by_name(asked, field, otherwise, model):
    with pytest.raises(RequestError) as caught:
        check_travelling(model, inputs("8.6.0.12", **asked))

    assert caught.value.reason is Reason.UnsupportedOperator
    assert "node norm (InstanceNormalization)" in caught.value.message
    assert field in caught.value.message
    assert caught.value.remedy == f"use TensorRT 8.6.1 or newer, or {otherwise}"


def test_what_the_remedies_name_is_not_refused():
    check_travelling(normalizing(), inputs("8.6.1.6", options=COMPATIBLE))
    check_travelling(normalizing(), inputs("8.6.0.12"))
    check_travelling(normalizing(), inputs("8.5.3.1"))


def test_a_model_without_such_a_node_travels():
    check_travelling(dense(), inputs("8.6.0.12", options=COMPATIBLE))


def test_the_flag_came_when_the_bindings_say():
    full = [item for item in inventories() if item.release.flavor == "TensorRT"]

    assert {item.has("OnnxParserFlag.NATIVE_INSTANCENORM") for item in full} == {True, False}
    for item in full:
        assert item.has("OnnxParserFlag.NATIVE_INSTANCENORM") == (item.release.numbers >= NATIVE_SINCE)
