"""Precision and checks: what the manifest says of a quantized engine, and a check that does not hold."""

from pathlib import Path

import pytest

from installation.hub import BUCKET, BUILDS, PREFIX
from installation.models import images, small_network
from installation.tenant import Tenant

pytestmark = pytest.mark.e2e

BATCH = {"min": 1, "opt": 4, "max": 8}


def test_an_int8_engine_says_how_it_was_calibrated_and_how_far_off_it_is(
    tenant: Tenant, tmp_path: Path
) -> None:
    resource = tenant.push(
        small_network(tmp_path / "small.onnx"), name="small", archs=("sm_86",), precision="int8"
    )
    resource["spec"] |= {
        "profiles": [{"batchSize": BATCH}],
        "options": {"calibration": {"source": tenant.share(images(tmp_path / "calibration.npz", 32))}},
        "verification": {
            "accuracy": {
                "rtol": 0.05,
                "atol": 0.05,
                "inputs": {"source": tenant.share(images(tmp_path / "inputs.npz", 4, seed=2))},
            }
        },
    }
    tenant.apply(resource)
    target = tenant.wait_ready("small")["targets"][0]
    build = tenant.manifest(target)["build"]
    [scores] = build["accuracy"]["outputs"]

    assert build["converter"]["path"] == "Quantized"
    assert build["converter"]["arguments"]["samples"] == 32
    assert (build["checked"], build["accuracy"]["inputs"]) == ("model", "given")
    assert (scores["output"], scores["values"], scores["outside"]) == ("scores", 40, 0)
    assert 0 < scores["maxAbsolute"] < 0.05
    assert target["sizeBytes"] > 0


def test_a_check_that_does_not_hold_publishes_nothing_and_is_not_tried_again(
    tenant: Tenant, tmp_path: Path
) -> None:
    resource = tenant.push(small_network(tmp_path / "strict.onnx"), name="strict", archs=("sm_86",))
    resource["spec"] |= {
        "profiles": [{"batchSize": BATCH}],
        "verification": {"accuracy": {"rtol": 0, "atol": 0}},
    }
    tenant.apply(resource)
    target = tenant.wait_stalled("strict")["targets"][0]
    with tenant.hub.bucket() as s3:
        folder = f"{PREFIX}/engines/strict/"
        kept = s3.list_objects_v2(Bucket=BUCKET, Prefix=folder).get("Contents", [])
        unfinished = s3.list_multipart_uploads(Bucket=BUCKET, Prefix=folder).get("Uploads", [])
    builders = tenant.kubectl.list("pods", BUILDS, f"ignitionhub.io/identity={target['identity'][:32]}")

    assert (target["state"], target["reason"]) == ("Failed", "VerificationFailed")
    assert "output scores" in target["message"]
    assert "out of tolerance" in target["message"]
    assert "uri" not in target
    assert (kept, unfinished) == ([], [])
    assert len(builders) == 1
