"""What people and tools see of an engine on a real API server: columns, selectors, explanations, status."""

import json
from typing import Any

import pytest

from ignition_hub.api.summary import summary_of
from ignition_hub.api.v1alpha1 import TensorRTEngine

pytestmark = pytest.mark.cluster

TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
NOW = "2026-01-02T03:04:05Z"


def engine(namespace: str, name: str = "arcface", precision: str = "fp16") -> dict[str, Any]:
    return {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "TensorRTEngine",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "model": {"name": name, "version": "v1", "source": {"uri": "s3://models/a.onnx"}},
            "precision": precision,
            "targets": [{"gpuArch": "sm_86"}, {"gpuArch": "sm_89"}],
        },
    }


def ready_status() -> dict[str, Any]:
    """Return a status as the controller writes it, with every field used once."""
    target = {
        "name": "sm-86",
        "state": "Ready",
        "reason": "Built",
        "message": "built in 3m33s",
        "gpuArch": "sm_86",
        "compatibility": "SameComputeCapability",
        "tensorrt": {"flavor": "TensorRTRTX", "version": "1.7.1.116"},
        "pool": "cpu",
        "tier": "Bulk",
        "identity": "5f" * 32,
        "uri": "s3://engines/ignition/engines/arcface/x.trt",
        "sha256": "9d21" * 16,
        "sizeBytes": 104857600,
        "source": "Built",
        "builtOn": {"tensorrt": "1.7.1.116"},
        "buildSeconds": 213,
        "accuracy": {"compared": "Engine", "maxAbsolute": 0.001235, "maxRelative": 0.5},
        "benchmark": {"medianMilliseconds": 1.235, "p99Milliseconds": 2.0, "perSecond": 810},
        "warnings": [{"code": "Int64Clamped", "count": 2}],
        "lastTransitionTime": NOW,
    }
    building = {
        "name": "sm-89",
        "state": "Building",
        "reason": "Building",
        "gpuArch": "sm_89",
        "progress": {"phase": "Building engine", "percent": 42},
    }
    condition = {
        "type": "Ready",
        "status": "False",
        "observedGeneration": 1,
        "lastTransitionTime": NOW,
        "reason": "Building",
        "message": "1 of 2 targets is ready",
    }
    return {
        "observedGeneration": 1,
        "conditions": [condition],
        "readyTargets": "1/2",
        "targets": [target, building],
        "summary": summary_of([target, building]),
        "lastHandledRebuild": NOW,
    }


def create(api: Any, body: dict[str, Any]) -> None:
    answer = api.create(body, keep=True)
    assert answer.status == 201, answer.message


def patch_status(api: Any, body: dict[str, Any], status: dict[str, Any]) -> Any:
    path = api.path(body, body["metadata"]["name"]) + "/status?fieldValidation=Strict"
    return api.ask("PATCH", path, {"status": status}, media="application/merge-patch+json")


def test_a_whole_status_is_kept_and_read_back(api: Any, namespace: str) -> None:
    body, status = engine(namespace), ready_status()
    create(api, body)

    answer = patch_status(api, body, status)

    assert answer.status == 200, answer.message
    assert answer.body["status"] == status
    assert TensorRTEngine.model_validate(answer.body).status.targets[0].size_bytes == 104857600


def test_a_status_write_changes_no_generation(api: Any, namespace: str) -> None:
    body = engine(namespace)
    create(api, body)

    answer = patch_status(api, body, ready_status())

    assert answer.body["metadata"]["generation"] == 1


def test_a_write_to_the_object_leaves_the_status_alone(api: Any, namespace: str) -> None:
    body = engine(namespace)
    create(api, body)

    path = api.path(body, "arcface")
    answer = api.ask("PATCH", path, {"status": ready_status()}, media="application/merge-patch+json")

    assert answer.body["status"] == {"observedGeneration": -1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": [{"name": "a", "state": "Done"}]}, 'Unsupported value: "Done"'),
        ({"targets": [{"name": "a", "state": "Ready"}] * 2}, "Duplicate value"),
        ({"phase": "Running"}, 'unknown field "status.phase"'),
    ],
)
def test_a_status_outside_the_schema_is_refused(
    api: Any, namespace: str, change: dict[str, Any], message: str
) -> None:
    body = engine(namespace)
    create(api, body)

    answer = patch_status(api, body, ready_status() | change)

    assert answer.status in {400, 422}
    assert message in answer.message


def test_columns_show_an_engine_in_one_line(api: Any, namespace: str) -> None:
    body = engine(namespace)
    create(api, body)
    patch_status(api, body, ready_status())

    table = api.ask("GET", api.path(body), accept=TABLE).body
    names = [column["name"] for column in table["columnDefinitions"]]
    shown = dict(zip(names, table["rows"][0]["cells"], strict=True))
    narrow = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]

    assert narrow == ["Name", "Model", "GPU", "Precision", "Ready", "Reason", "Progress", "Age"]
    assert shown | {"Age": ""} == {
        "Name": "arcface",
        "Model": "arcface",
        "GPU": "sm_86,sm_89",
        "Precision": "fp16",
        "Ready": "False",
        "Reason": "Building",
        "Progress": "1/2",
        "Age": "",
        "Added": None,
        "TensorRT": "1.7.1.116",
        "Size": "100Mi",
        "Build time": "3m33s",
        "Digest": "9d219d219d21",
        "Message": "1 of 2 targets is ready",
    }


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("spec.precision=fp16", {"one"}),
        ("spec.precision=int8", {"two"}),
        ("spec.model.name=two", {"two"}),
        ("spec.model.version=v1", {"one", "two"}),
        ("spec.model.name=one,spec.precision=int8", set()),
    ],
)
def test_engines_can_be_selected_by_field(api: Any, namespace: str, selector: str, found: set[str]) -> None:
    create(api, engine(namespace, "one"))
    create(api, engine(namespace, "two", precision="int8"))

    answer = api.ask("GET", f"{api.path(engine(namespace))}?fieldSelector={selector}")

    assert {item["metadata"]["name"] for item in answer.body["items"]} == found


def test_two_writers_of_a_status_own_their_own_condition(api: Any, namespace: str) -> None:
    body = engine(namespace)
    create(api, body)
    patch_status(api, body, ready_status())
    stalled = ready_status()["conditions"][0] | {"type": "Stalled"}
    identity = {name: body[name] for name in ("apiVersion", "kind")} | {"metadata": {"name": "arcface"}}

    path = f"{api.path(body, 'arcface')}/status?fieldManager=other"
    applied = identity | {"status": {"conditions": [stalled]}}
    answer = api.ask("PATCH", path, applied, media="application/apply-patch+yaml")

    assert {condition["type"] for condition in answer.body["status"]["conditions"]} == {"Ready", "Stalled"}
    assert answer.body["status"]["readyTargets"] == "1/2"


def test_kubectl_knows_the_short_name_and_the_category(control_plane: Any, api: Any, namespace: str) -> None:
    create(api, engine(namespace))

    for word in ("trte", "ignition"):
        found = json.loads(control_plane.kubectl("get", word, "--namespace", namespace, "-o", "json"))
        assert "arcface" in [item["metadata"]["name"] for item in found["items"]]


def test_kubectl_explains_a_field_with_its_default_and_an_example(control_plane: Any) -> None:
    text = " ".join(control_plane.kubectl("explain", "trte.spec.options.workspace").split())

    assert "Limit of the workspace memory pool" in text
    assert "Default: all memory of the device. Example: 4Gi" in text
