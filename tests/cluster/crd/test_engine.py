"""Every rule on a TensorRTEngine, on a real API server: what is accepted, what is refused, in which words."""

import copy
from typing import Any

import pytest

from ignition_hub.api.convert import target_name
from ignition_hub.api.v1alpha1 import TargetSpec, TensorRTEngine
from largestengine import RANGES, largest_engine

pytestmark = pytest.mark.cluster

DIGEST = "9f2c" * 16
DATA = {"uri": "s3://models/data.npz", "sha256": DIGEST}
BATCH = {"min": 1, "opt": 8, "max": 32}
RANGE = {"min": [1], "opt": [8], "max": [32]}


def engine(path: str = "", value: Any = None) -> dict[str, Any]:
    """Return the least engine that works, with ``value`` put at the dotted ``path``."""
    body: dict[str, Any] = {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "TensorRTEngine",
        "metadata": {"name": "arcface-r100", "namespace": "default"},
        "spec": {
            "model": {"name": "arcface_r100", "version": "v1.0", "source": {"uri": "s3://models/a.onnx"}},
            "precision": "fp16",
            "targets": [{"gpuArch": "sm_89"}],
        },
    }
    return put(body, path, value)


def put(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return ``body`` with ``value`` at ``path``; None removes."""
    body = copy.deepcopy(body)
    *parents, last = path.split(".") if path else [""]
    place = body
    for parent in parents:
        place = place.setdefault(parent, {})
    if path and value is None:
        del place[last]
    elif path:
        place[last] = value
    return body


def shapes(smallest: list[int], usual: list[int], largest: list[int]) -> list[Any]:
    return [{"shapes": {"data": {"min": smallest, "opt": usual, "max": largest}}}]


ACCEPTED = [
    ("spec.model.source.uri", "s3://models/a/b.onnx"),
    ("spec.model.source.uri", "s3://models/bundle/"),
    ("spec.model.source.uri", "s3://models/a@b/c d.onnx".replace(" ", "%20")),
    ("spec.model.source.sha256", DIGEST),
    ("spec.model.name", "A"),
    ("spec.model.name", "a" * 63),
    *[("spec.precision", one) for one in ("fp32", "tf32", "bf16", "int8", "fp8", "int4", "fp4")],
    ("spec.profiles", shapes([1, 3, 112, 112], [32, 3, 112, 112], [64, 3, 112, 112])),
    ("spec.profiles", shapes([], [], [])),
    ("spec.profiles", shapes([0], [0], [0])),
    ("spec.profiles", shapes([1] * 8, [2] * 8, [2] * 8)),
    ("spec.profiles", [{"batchSize": BATCH}]),
    ("spec.profiles", [{"maxSequenceLength": 512}]),
    ("spec.profiles", [{"values": {"size": {"min": [-1, 0], "opt": [1, 64], "max": [1, 128]}}}]),
    ("spec.profiles", [shapes([1], [2], [4])[0] | {"batchSize": BATCH, "maxSequenceLength": 1}]),
    ("spec.tensorrt", {"flavor": "TensorRT", "version": "10.13.2"}),
    ("spec.tensorrt", {"flavor": "TensorRTRTX", "version": "1.7"}),
    ("spec.tensorrt", {"version": "10"}),
    ("spec.tensorrt", {"flavor": "TensorRT"}),
    ("spec.targets", [{"gpuArch": "sm_89"}, {"gpuArch": "sm_86"}]),
    ("spec.targets", [{"gpuArch": "sm_89"}, {"gpuArch": "sm_89", "product": "NVIDIA-L4"}]),
    ("spec.targets", [{"gpuArch": "sm_89"}, {"gpuArch": "sm_89", "name": "other"}]),
    ("spec.targets", [{"gpuArch": "sm_87", "product": "Jetson-Orin-NX-16GB", "compatibility": "Product"}]),
    ("spec.targets", [{"gpuArch": "sm_80", "compatibility": "AmperePlus"}]),
    ("spec.targets", [{"gpuArch": "sm_120", "compatibility": "AmperePlus"}]),
    ("spec.targets", [{"gpuArch": "sm_89", "name": f"t{number}"} for number in range(64)]),
    ("spec.options.optimizationLevel", 5),
    ("spec.options.workspace", "4Gi"),
    ("spec.options.workspace", "1.5Gi"),
    ("spec.options.workspace", 4294967296),
    ("spec.options.versionCompatible", {"enabled": True, "excludeLeanRuntime": True}),
    ("spec.options.plugins", [{"name": "attention", "source": DATA}]),
    ("spec.options.plugins", [{"name": "attention", "source": DATA, "delivery": "External"}]),
    ("spec.options.memoryPools", {"tacticSharedMemory": "48Ki", "tacticDram": "2Gi"}),
    ("spec.options", {"sparseWeights": True, "maxAuxStreams": 0, "avgTimingIterations": 100}),
    *[("spec.options.refit", one) for one in ("Refit", "RefitIdentical", "RefitIndividual")],
    ("spec.options", {"refit": "Refit", "stripPlan": True, "weightStreaming": False}),
    ("spec.options.weightStreaming", True),
    ("spec.options.tacticSources", []),
    ("spec.options.tacticSources", ["CUBLAS", "CUBLAS_LT", "CUDNN", "EDGE_MASK_CONVOLUTIONS"]),
    *[("spec.options.tilingOptimizationLevel", one) for one in ("None", "Fast", "Moderate", "Full")],
    ("spec.options.maxNumTactics", 1),
    *[("spec.options.profilingVerbosity", one) for one in ("LayerNamesOnly", "Detailed", "None")],
    ("spec.options.runtimePlatform", "WindowsAMD64"),
    (
        "spec.options",
        {
            "runtimePlatform": "WindowsAMD64",
            "versionCompatible": {"enabled": True, "excludeLeanRuntime": True},
        },
    ),
    ("spec.options", {"runtimePlatform": "SameAsBuild", "versionCompatible": {"enabled": True}}),
    ("spec.options.failOnWarnings", ["Int64Clamped"]),
    ("spec.verification", {"accuracy": {}, "benchmark": {}}),
    ("spec.verification.accuracy", {"rtol": 5e-3, "atol": 0, "inputs": {"source": DATA}}),
    ("spec.verification.benchmark", {"seconds": 5, "maxLatency": "4ms"}),
    ("spec.build.timeout", "1h30m"),
    ("spec.build", {"retries": 0, "queueName": "gpu-builds", "priorityClassName": "low"}),
    *[("spec.build.timingCache", one) for one in ("ReadWrite", "ReadOnly", "Locked", "Off")],
    ("spec.deletionPolicy", "Delete"),
    ("spec.suspend", True),
]

NO_CREDENTIALS = "must carry no user name or password: the hub reads with its own credentials"
NO_QUERY = "must carry no query and no fragment: a signed URL expires, the hub reads with its own credentials"
NO_DOTS = "must have no empty, . or .. part between slashes: the path has to name one object"
CONTRADICTION = "version and flavor contradict each other: TensorRT-RTX counts from 1, TensorRT from 8"
SAME_NAME = (
    "two targets have the same name (left out, it is the product or the architecture): give one a name"
)

REFUSED = [
    ("spec.model", None, "spec.model: Required value"),
    ("spec.model.name", "../engine", "spec.model.name in body should match"),
    ("spec.model.name", ".hidden", "spec.model.name in body should match"),
    ("spec.model.name", "a" * 64, "Too long: may not be more than 63 bytes"),
    ("spec.model.version", None, "spec.model.version: Required value"),
    ("spec.model.source.uri", "file:///etc/passwd", "must start with s3://; upload a local file"),
    ("spec.model.source.uri", "http://models/a.onnx", "must start with s3://; upload a local file"),
    ("spec.model.source.uri", "https://models.example.com/a/b.onnx", "must start with s3://; upload a local"),
    ("spec.model.source.uri", "s3://models", "must name a bucket and an object"),
    ("spec.model.source.uri", "s3:///a.onnx", "must name a bucket and an object"),
    ("spec.model.source.uri", "s3://me:secret@models/a.onnx", NO_CREDENTIALS),
    ("spec.model.source.uri", "s3://models/a.onnx?X-Amz-Signature=1", NO_QUERY),
    ("spec.model.source.uri", "s3://models/a.onnx#top", NO_QUERY),
    ("spec.model.source.uri", "s3://models/../secrets/a.onnx", NO_DOTS),
    ("spec.model.source.uri", "s3://models/a/%2E%2e/a.onnx", NO_DOTS),
    ("spec.model.source.uri", "s3://models/vision//a.onnx", NO_DOTS),
    ("spec.model.source.uri", "s3://models/a b.onnx", "must have no blanks or control characters"),
    ("spec.model.source.uri", "s3://models/a\n.onnx", "must have no blanks or control characters"),
    ("spec.model.source", {"uri": "s3://models/b/", "sha256": DIGEST}, "sha256 pins one file"),
    ("spec.model.source.sha256", DIGEST.upper(), "spec.model.source.sha256 in body should match"),
    ("spec.model.source.sha256", "9f2c", "spec.model.source.sha256 in body should match"),
    ("spec.precision", None, "spec.precision: Required value"),
    ("spec.precision", "half", 'Unsupported value: "half": supported values: "fp32", "tf32", "fp16"'),
    ("spec.profiles", shapes([1, 3], [1, 3, 4], [1, 3]), "min, opt and max must have the same number"),
    ("spec.profiles", shapes([2], [1], [4]), "every dimension must satisfy min <= opt <= max"),
    ("spec.profiles", shapes([1, 1], [1, 5], [1, 4]), "every dimension must satisfy min <= opt <= max"),
    ("spec.profiles", shapes([1] * 7 + [2], [1] * 8, [1] * 8), "every dimension must satisfy"),
    ("spec.profiles", shapes([1] * 9, [1] * 9, [1] * 9), "must have at most 8 items"),
    ("spec.profiles", shapes([-1], [1], [1]), "should be greater than or equal to 0"),
    ("spec.profiles", [{"shapes": {}}], "should have at least 1 properties"),
    ("spec.profiles", [{}], "a profile needs shapes, values, batchSize or maxSequenceLength"),
    ("spec.profiles", [{"batchSize": BATCH | {"min": 0}}], "should be greater than or equal to 1"),
    ("spec.profiles", [{"batchSize": BATCH | {"opt": 64}}], "batchSize must satisfy min <= opt <= max"),
    ("spec.profiles", [{"batchSize": {"max": 8}}], "batchSize.min: Required value"),
    ("spec.profiles", [{"maxSequenceLength": 0}], "should be greater than or equal to 1"),
    (
        "spec.profiles",
        [{"values": {"n": {"min": [2], "opt": [1], "max": [3]}}}],
        "every dimension must satisfy min <= opt <= max",
    ),
    ("spec.profiles", [{"shapes": {"x" * 254: {"min": [], "opt": [], "max": []}}}], "at most 253 characters"),
    ("spec.tensorrt.version", "latest", "spec.tensorrt.version in body should match"),
    ("spec.tensorrt.version", 10.1, "spec.tensorrt.version in body must be of type string"),
    ("spec.tensorrt", {"flavor": "TensorRTRTX", "version": "10.13"}, CONTRADICTION),
    ("spec.tensorrt", {"flavor": "TensorRT", "version": "1.7"}, CONTRADICTION),
    ("spec.targets", [], "should have at least 1 items"),
    (
        "spec.targets",
        [{"gpuArch": "sm_89", "name": f"t{n}"} for n in range(65)],
        "must have at most 64 items",
    ),
    ("spec.targets", [{"gpuArch": "sm_89"}, {"gpuArch": "sm_89"}], SAME_NAME),
    ("spec.targets", [{"gpuArch": "sm_89"}, {"gpuArch": "sm_86", "name": "sm-89"}], SAME_NAME),
    ("spec.targets", [{"gpuArch": "ampere"}], "gpuArch in body should match"),
    ("spec.targets", [{"gpuArch": "sm_8.9"}], "gpuArch in body should match"),
    ("spec.targets", [{}], "spec.targets[0].gpuArch: Required value"),
    ("spec.targets", [{"gpuArch": "sm_89", "name": "L4"}], "name in body should match"),
    ("spec.targets", [{"gpuArch": "sm_89", "product": "NVIDIA L4"}], "product in body should match"),
    (
        "spec.targets",
        [{"gpuArch": "sm_89", "compatibility": "Product"}],
        "compatibility Product builds for one",
    ),
    ("spec.targets", [{"gpuArch": "sm_75", "compatibility": "AmperePlus"}], "AmperePlus starts at sm_80"),
    ("spec.targets", [{"gpuArch": "sm_89", "compatibility": "Any"}], 'Unsupported value: "Any"'),
    ("spec.options.optimizationLevel", 6, "should be less than or equal to 5"),
    ("spec.options.workspace", "4 GB", "spec.options.workspace in body should match"),
    ("spec.options.workspace", "0", "must be a quantity above zero, for example 4Gi"),
    ("spec.options.workspace", -1, "must be a quantity above zero, for example 4Gi"),
    (
        "spec.options.versionCompatible",
        {"excludeLeanRuntime": True},
        "excludeLeanRuntime needs enabled: true",
    ),
    ("spec.options.memoryPools.tacticDram", "0", "must be a quantity above zero, for example 4Gi"),
    ("spec.options.refit", "Always", 'Unsupported value: "Always"'),
    ("spec.options.tacticSources", ["CUFFT"], 'Unsupported value: "CUFFT"'),
    ("spec.options.tacticSources", ["CUDNN", "CUDNN"], "Duplicate value"),
    ("spec.options.tilingOptimizationLevel", "Best", 'Unsupported value: "Best"'),
    ("spec.options.maxNumTactics", 0, "should be greater than or equal to 1"),
    ("spec.options.maxAuxStreams", 65, "should be less than or equal to 64"),
    ("spec.options.avgTimingIterations", 101, "should be less than or equal to 100"),
    ("spec.options.profilingVerbosity", "All", 'Unsupported value: "All"'),
    ("spec.options.runtimePlatform", "MacOS", 'Unsupported value: "MacOS"'),
    (
        "spec.options",
        {"runtimePlatform": "WindowsAMD64", "versionCompatible": {"enabled": True}},
        "a version compatible engine for Windows needs excludeLeanRuntime: true",
    ),
    ("spec.options.plugins", [{"name": "a", "source": DATA, "delivery": "Copied"}], "Unsupported value"),
    ("spec.options.calibration", {"source": DATA}, "calibration is for int8; fp8, int4"),
    ("spec.options.plugins", [{"name": "a", "source": {"uri": "s3://m/a.so"}}], "sha256: Required value"),
    ("spec.options.plugins", [{"name": "a", "source": DATA}] * 2, "Duplicate value"),
    (
        "spec.options.plugins",
        [{"name": "a", "source": DATA | {"uri": "s3://m/a/"}}],
        "must name one file, and not end in /",
    ),
    ("spec.options.failOnWarnings", ["int64"], "failOnWarnings[0] in body should match"),
    ("spec.options.failOnWarnings", ["Int64Clamped"] * 2, "Duplicate value"),
    ("spec.verification.accuracy.against", "torch", 'Unsupported value: "torch"'),
    ("spec.verification.accuracy.rtol", -0.1, "should be greater than or equal to 0"),
    ("spec.verification.benchmark.seconds", 0, "should be greater than or equal to 1"),
    ("spec.verification.benchmark.maxLatency", "0ms", "must be longer than 0s, for example 4ms"),
    ("spec.verification.benchmark.maxLatency", "fast", "maxLatency in body should match"),
    ("spec.build.timeout", "30s", "must lie between 1m and 24h"),
    ("spec.profiles", [{"shapes": {"a\tb": RANGE}}], "the name of an input has no control characters"),
    ("spec.build.timeout", "25h", "must lie between 1m and 24h"),
    ("spec.build.timeout", "2 hours", "spec.build.timeout in body should match"),
    ("spec.build.retries", 11, "should be less than or equal to 10"),
    ("spec.build.queueName", "GPU", "spec.build.queueName in body should match"),
    ("spec.build.priorityClassName", "system-node-critical", "reserved for the cluster's own components"),
    ("spec.build.timingCache", "On", 'Unsupported value: "On"'),
    ("spec.deletionPolicy", "Orphan", 'Unsupported value: "Orphan"'),
    ("spec.image", "registry.example.com/mine", 'unknown field "spec.image"'),
    ("spec.build.nodeName", "gpu-1", 'unknown field "spec.build.nodeName"'),
    ("spec.model.source.namespace", "others", 'unknown field "spec.model.source.namespace"'),
]


def test_the_least_that_works_is_accepted(api: Any) -> None:
    answer = api.create(engine())

    assert answer.status == 201, answer.message


@pytest.mark.parametrize(("path", "value"), ACCEPTED)
def test_what_the_documentation_allows_is_accepted(api: Any, path: str, value: Any) -> None:
    answer = api.create(engine(path, value))

    assert answer.status == 201, answer.message


@pytest.mark.parametrize(("path", "value", "message"), REFUSED)
def test_nonsense_is_refused_and_the_field_named(api: Any, path: str, value: Any, message: str) -> None:
    answer = api.create(engine(path, value))

    assert answer.status in {400, 422}
    assert message in answer.message
    assert path.split(".")[1] in answer.message


def test_calibration_goes_with_int8(api: Any) -> None:
    body = put(engine("spec.precision", "int8"), "spec.options.calibration", {"source": DATA})

    answer = api.create(body)

    assert answer.status == 201, answer.message


@pytest.mark.parametrize("precision", ["fp8", "int4", "fp16"])
def test_calibration_for_any_other_precision_is_refused(api: Any, precision: str) -> None:
    body = put(engine("spec.precision", precision), "spec.options.calibration", {"source": DATA})

    answer = api.create(body)

    assert answer.status == 422
    assert "calibration is for int8; fp8, int4 and fp4 need a model with Q/DQ nodes" in answer.message


@pytest.mark.parametrize("product", ["NVIDIA-L4", "Tesla_T4", "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"])
def test_the_schema_and_the_code_agree_on_default_names(api: Any, product: str) -> None:
    unnamed = {"gpuArch": "sm_89", "product": product}
    name = target_name(TargetSpec.model_validate(unnamed))

    answer = api.create(engine("spec.targets", [unnamed, {"gpuArch": "sm_86", "name": name}]))

    assert SAME_NAME in answer.message


def test_the_largest_engine_is_accepted(api: Any) -> None:
    answer = api.create(largest_engine())

    assert answer.status == 201, answer.message


def test_one_range_more_is_refused_with_the_fields_and_what_would_work(api: Any) -> None:
    answer = api.create(largest_engine(ranges=RANGES + 1))

    assert answer.status == 422
    assert "spec.profiles" in answer.message
    assert "shapes and values of all profiles together are too large for a build request" in answer.message
    assert "use fewer profiles, leave out inputs of fixed shape" in answer.message


def test_one_byte_more_of_a_plugins_address_is_refused(api: Any) -> None:
    body = largest_engine()
    body["spec"]["options"]["plugins"][0]["source"]["uri"] += "x"

    answer = api.create(body)

    assert answer.status == 422
    assert "spec.options.plugins" in answer.message
    assert "store the libraries under shorter keys" in answer.message


def test_characters_of_any_script_count_by_their_bytes(api: Any) -> None:
    names = [f"{number}" + "\U0001f600" * 250 for number in range(4)]
    profiles = [{"values": dict.fromkeys(names, RANGE)}] * 8

    answer = api.create(engine("spec.profiles", profiles))

    assert answer.status == 422
    assert "too large for a build request" in answer.message


def test_defaults_are_filled_in_and_nothing_else(api: Any) -> None:
    spec = api.create(engine()).body["spec"]

    assert spec == engine()["spec"] | {
        "deletionPolicy": "Retain",
        "suspend": False,
        "targets": [{"gpuArch": "sm_89", "compatibility": "SameComputeCapability"}],
    }


def test_a_fresh_engine_is_not_yet_observed(api: Any) -> None:
    assert api.create(engine()).body["status"] == {"observedGeneration": -1}


def test_the_schema_and_the_models_have_the_same_defaults(api: Any) -> None:
    body = engine()
    body["spec"] |= {"options": {"versionCompatible": {}}, "build": {}, "tensorrt": {}, "verification": {}}

    completed = TensorRTEngine.model_validate(api.create(body).body)

    assert completed.spec == TensorRTEngine.model_validate(engine()).spec
