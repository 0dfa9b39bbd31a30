"""Options written on a laptop and in a resource are one identity: both are checked against each other."""

from typing import Any

import pytest

from ignition_hub.api.convert import options_of
from ignition_hub.api.v1alpha1 import TensorRTEngine
from ignition_hub.engine.errors import RequestError
from ignition_hub.local.options import DEFAULTS, normalized


def in_a_cluster(options: dict[str, Any]) -> dict[str, Any]:
    spec = {
        "model": {"name": "m", "version": "v1", "source": {"uri": "s3://models/m.onnx"}},
        "precision": "fp16",
        "targets": [{"gpuArch": "sm_89"}],
        "options": options,
    }
    return options_of(TensorRTEngine.model_validate({"metadata": {"name": "m"}, "spec": spec}))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizationLevel": 3},
        {"optimizationLevel": 5, "workspace": "4Gi"},
        {"workspace": "4096Mi"},
        {"workspace": 1024},
        {"versionCompatible": {"enabled": False}},
        {"versionCompatible": {"enabled": True, "excludeLeanRuntime": False}},
        {"versionCompatible": {"enabled": True, "excludeLeanRuntime": True}},
        {"failOnWarnings": ["WeightsTruncated", "Int64Clamped"]},
        {"failOnWarnings": []},
        {"tacticSources": ["JIT_CONVOLUTIONS", "CUDNN"]},
        {"memoryPools": {"tacticDram": "1Gi"}},
        {"sparseWeights": True, "stripPlan": False},
        {"tilingOptimizationLevel": "None", "profilingVerbosity": "Detailed"},
        {"avgTimingIterations": 1, "maxAuxStreams": 0},
    ],
)
def test_the_same_options_are_the_same_identity_as_in_a_cluster(options: dict[str, Any]) -> None:
    assert normalized(options) == in_a_cluster(options)


def test_every_default_written_out_changes_nothing() -> None:
    assert normalized(DEFAULTS) == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimisationLevel": 5}, "options.optimisationLevel: 5: unknown option"),
        ({"workspace": "a lot"}, "options.workspace: 'a lot': not a quantity"),
        ({"versionCompatible": True}, "options.versionCompatible: True: not an object"),
    ],
)
def test_a_wrong_option_is_named_with_what_would_work(options: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as caught:
        normalized(options)

    assert words in caught.value.message
    assert caught.value.remedy
