"""What ``config.pbtxt`` says of an engine, read by Triton's own schema; and which engines it refuses."""

import importlib.util
import sys
import warnings
from functools import cache
from types import ModuleType

import pytest
from google.protobuf import text_format

from ignition_hub.engine.errors import ContractError, Reason
from ignition_hub.engine.identity import Profile, ShapeRange
from ignition_hub.engine.pod_annotations import LayoutName
from ignition_hub.layouts.errors import LayoutRefused
from ignition_hub.layouts.served import ServedEngine
from ignition_hub.layouts.table import files_of
from ignition_hub.layouts.triton import TYPES
from servedmanifests import ONE, SERVED, manifest_of, profile
from triton.paths import schema

needs_schema = pytest.mark.skipif(
    not schema().exists(),
    reason="Triton's schema is not here: PYTHONPATH=tests/tools python3 -m triton build",
)


@cache
def model_config() -> ModuleType:
    """The schema's module; without its package, which would want gRPC."""
    spec = importlib.util.spec_from_file_location("model_config_pb2", schema())
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        # It was generated for the major version of protobuf before this one, which is supported.
        warnings.filterwarnings("ignore", message="Protobuf gencode version")
        spec.loader.exec_module(module)
    return module


def files(manifest, alias="resnet50"):
    return files_of(LayoutName.TRITON, ServedEngine.of_build(alias, "sm_89", manifest.build))


def text(manifest, alias="resnet50"):
    [config, _] = files(manifest, alias)
    return config.content.decode("ascii")


def config(manifest, alias="resnet50"):
    return text_format.Parse(text(manifest, alias), model_config().ModelConfig())


def refusal(manifest):
    with pytest.raises(LayoutRefused) as refused:
        files(manifest)
    assert refused.value.reason is Reason.UnsupportedLayout
    assert refused.value.remedy
    return refused.value.message


def test_a_model_is_its_configuration_and_then_the_engine_itself():
    assert [(file.path, file.content is None) for file in files(SERVED["images"])] == [
        ("config.pbtxt", False),
        ("1/model.plan", True),
    ]


def test_the_configuration_is_what_a_person_would_write():
    assert text(SERVED["images"]) == (
        'name: "resnet50"\n'
        'backend: "tensorrt"\n'
        "max_batch_size: 32\n"
        "input {\n"
        '  name: "pixels"\n'
        "  data_type: TYPE_FP16\n"
        "  dims: 3\n"
        "  dims: -1\n"
        "  dims: -1\n"
        "}\n"
        "output {\n"
        '  name: "logits"\n'
        "  data_type: TYPE_FP32\n"
        "  dims: 1000\n"
        "}\n"
        "dynamic_batching {\n"
        "}\n"
    )


@needs_schema
@pytest.mark.parametrize("alias", SERVED)
def test_tritons_schema_reads_every_name_type_and_dimension_back(alias):
    manifest = SERVED[alias]

    read = config(manifest, alias)

    batch = read.max_batch_size
    for ours, theirs in (
        (manifest.build.engine_io[kind], getattr(read, kind[:-1])) for kind in ("inputs", "outputs")
    ):
        assert [each.name for each in theirs] == [each["name"] for each in ours]
        for tensor, known in zip(theirs, ours, strict=True):
            assert TYPES[known["dtype"]] == model_config().DataType.Name(tensor.data_type)
            dims = list(tensor.reshape.shape) if tensor.HasField("reshape") else list(tensor.dims)
            assert ([-1] if batch else []) + dims == known["shape"]
    assert (read.name, read.backend) == (alias, "tensorrt")


@needs_schema
@pytest.mark.parametrize("name", TYPES.values())
def test_a_type_is_one_that_tritons_schema_has(name):
    assert name in model_config().DataType.DESCRIPTOR.values_by_name


@needs_schema
def test_a_batch_of_scalars_is_given_as_lists_of_one():
    [tensor] = config(SERVED["batch-of-scalars"]).input

    assert list(tensor.dims) == [1]
    assert tensor.HasField("reshape")
    assert list(tensor.reshape.shape) == []


@needs_schema
@pytest.mark.parametrize(
    ("alias", "batch", "is_put_together"),
    [
        ("images", 32, True),
        ("batch-of-one", 1, False),
        ("two-profiles", 8, True),
        ("profiles-of-unlike-batches", 0, False),
        ("fixed", 0, False),
    ],
)
def test_requests_are_put_together_as_far_as_every_profile_runs_them(alias, batch, is_put_together):
    read = config(SERVED[alias])

    assert (read.max_batch_size, read.HasField("dynamic_batching")) == (batch, is_put_together)


@needs_schema
def test_triton_is_told_of_all_profiles_where_there_are_several():
    [group] = config(SERVED["two-profiles"]).instance_group

    assert list(group.profile) == ["0", "1"]
    assert list(config(SERVED["images"]).instance_group) == []


@pytest.mark.parametrize(
    ("first_in", "first_out", "ranges", "batch"),
    [
        ("batch", "batch", ONE, 8),
        ("N", "N", ONE, 8),
        ("batch", "rows", ONE, 0),  # the output has a row for something else
        ("sequence", "sequence", ONE, 0),  # two requests in one sequence are another request
        ("batch * heads", "batch * heads", ONE, 0),
        ("", "", ONE, 0),
        ("batch", "batch", ([2, 3], [4, 3], [8, 3]), 0),  # Triton may send a batch of one
        ("batch", 8, ONE, 0),
    ],
)
def test_only_what_the_model_calls_a_batch_and_what_runs_from_one_on_is_a_batch(
    first_in, first_out, ranges, batch
):
    manifest = manifest_of(
        [("x", "float", [first_in, 3])], [("y", "float", [first_out, 3])], profile(x=ranges)
    )

    assert ServedEngine.of_build("m", "sm_89", manifest.build).largest_batch == batch


def test_inputs_whose_batches_differ_are_not_put_together():
    manifest = manifest_of(
        [("x", "float", ["batch", 3]), ("m", "float", ["batch", 3])],
        [("y", "float", ["batch", 3])],
        profile(x=ONE, m=([1, 3], [2, 3], [4, 3])),
    )

    assert ServedEngine.of_build("m", "sm_89", manifest.build).largest_batch == 0


@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        (("y", "float8e4m3fn", [1]), "'y' has the type float8e4m3fn, and Triton serves float, float16, "),
        (("y", "float", None), "'y' has a number of dimensions that is known only when it runs"),
        (("y", "float", []), "'y' is a scalar, without a dimension"),
        (("y", "float", [2, 0]), "'y' has a dimension of size 0, and Triton takes sizes from 1 on"),
    ],
)
def test_a_tensor_that_triton_cannot_describe_is_named(tensor, why):
    assert why in refusal(manifest_of([("x", "float", [1])], [tensor]))
    assert why.replace("'y'", "'x'") in refusal(manifest_of([("x", *tensor[1:])], [("y", "float", [1])]))


def test_an_input_that_shapes_are_computed_from_is_refused():
    ranges = ShapeRange((1,), (2,), (4,))
    manifest = manifest_of(
        [("size", "int32", [1])], [("y", "float", ["a"])], Profile(values={"size": ranges})
    )

    assert "'size' is a shape tensor" in refusal(manifest)


def test_an_engine_of_tensorrt_rtx_is_not_for_triton():
    message = refusal(manifest_of([("x", "float", [1])], [("y", "float", [1])], flavor="TensorRTRTX"))

    assert message == "Triton Inference Server runs engines of TensorRT, and this one is of TensorRT-RTX"


@pytest.mark.parametrize("tensor", [("\ud800", "float", [1]), ("x", "float", [-2]), ("x", "float", [2**63])])
def test_what_no_format_can_hold_is_of_no_builder(tensor):
    with pytest.raises(ContractError, match=r"Manifest\.build: the inputs are recorded as "):
        ServedEngine.of_build("m", "sm_89", manifest_of([tensor], []).build)


def test_a_manifest_without_the_engines_inputs_asks_for_a_rebuild():
    assert "does not record" in refusal(manifest_of([], [], engine_io=None))
