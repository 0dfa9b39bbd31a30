"""What the command line makes of its options: the resource it prints, and the mistakes it finds first."""

import pytest

from ignition_hub.api.v1alpha1 import TensorRTEngine
from ignition_hub.cli.errors import CliError
from ignition_hub.cli.output import Format, show
from ignition_hub.cli.resource import ResourceRequest, object_name, shapes_of
from ignition_hub.engine.errors import IgnitionError

SHA = "ab" * 32
URI = f"s3://engines/ignition/models/vision/{SHA}.onnx"


def request_of(**changes: object) -> ResourceRequest:
    usual = {
        "name": "arcface_r100",
        "version": "v1",
        "precision": "fp16",
        "archs": ("sm_86", "sm_89"),
        "shapes": {},
    }
    return ResourceRequest(**{**usual, **changes})


def test_the_resource_is_the_least_that_works():
    assert request_of().resource("vision", URI, SHA) == {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "TensorRTEngine",
        "metadata": {"name": "arcface-r100", "namespace": "vision"},
        "spec": {
            "model": {"name": "arcface_r100", "version": "v1", "source": {"uri": URI, "sha256": SHA}},
            "precision": "fp16",
            "targets": [{"gpuArch": "sm_86"}, {"gpuArch": "sm_89"}],
        },
    }


def test_the_api_accepts_the_resource():
    shapes = shapes_of(["data=1x3x8x8:4x3x8x8:8x3x8x8", "mask=1x8"])
    resource = request_of(shapes=shapes).resource("vision", URI, SHA)

    engine = TensorRTEngine.model_validate(resource)
    assert engine.spec.profiles[0].shapes["data"].opt == (4, 3, 8, 8)
    assert engine.spec.profiles[0].shapes["mask"].min == (1, 8)


@pytest.mark.parametrize(
    "version",
    [
        "1234e56",
        "5e7",
        "1.5e3",
        "08",
        "0o17",
        "1_0e2",
        "1__0",
        "0x1p4",
        "2026-11-30",
        "y",
        "N",
        "off",
        "null",
    ],
)
def test_a_version_that_kubectl_would_not_read_as_a_string_is_printed_in_quotes(capsys, version):
    show(request_of(version=version).resource("vision", URI, SHA), Format.yaml)

    assert f"    version: '{version}'\n" in capsys.readouterr().out


def test_an_input_that_kubectl_would_read_as_a_boolean_is_printed_in_quotes(capsys):
    show(request_of(shapes=shapes_of(["y=1x8", "n=1x8"])).resource("vision", URI, SHA), Format.yaml)

    printed = capsys.readouterr().out
    assert [key for key in ("'y':", "'n':") if key not in printed] == []


def test_words_are_printed_without_quotes(capsys):
    show(request_of().resource("vision", URI, SHA), Format.yaml)

    printed = capsys.readouterr().out
    assert "    version: v1\n" in printed
    assert "- {gpuArch: sm_86}\n" in printed


def test_an_arch_that_is_named_twice_is_one_target():
    resource = request_of(archs=("sm_89", "sm_89")).resource("vision", URI, SHA)

    assert resource["spec"]["targets"] == [{"gpuArch": "sm_89"}]


def test_a_product_for_each_arch_makes_targets_that_every_release_builds():
    resource = request_of(products=("NVIDIA-A10", "NVIDIA-L4")).resource("vision", URI, SHA)

    assert resource["spec"]["targets"] == [
        {"gpuArch": "sm_86", "product": "NVIDIA-A10", "compatibility": "Product"},
        {"gpuArch": "sm_89", "product": "NVIDIA-L4", "compatibility": "Product"},
    ]
    assert len(TensorRTEngine.model_validate(resource).spec.targets) == 2


def test_two_products_of_one_arch_are_two_targets():
    targets = request_of(archs=("sm_89",) * 3, products=("NVIDIA-L4", "NVIDIA-L40S", "NVIDIA-L4")).resource(
        "vision", URI, SHA
    )["spec"]["targets"]

    assert [target["product"] for target in targets] == ["NVIDIA-L4", "NVIDIA-L40S"]


@pytest.mark.parametrize(
    ("model", "expected"), [("arcface_r100", "arcface-r100"), ("YOLO.v8__n", "yolo-v8-n"), ("a_", "a")]
)
def test_a_models_name_becomes_an_objects_name(model: str, expected: str):
    assert object_name(model) == expected


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "no/slash"}, "model.name"),
        ({"version": ""}, "model.version"),
        ({"precision": "float16"}, "--precision float16: must be one of fp32"),
        ({"archs": ()}, "--arch: missing"),
        ({"archs": ("sm_33",)}, "sm_33"),
        ({"products": ("NVIDIA-L4",)}, "--product: 1 for 2 --arch; give one for each"),
        (
            {"products": ("NVIDIA L4", "NVIDIA-A10")},
            "--product NVIDIA L4: must be a value of the label nvidia.com/gpu.product",
        ),
    ],
)
def test_a_mistake_is_named_before_anything_is_uploaded(changes: dict[str, object], said: str):
    with pytest.raises((CliError, IgnitionError), match=said):
        request_of(**changes)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("data", "must be INPUT=MIN:OPT:MAX"),
        ("=1x3", "must be INPUT=MIN:OPT:MAX"),
        ("data=1x3:2x3", "must be INPUT=MIN:OPT:MAX"),
        ("data=1xN", "must be INPUT=MIN:OPT:MAX"),
        ("data=1x3:2x3:4", "different numbers of dimensions"),
        ("data=4x3:2x3:8x3", "min <= opt <= max"),
    ],
)
def test_a_shape_that_makes_no_sense_is_refused(option: str, said: str):
    with pytest.raises(CliError, match=said):
        shapes_of([option])
