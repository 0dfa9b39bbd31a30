"""What is asked for and what is said of it: options and shorthands, plan and status, inspect."""

import json
from pathlib import Path

import pytest
import yaml

from installation.models import small_network
from installation.tenant import Tenant, ignition

pytestmark = pytest.mark.e2e

BATCH = {"min": 1, "opt": 4, "max": 8}


@pytest.fixture
def resource(tenant: Tenant, tmp_path: Path) -> dict:
    """A resource for a small network with a free batch."""
    resource = tenant.push(small_network(tmp_path / "small.onnx"), name="small", archs=("sm_89",))
    resource["spec"]["profiles"] = [{"batchSize": BATCH}]
    return resource


def test_an_engine_tells_what_it_was_built_with_and_where_it_loads(tenant: Tenant, resource: dict) -> None:
    resource["spec"]["options"] = {
        "optimizationLevel": 2,
        "workspace": "1Gi",
        "memoryPools": {"tacticSharedMemory": "48Ki"},
        "maxAuxStreams": 0,
        "profilingVerbosity": "Detailed",
    }
    tenant.apply(resource)
    target = tenant.wait_ready("small")["targets"][0]
    build = tenant.manifest(target)["build"]
    right = json.loads(tenant.inspect(target["uri"], "-o", "json", "--gpu", "NVIDIA-L4"))
    wrong = tenant.inspect(target["uri"], "--gpu", "NVIDIA-A10", expect=1)

    assert build["settings"].items() >= {
        ("optimizationLevel", 2),
        ("workspace", 1024**3),
        ("tacticSharedMemory", 48 * 1024),
        ("maxAuxStreams", 0),
        ("profilingVerbosity", "DETAILED"),
    }
    assert build["profiles"] == [
        {"shapes": {"image": {end: [size, 3, 16, 16] for end, size in BATCH.items()}}}
    ]
    assert right["signature"] == "holds"
    assert right["loads"]["gpus"] == "every sm_89 GPU"
    assert right["loads"]["verdict"]["verdict"] == "loads"
    assert "refused" in wrong


def test_plan_and_status_say_the_same_of_what_cannot_be_built(
    tenant: Tenant, resource: dict, tmp_path: Path
) -> None:
    resource["spec"] |= {
        "precision": "bf16",
        "targets": [{"gpuArch": arch} for arch in ("sm_80", "sm_75", "sm_90")],
    }
    benchmarked = resource | {
        "metadata": {"name": "measured"},
        "spec": resource["spec"] | {"verification": {"benchmark": {"seconds": 1}}},
    }
    file = tmp_path / "asked.yaml"
    file.write_text(yaml.safe_dump_all([resource, benchmarked]))
    planned = yaml.safe_load(ignition(tenant.kubectl, "plan", "-f", str(file), "-o", "yaml", expect=1))
    tenant.apply(resource, benchmarked)
    statuses = [tenant.wait_settled(name)["targets"] for name in ("small", "measured")]

    assert said_of(statuses) == [
        [(one["name"], one.get("reason"), one.get("message")) for one in engine["targets"]]
        for engine in planned["engines"]
    ]
    assert [target["reason"] for target in statuses[0]] == [
        "Built", "PrecisionUnsupportedOnArch", "FlavorCannotTarget"
    ]  # fmt: skip
    assert [target["state"] for target in statuses[0]] == ["Ready", "Unbuildable", "Unbuildable"]
    assert {target["state"] for target in statuses[1]} == {"Unbuildable"}


def said_of(statuses: list[list[dict]]) -> list[list[tuple]]:
    """Return name, reason and message of every target, reason and message of the unbuildable alone."""
    return [
        [
            (t["name"], t["reason"], t["message"]) if t["state"] == "Unbuildable" else (t["name"], None, None)
            for t in targets
        ]
        for targets in statuses
    ]
