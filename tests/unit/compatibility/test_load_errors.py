"""NVIDIA's wording of a refused load is recognised."""

import pytest

from ignition_hub.compatibility.load_errors import SAYINGS, cause_of
from ignition_hub.engine.errors import Reason

VERSION = (
    "1: [stdArchiveReader.cpp::stdArchiveReaderInitCommon::46] Error Code 1: Serialization (Serialization "
    "assertion failed. The engine plan file is not compatible with this version of TensorRT, expecting "
    "library version 10.13.3.9 got 10.13.2.6, please rebuild.)"
)
DEVICE = (
    "The engine plan file is generated on an incompatible device, expecting compute 8.9 got compute 8.6, "
    "please rebuild."
)
SKU = (
    "Using an engine plan file across different models of devices is not supported and is likely to affect "
    "performance or even cause errors."
)


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        (VERSION, "WrongTensorRT", ["10.13.2.6", "the runtime is 10.13.3.9"]),
        (DEVICE, "WrongGPU", ["for compute capability 8.6", "the GPU has 8.9"]),
        (DEVICE.replace(" ", "\n"), "WrongGPU", ["8.6"]),
        (
            "The current device only supports 14 multiprocessors but the engine file requires 108. "
            "Deadlocking is likely.",
            "WrongGPU",
            ["needs 108", "has 14"],
        ),
        (
            "The engine cannot run on this GPU, which has compute capability 9.0.",
            "WrongGPU",
            ["no code for compute capability 9.0"],
        ),
        (
            "The current device is not compatible with this hardware-compatible engine: it is too old",
            "WrongGPU",
            ["starts"],
        ),
        ("Platform specific tag mismatch detected.", "WrongPlatform", ["operating system"]),
        ("The engine is version-locked.", "WrongTensorRT", ["options.versionCompatible"]),
        ("TensorRT plan major version does not match runtime major version.", "WrongTensorRT", ["major"]),
        (
            "Cannot deserialize engine with lean runtime since "
            "IRuntime::getEngineHostCodeAllowed() is false.",
            "HostCodeNotTrusted",
            ["trust who built", "excludeLeanRuntime"],
        ),
        ("Unable to load library: libnvinfer_lean.so.10", "WrongTensorRT", ["load_runtime"]),
        (
            "Serialization assertion stdVersionRead == serializationVersion failed.Version tag does not "
            "match. Note: Current Version: 232, Serialized Engine Version: 213",
            "WrongTensorRT",
            ["plan format 213", "the runtime reads 232"],
        ),
        (
            "Failed due to an old deserialization call on a newer plan file. This might happen when the plan "
            "file was built from an older TensorRT version",
            "WrongTensorRT",
            ["for another TensorRT release only", "options.versionCompatible"],
        ),
        ("Unexpected call to stub deserializeEngine", "WrongTensorRT", ["dispatch runtime"]),
        (
            "SymbolAddress for getForwardCompatibilityHelper could not be loaded",
            "WrongTensorRT",
            ["not a lean runtime", "libnvinfer_lean"],
        ),
        (
            "Serialization assertion plan->header.magicTag == rt::kPLAN_MAGIC_TAG failed.",
            "PlanRejected",
            ["not a plan of this TensorRT"],
        ),
        (
            "Serialization assertion plan->header.size == blobSize failed.",
            "PlanRejected",
            ["truncated or corrupted"],
        ),
        (
            "Serialization assertion creator failed.Cannot deserialize plugin since corresponding "
            "IPluginCreator not found in Plugin Registry",
            "UnsupportedOperator",
            ["plugin"],
        ),
        (
            "Error Code 4: Internal Error (Engine not found in plan.)",
            "PlanRejected",
            ["corrupted"],
        ),
        ("incompatible serialization version (7)", "PlanRejected", ["ignition inspect"]),
        ("Magic tag does not match", "PlanRejected", ["corrupted"]),
        ("CUDA initialization failure with error: 35", "NoGPU", ["driver"]),
        ("Requested amount of GPU memory could not be allocated: out of memory", "OutOfMemory", ["free GPU"]),
        ("Plugin not found, are the plugin name, version correct?", "UnsupportedOperator", ["Packed"]),
    ],
)
def test_a_message_of_nvidias_has_a_reason_and_a_remedy(text, reason, words):
    known = cause_of([text])

    assert known is not None
    assert known.reason == reason
    assert [word for word in words if word not in f"{known.means}: {known.remedy}"] == []


def test_a_text_that_says_nothing_known_is_not_recognised():
    assert cause_of(["Loaded engine size: 12 MiB"]) is None


def test_the_cause_is_an_error_and_the_most_telling_one():
    cause = cause_of(["Platform specific tag mismatch", SKU, VERSION])

    assert cause is not None
    assert cause.reason is Reason.WrongTensorRT


def test_a_warning_explains_no_failure():
    assert cause_of([SKU]) is None


def test_every_saying_has_a_remedy():
    assert all(saying.remedy and saying.means for saying in SAYINGS)
