"""Options written on a laptop and in a resource are one identity: both are checked against each other."""

from typing import Any

import pytest

from ignition_hub.api.convert import options_of, verification_of
from ignition_hub.api.v1alpha1 import TensorRTEngine
from ignition_hub.api.v1alpha1.options import Options
from ignition_hub.compatibility.option_row import OptionFields, OptionRow
from ignition_hub.compatibility.options import FIELDS, OPTION_ROWS
from ignition_hub.engine.errors import RequestError
from ignition_hub.local.options import checks_of, normalized

PIN = {"uri": "s3://models/file", "sha256": "ab" * 32}


def resource(**more: Any) -> TensorRTEngine:
    spec = {
        "model": {"name": "m", "version": "v1", "source": {"uri": "s3://models/m.onnx"}},
        "precision": "int8",
        "targets": [{"gpuArch": "sm_89"}],
        **more,
    }
    return TensorRTEngine.model_validate({"metadata": {"name": "m"}, "spec": spec})


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
        {"tacticSources": []},
        {"memoryPools": {"tacticDram": "1Gi"}},
        {"sparseWeights": True, "stripPlan": False},
        {"tilingOptimizationLevel": "None", "profilingVerbosity": "Detailed"},
        {"avgTimingIterations": 1, "maxAuxStreams": 0},
        {"calibration": {"source": PIN, "method": "entropy"}},
        {"calibration": {"source": PIN, "method": "max"}},
        {"plugins": [{"name": "b", "source": PIN}, {"name": "a", "source": PIN, "delivery": "Packed"}]},
        {"plugins": [{"name": "a", "source": PIN, "delivery": "External"}]},
    ],
)
def test_the_same_options_are_the_same_identity_as_in_a_cluster(options: dict[str, Any]) -> None:
    assert normalized(options) == options_of(resource(options=options))


@pytest.mark.parametrize("row", OPTION_ROWS, ids=lambda row: row.name)
def test_every_option_asked_for_is_kept_here_and_in_a_cluster(row: OptionRow) -> None:
    asked = with_pins(row.example)
    kept = normalized({row.option: asked})

    assert kept == options_of(resource(options={row.option: asked})) == {row.option: asked}


def with_pins(example: Any) -> Any:
    """Return what a row asks for with its files pinned, as both sides require."""
    if isinstance(example, list):
        return [with_pins(one) for one in example]
    if isinstance(example, dict) and not example.keys().isdisjoint({"name", "source"}):
        return {**example, "source": {**PIN, **example.get("source", {})}}
    return example


@pytest.mark.parametrize(
    "verification",
    [
        {},
        {"accuracy": {}},
        {"accuracy": {"rtol": 0.01, "quantile": 0.999}},
        {"accuracy": {"agreement": 0.99}},
        {"accuracy": {"inputs": {"source": PIN}}},
        {"benchmark": {}},
        {"benchmark": {"seconds": 9, "maxLatency": "4ms"}},
        {"accuracy": {}, "benchmark": None},
    ],
)
def test_the_same_checks_are_the_same_identity_as_in_a_cluster(verification: dict[str, Any]) -> None:
    assert checks_of(verification) == verification_of(resource(verification=verification))


@pytest.mark.parametrize(
    "verification",
    [
        {"speed": {}},
        {"accuracy": True},
        {"accuracy": {"tolerance": 1}},
        {"accuracy": {"against": "memory"}},
        {"accuracy": {"rtol": "abc"}},
        {"accuracy": {"atol": -1}},
        {"accuracy": {"quantile": 0}},
        {"accuracy": {"agreement": 1.5}},
        {"accuracy": {"rtol": float("nan")}},
        {"benchmark": {"seconds": True}},
        {"benchmark": {"maxLatency": "soon"}},
    ],
)
def test_a_wrong_check_is_named_with_what_would_work(verification: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=rf"verification.*{next(iter(verification))}") as caught:
        checks_of(verification)
    assert caught.value.remedy


def defaults_of(fields: OptionFields) -> dict[str, Any]:
    return {
        name: field.default if isinstance(field, OptionRow) else defaults_of(field)
        for name, field in fields.items()
    }


def test_every_default_written_out_changes_nothing() -> None:
    assert normalized(defaults_of(FIELDS)) == {}


@pytest.mark.parametrize("name", [field.alias for field in Options.model_fields.values()])
def test_a_laptop_knows_every_option_of_a_cluster_and_its_default(name: str) -> None:
    default = Options().model_dump(by_alias=True, exclude_none=True).get(name)

    assert normalized({name: default}) == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimisationLevel": 5}, "options.optimisationLevel: 5: unknown option"),
        ({"workspace": "a lot"}, "options.workspace: 'a lot': not a quantity"),
        ({"versionCompatible": True}, "options.versionCompatible: True: not an object"),
        ({"versionCompatible": {"lean": True}}, "options.versionCompatible.lean: True: unknown option"),
    ],
)
def test_a_wrong_option_is_named_with_what_would_work(options: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as caught:
        normalized(options)

    assert words in caught.value.message
    assert caught.value.remedy
