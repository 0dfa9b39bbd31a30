"""The real builder and the real fetcher speak to a real gateway: a model goes in, an engine comes out."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from gateway_harness import apply_engine, make_request, make_team, published, ready_target
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.naming import engine_file_name

pytestmark = pytest.mark.cluster

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / "light_squeezenet.onnx"


def installed_rtx():
    """Return the full version of the TensorRT-RTX that is installed here."""
    rtx = pytest.importorskip("tensorrt_rtx")
    return rtx.__version__


def run(module, hub, token, folder, **environment):
    """Run one of the hub's programs as its container would."""
    folder.mkdir()
    (folder / "token").write_text(token)
    base = {
        "IGNITION_GATEWAY_URL": f"https://127.0.0.1:{hub.gateway.port}",
        "IGNITION_TOKEN_FILE": str(folder / "token"),
        "IGNITION_CA_FILE": str(hub.gateway.folder / "tls.crt"),
        "IGNITION_TERMINATION_LOG": str(folder / "termination"),
    }
    return subprocess.run(
        [sys.executable, "-m", module],
        env={**os.environ, **base, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_model_becomes_an_engine_in_a_pod(hub, tmp_path):
    team = make_team(hub)
    drafted = make_request(hub, team, model=LIGHT.read_bytes())
    inputs = replace(drafted.inputs, tensorrt_version=installed_rtx())
    request = replace(drafted, inputs=inputs, identity=identity_of(inputs), name=engine_file_name(inputs))
    job = hub.job(request)
    work = tmp_path / "work"
    work.mkdir()

    built = run("ignition_builder", hub, hub.builder(job), tmp_path / "builder", IGNITION_WORK_DIR=str(work))

    assert built.returncode == 0, built.stderr
    manifest = published(hub, request)
    assert manifest.engine.size == hub.store.head(manifest.engine.key).size
    assert json.loads(hub.annotations(job)["ignitionhub.io/progress"])["phase"]

    apply_engine(hub, team, [ready_target(hub, request, {"uri": f"s3://engines/{manifest.engine.key}"})])
    engines = tmp_path / "engines"
    engines.mkdir()
    fetched = run(
        "ignition_hub.fetch",
        hub,
        hub.token(team, pod=hub.pod(team)),
        tmp_path / "fetcher",
        IGNITION_ENGINES="main=resnet50",
        IGNITION_MOUNT=str(engines),
        IGNITION_DEADLINE_SECONDS="60",
    )

    assert fetched.returncode == 0, fetched.stderr
    engine = (engines / "main" / "model.engine").read_bytes()
    assert engine == hub.store.get(manifest.engine.key, len(engine))
    assert json.loads((engines / "main" / "engine.json").read_text())["identity"] == request.identity


def test_a_builder_whose_model_is_not_onnx_says_so_on_its_job(hub, tmp_path):
    team = make_team(hub)
    drafted = make_request(hub, team, model=b"this is not a model")
    inputs = replace(drafted.inputs, tensorrt_version=installed_rtx())
    job = hub.job(replace(drafted, inputs=inputs, identity=identity_of(inputs)))
    work = tmp_path / "work"
    work.mkdir()

    failed = run("ignition_builder", hub, hub.builder(job), tmp_path / "builder", IGNITION_WORK_DIR=str(work))

    assert failed.returncode == 10, failed.stderr
    failure = json.loads(hub.annotations(job)["ignitionhub.io/failure"])
    assert (failure["reason"], failure["exitCode"]) == ("InvalidModel", 10)
    assert "Traceback" not in failed.stderr


def test_a_fetcher_without_an_engine_for_its_gpu_exits_with_that_reason(hub, tmp_path):
    team = make_team(hub)
    apply_engine(hub, team, [{"name": "sm-89", "state": "Ready", "gpuArch": "sm_89"}])
    engines = tmp_path / "engines"
    engines.mkdir()

    refused = run(
        "ignition_hub.fetch",
        hub,
        hub.token(team, pod=hub.pod(team, node="gpu-a10")),
        tmp_path / "fetcher",
        IGNITION_ENGINES="main=resnet50",
        IGNITION_MOUNT=str(engines),
        IGNITION_ON_MISS="Fail",
    )

    assert refused.returncode == 40, refused.stderr
    assert "NVIDIA-A10 (sm_86)" in refused.stderr
