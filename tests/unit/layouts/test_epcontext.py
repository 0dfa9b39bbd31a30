"""The ONNX model of an engine, read by onnx and by onnxruntime; and which engines it refuses."""

from dataclasses import replace

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from ignition_hub.engine.errors import Reason
from ignition_hub.engine.pod_annotations import LayoutName
from ignition_hub.layouts.errors import LayoutRefused
from ignition_hub.layouts.served import ServedEngine
from ignition_hub.layouts.table import files_of
from servedmanifests import SERVED, manifest_of

HEADER = bytes(range(64))
PROVIDER = "NvTensorRTRTXExecutionProvider"
INPUTS = [("ids", "int64", ["batch", "length"]), ("größe", "float16", [])]
OUTPUTS = [("y", "bfloat16", ["batch", 300])]


def engine_of(inputs=INPUTS, outputs=OUTPUTS, arch="sm_89", flavor="TensorRTRTX"):
    build = manifest_of(inputs, outputs, flavor=flavor).build
    return replace(ServedEngine.of_build("bert", arch, build), beginning=HEADER)


def files(*arguments, **named):
    return files_of(LayoutName.EPCONTEXT, engine_of(*arguments, **named))


def model(*arguments, **named):
    return onnx.load_from_string(files(*arguments, **named)[1].content)


def refusal(*arguments, **named):
    with pytest.raises(LayoutRefused) as refused:
        files(*arguments, **named)
    assert refused.value.reason is Reason.UnsupportedLayout
    return refused.value.message


def test_the_model_comes_after_the_engine_that_it_names():
    assert [(file.path, file.content is None) for file in files()] == [
        ("context.engine", True),
        ("model.onnx", False),
    ]


def test_the_model_is_byte_for_byte_what_onnx_makes_of_it():
    value = helper.make_tensor_value_info
    attributes = {
        "embed_mode": 0,
        "ep_cache_context": "context.engine",
        "source": PROVIDER,
        "main_context": 0,
        "ep_sdk_version": "1.0",
        "hardware_architecture": "80+",
        "partition_name": "bert",
        "onnx_model_filename": "",
        "max_size": 0,
    }
    node = helper.make_node("EPContext", ["ids", "größe"], ["y"], name="bert", domain="com.microsoft")
    node.attribute.extend(helper.make_attribute(name, said) for name, said in attributes.items())
    graph = helper.make_graph(
        [node],
        "bert",
        [value("ids", TensorProto.INT64, [None, None]), value("größe", TensorProto.FLOAT16, [])],
        [value("y", TensorProto.BFLOAT16, [None, 300])],
    )
    made = helper.make_model(
        graph,
        ir_version=8,
        producer_name="ignition-hub",
        opset_imports=[helper.make_opsetid("com.microsoft", 1)],
    )
    helper.set_model_props(made, {f"ep_compatibility_info.{PROVIDER}": HEADER.hex()})

    assert model() == made
    assert files()[1].content == made.SerializeToString(deterministic=True)


def test_onnx_checks_the_model_and_onnxruntime_wants_the_provider_for_its_node():
    onnx.checker.check_model(model(), full_check=True)

    with pytest.raises(Exception, match=r"Failed to find kernel for com\.microsoft\.EPContext\(1\)"):
        onnxruntime.InferenceSession(files()[1].content, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("alias", SERVED)
def test_every_input_and_output_keeps_its_name_and_type(alias):
    io = SERVED[alias].build.engine_io
    tensors = {kind: [tuple(one.values()) for one in io[kind]] for kind in io}

    graph = model(tensors["inputs"], tensors["outputs"]).graph

    for kind, values in (("inputs", graph.input), ("outputs", graph.output)):
        known = [(one["name"], one["dtype"]) for one in io[kind]]
        types = [TensorProto.DataType.Name(each.type.tensor_type.elem_type).lower() for each in values]
        assert list(zip((each.name for each in values), types, strict=True)) == known


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"arch": "sm_75"}, "it is for sm_75, and the provider knows sm_86, sm_89, sm_120, sm_121"),
        (
            {"outputs": [("y", "float8e4m3fn", [1])]},
            "'y' has the type float8e4m3fn, and a session takes float, ",
        ),
        (
            {"inputs": [("x", "float", None)]},
            "'x' has a number of dimensions that is known only when it runs",
        ),
        ({"flavor": "TensorRT"}, "runs engines of TensorRT-RTX, and this one is of TensorRT"),
    ],
)
def test_an_engine_that_the_provider_does_not_run_is_refused(changed, why):
    assert why in refusal(**changed)
