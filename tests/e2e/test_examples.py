"""The files in ``examples/``, applied as they stand: models of the right shape lie where they say."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ignition_hub.engine.sources import parse_s3_uri
from installation.hub import ROOT, Hub
from installation.kubectl import eventually
from installation.models import images, small_network, small_text_network
from installation.tenant import Tenant

pytestmark = pytest.mark.e2e

BUCKET = "models"
NAMESPACE = "vision"
"""The one that ``examples/store.yaml`` opens the models to."""


@pytest.fixture(scope="module")
def vision(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """A namespace with what the examples name in the bucket, and their engines applied."""
    hub.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    files = files_in(tmp_path_factory.mktemp("models"))
    with hub.bucket() as s3:
        s3.create_bucket(Bucket=BUCKET)
        for uri, path in files.items():
            s3.put_object(Bucket=BUCKET, Key=parse_s3_uri(uri).key, Body=path.read_bytes())
    tenant = Tenant(hub, NAMESPACE)
    for path in sorted((ROOT / "examples").glob("engine*.yaml")):
        tenant.apply(pinned(yaml.safe_load(path.read_text()), files))
    yield tenant
    hub.kubectl.delete("namespace", NAMESPACE)


def files_in(folder: Path) -> dict[str, Path]:
    """Write a file for each address that an example reads from."""
    at = "s3://models/vision/"
    bert = "s3://models/public/bert_base/"
    return {
        at + "arcface_r100.onnx": small_network(folder / "arcface.onnx", name="data", size=112),
        at + "detector.onnx": small_network(folder / "detector.onnx"),
        at + "detector-calibration.npz": images(folder / "calibration.npz", 32),
        at + "detector-inputs.npz": images(folder / "inputs.npz", 4, seed=2),
        bert + "bert.onnx": small_text_network(folder / "bert.onnx"),
        bert + "weights.bin": folder / "weights.bin",
    }


def pinned(document: Any, files: dict[str, Path]) -> Any:
    """Return a document with the digests that the files really have."""
    if isinstance(document, list):
        return [pinned(item, files) for item in document]
    if not isinstance(document, dict):
        return document
    found = {name: pinned(value, files) for name, value in document.items()}
    if "sha256" in found and found.get("uri") in files:
        found["sha256"] = hashlib.sha256(files[found["uri"]].read_bytes()).hexdigest()
    return found


def test_the_engine_is_built_for_both_gpus(vision: Tenant) -> None:
    targets = vision.wait_ready("arcface-r100")["targets"]
    shapes = vision.manifest(targets[0])["build"]["profiles"][0]["shapes"]["data"]

    assert [target["name"] for target in targets] == ["sm-86", "sm-89"]
    assert shapes["max"] == [64, 3, 112, 112]


def test_the_shorthand_becomes_shapes(vision: Tenant) -> None:
    target = vision.wait_ready("bert-base")["targets"][0]

    assert vision.manifest(target)["build"]["profiles"] == [
        {"shapes": {"tokens": {"min": [1, 1], "opt": [8, 512], "max": [32, 512]}}}
    ]


def test_the_int8_engine_is_quantized_and_passes_its_check(vision: Tenant) -> None:
    build = vision.manifest(vision.wait_ready("detector-int8")["targets"][0])["build"]

    assert (build["converter"]["path"], build["checked"]) == ("Quantized", "model")
    assert build["accuracy"]["quantile"] == 0.999


def test_the_plugin_needs_a_place_that_the_platform_team_listed(vision: Tenant) -> None:
    target = vision.wait_settled("detector")["targets"][0]

    assert (target["state"], target["reason"]) == ("Failed", "SourceForbidden")
    assert "pluginSources" in target["message"]


def test_the_deployments_pods_hold_the_engine_of_their_gpu(vision: Tenant) -> None:
    vision.wait_ready("arcface-r100")
    vision.apply(yaml.safe_load((ROOT / "examples" / "deployment.yaml").read_text()))

    def fetched() -> list[dict] | None:
        pods = vision.kubectl.list("pods", NAMESPACE, labels="app.kubernetes.io/name=face-server")
        states = [s for pod in pods for s in pod.get("status", {}).get("initContainerStatuses", [])]
        done = [state for state in states if state["state"].get("terminated", {}).get("exitCode") == 0]
        return pods if len(done) == len(pods) == 2 else None

    pods = eventually(fetched, within=120, what="two fetchers to end well")
    server = pods[0]["spec"]["containers"][0]

    assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["gpu-a10", "gpu-l4"]
    assert {"name": "IGNITION_ENGINE_ARCFACE_R100", "value": "/engines/arcface-r100/model.engine"} in server[
        "env"
    ]
