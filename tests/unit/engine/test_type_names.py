"""A model's inputs and its engine's have one word for one type, whoever named it."""

import onnx
import pytest

from bindings.inventory import inventories
from ignition_hub.engine.type_names import OF_TENSORRT, type_word
from ignition_hub.runtime.tensors import dtype_name

ONNX = {name.lower() for name in onnx.TensorProto.DataType.keys()}  # noqa: SIM118  # protobuf's, no mapping


@pytest.mark.parametrize("inventory", inventories(), ids=lambda item: str(item.release.version))
def test_every_type_of_tensorrts_is_called_as_onnx_calls_it(inventory):
    assert {type_word(name) for name in inventory.enum("DataType")} <= ONNX


def test_onnxs_names_stay():
    assert {type_word(name) for name in ONNX} == ONNX
    assert set(OF_TENSORRT.values()) <= ONNX


@pytest.mark.parametrize(
    ("older", "newer"), [("half", "float16"), ("bf16", "bfloat16"), ("fp8", "float8e4m3fn")]
)
def test_an_input_of_an_older_manifest_takes_the_same_arrays(older, newer):
    assert dtype_name(older) == dtype_name(newer)
