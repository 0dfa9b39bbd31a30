"""Models with external data: pushed from a disk, and read where the platform team keeps them."""

import time
from pathlib import Path

import numpy as np
import pytest

from installation.models import WEIGHTS, small_network
from installation.tenant import Tenant

pytestmark = pytest.mark.e2e

REMEMBERED = 2.0
"""Seconds for which the controller does not look at a model again."""
PROFILES = [{"batchSize": {"min": 1, "opt": 1, "max": 8}}]


def test_a_model_with_external_data_is_pushed_and_built(tenant: Tenant, tmp_path: Path) -> None:
    model = small_network(tmp_path / "apart.onnx", external=True)
    resource = tenant.push(model, name="apart", archs=("sm_86",))
    resource["spec"]["profiles"] = PROFILES
    tenant.apply(resource)
    built = tenant.manifest(tenant.wait_ready("apart")["targets"][0])["build"]["model"]

    assert resource["spec"]["model"]["source"]["uri"].endswith("/")
    assert built["size"] == model.stat().st_size
    assert [(file["name"], file["size"]) for file in built["external_data"]] == [
        (WEIGHTS, (tmp_path / WEIGHTS).stat().st_size)
    ]


def test_a_changed_data_file_makes_another_engine(tenant: Tenant, tmp_path: Path) -> None:
    model, weights = small_network(tmp_path / "shared.onnx", external=True), tmp_path / WEIGHTS
    bundle = tenant.share(weights, "net/" + WEIGHTS)["uri"].removesuffix(WEIGHTS)
    tenant.share(model, "net/shared.onnx")
    resource = {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "TensorRTEngine",
        "metadata": {"name": "before"},
        "spec": {
            "model": {"name": "shared", "version": "v1", "source": {"uri": bundle}},
            "precision": "fp16",
            "profiles": PROFILES,
            "targets": [{"gpuArch": "sm_89"}],
        },
    }
    tenant.apply(resource)
    before = tenant.wait_ready("before")["targets"][0]

    weights.write_bytes((-np.fromfile(weights, np.float32)).tobytes())
    tenant.share(weights, "net/" + WEIGHTS)
    time.sleep(REMEMBERED + 1)
    tenant.apply(resource | {"metadata": {"name": "after"}})
    after = tenant.wait_ready("after")["targets"][0]

    assert (before["source"], after["source"]) == ("Built", "Built")
    assert after["identity"] != before["identity"]
    assert after["sha256"] != before["sha256"]
