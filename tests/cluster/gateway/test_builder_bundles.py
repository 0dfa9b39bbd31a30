"""
From a folder on somebody's disk to a published engine, every process real: the pusher, the gateway, the
bucket and the builder with TensorRT-RTX. Only the controller's and the kubelet's part is played here.
"""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from gateway_harness import allow_push, make_request, make_team, published
from ignition_hub.cli.bundle import model_upload
from ignition_hub.cli.push import push_all
from ignition_hub.cli.upload import GatewayEndpoint, tls_context
from ignition_hub.engine.identity import BatchRange, Profile, identity_of
from ignition_hub.engine.naming import engine_file_name
from ignition_hub.store.bundles import read_bundle
from smallmodels import dense

pytestmark = pytest.mark.cluster
pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")


@pytest.fixture
def team(hub):
    team = make_team(hub)
    allow_push(hub, team)
    return team


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "dense"
    folder.mkdir()
    onnx.save(
        dense(batch="n"),
        str(folder / "dense.onnx"),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    return folder


def pushed(hub, team, folder):
    authority = (hub.gateway.folder / "tls.crt").read_text()
    gateway = GatewayEndpoint(
        f"https://127.0.0.1:{hub.gateway.port}", hub.token(team), tls_context(authority, system=False)
    )
    return push_all(gateway, model_upload(folder), lambda sent: None)


def request_for(hub, team, uri, verification):
    plain = make_request(hub, team)
    model = replace(plain.inputs.model, fingerprint=read_bundle(hub.store, uri).fingerprint)
    profile = Profile(batch_size=BatchRange(1, 2, 4))
    inputs = replace(plain.inputs, model=model, profiles=(profile,), verification=verification)
    return replace(
        plain,
        identity=identity_of(inputs),
        inputs=inputs,
        model_uri=uri,
        verification=verification,
        name=engine_file_name(inputs),
    )


def built(hub, request, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "token").write_text(hub.builder(hub.job(request)))
    (folder / "work").mkdir()
    environment = {
        **os.environ,
        "IGNITION_GATEWAY_URL": f"https://127.0.0.1:{hub.gateway.port}",
        "IGNITION_CA_FILE": str(hub.gateway.folder / "tls.crt"),
        "IGNITION_TOKEN_FILE": str(folder / "token"),
        "IGNITION_WORK_DIR": str(folder / "work"),
        "IGNITION_TERMINATION_LOG": str(folder / "termination-log"),
    }
    return subprocess.run(
        [sys.executable, "-m", "ignition_builder"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def samples(hub, folder, batch):
    """Put inputs into the store and return the check that compares on them."""
    np.savez(folder / "inputs.npz", x=np.ones((batch, 64), np.float32))
    data = (folder / "inputs.npz").read_bytes()
    hub.models.put("inputs.npz", data)
    source = {"uri": "s3://models/inputs.npz", "sha256": hashlib.sha256(data).hexdigest()}
    return {"accuracy": {"against": "onnxruntime", "rtol": 0.01, "atol": 0.01, "inputs": {"source": source}}}


def test_a_folder_on_a_disk_becomes_an_engine_that_was_compared_on_given_inputs(hub, team, folder, tmp_path):
    request = request_for(hub, team, pushed(hub, team, folder), samples(hub, tmp_path, batch=2))

    run = built(hub, request, tmp_path)

    assert (run.returncode, run.stderr) == (0, "")
    facts = published(hub, request).build
    weights = (folder / "weights.bin").read_bytes()
    assert facts.model["sha256"] == hashlib.sha256((folder / "dense.onnx").read_bytes()).hexdigest()
    assert facts.model["external_data"] == [
        {"name": "weights.bin", "sha256": hashlib.sha256(weights).hexdigest(), "size": len(weights)}
    ]
    assert (facts.checked, facts.accuracy["inputs"]) == ("model", "given")
    assert not list((tmp_path / "work").iterdir())


def test_inputs_that_were_exchanged_after_they_were_pinned_publish_nothing(hub, team, folder, tmp_path):
    request = request_for(hub, team, pushed(hub, team, folder), samples(hub, tmp_path, batch=2))
    hub.models.put("inputs.npz", b"something else")

    run = built(hub, request, tmp_path)

    assert run.returncode == 12
    assert run.stderr.startswith(
        "ModelDigestMismatch: verification.accuracy.inputs.source: s3://models/inputs.npz has SHA-256 "
    )
    assert published(hub, request) is None
