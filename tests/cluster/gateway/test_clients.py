"""The real builder and the real fetcher speak to a real gateway: a model goes in, an engine comes out."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from gateway_harness import (
    allow_push,
    apply_engine,
    events_of,
    make_request,
    make_team,
    published,
    push_part,
    pushed_model,
    ready_target,
    resolve,
)
from ignition_hub.engine.fingerprint import bundle_digest
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


FOR_L4 = {"name": "sm-89", "state": "Ready", "gpuArch": "sm_89"}


def fall_back(hub, token, folder, **environment):
    """Run the fetcher of a pod with ``on-miss: Fallback`` once more."""
    (folder / "engines").mkdir(parents=True, exist_ok=True)
    runs = len(list(folder.glob("run*")))
    told = {
        "IGNITION_ENGINES": "main=resnet50",
        "IGNITION_MOUNT": str(folder / "engines"),
        "IGNITION_ON_MISS": "Fallback",
        "IGNITION_DEADLINE_SECONDS": "60",
    }
    return run("ignition_hub.fetch", hub, token, folder / f"run{runs}", **told, **environment)


def test_a_pod_without_an_engine_for_its_gpu_gets_the_model_that_was_pushed(hub, tmp_path):
    team = make_team(hub)
    apply_engine(hub, team, [FOR_L4], source=pushed_model(hub, team, b"a model of one file"))
    pod = hub.pod(team, node="gpu-a10")
    token = hub.token(team, pod=pod)

    for _ in range(2):
        fetched = fall_back(hub, token, tmp_path)

        assert fetched.returncode == 0, fetched.stderr
        assert "resnet50 has no engine for NVIDIA-A10 (sm_86)" in fetched.stderr

    folder = tmp_path / "engines" / "main"
    assert (folder / "onnx" / "model.onnx").read_bytes() == b"a model of one file"
    record = json.loads((folder / "engine.json").read_text())
    assert record["delivered"] == "Model"
    assert (record["gpu"]["arch"], record["gpu"]["product"]) == ("sm_86", "NVIDIA-A10")
    [(reason, about, note)] = events_of(hub, team)
    assert (reason, about) == ("EngineFallback", pod["metadata"]["name"])
    assert "has no engine for NVIDIA-A10 (sm_86)" in note


def test_a_model_with_external_data_is_delivered_whole_or_not_at_all(hub, tmp_path):
    team = make_team(hub)
    allow_push(hub, team)
    files = {"weights/a.bin": b"weights", "net.onnx": b"a model"}
    digest = bundle_digest({name: (hashlib.sha256(b).hexdigest(), len(b)) for name, b in files.items()})
    pushed = [push_part(hub, team, name, data, bundle=digest) for name, data in files.items()]
    uri = pushed[-1].body["bundle"]
    apply_engine(hub, team, [FOR_L4], source={"uri": uri})
    token = hub.token(team, pod=hub.pod(team, node="cpu-only"))

    fetched = fall_back(hub, token, tmp_path)

    assert fetched.returncode == 0, fetched.stderr
    folder = tmp_path / "engines" / "main" / "onnx"
    assert (folder / "model.onnx").read_bytes() == b"a model"
    assert (folder / "weights" / "a.bin").read_bytes() == b"weights"

    hub.store.put(uri.removeprefix("s3://engines/") + "weights/a.bin", b"wicked!")
    other = tmp_path / "other"
    refused = fall_back(hub, token, other)

    assert refused.returncode == 41, refused.stderr
    assert not (other / "engines" / "main" / "onnx").exists()


def test_a_pod_falls_back_while_the_engine_for_its_gpu_is_being_built(hub):
    team = make_team(hub)
    building = {"name": "sm-89", "state": "Building", "gpuArch": "sm_89"}
    apply_engine(hub, team, [building], source=pushed_model(hub, team))

    assert resolve(hub, team).reason == "EngineNotReady"
    answer = resolve(hub, team, on_miss="Fallback")

    assert (answer.status, answer.body["delivered"]) == (200, "Model")
    assert answer.body["why"].startswith("resnet50 for NVIDIA-L4 (sm_89): sm-89 is Building")


def test_a_model_that_the_namespace_may_not_read_is_delivered_to_no_pod(hub):
    owner, other = make_team(hub), make_team(hub)
    apply_engine(hub, other, [FOR_L4], source=pushed_model(hub, owner))

    answer = resolve(hub, other, node="gpu-a10", on_miss="Fallback")

    assert (answer.status, answer.reason) == (422, "NoEngineForGPU")
    assert "the ONNX model cannot be delivered" in answer.message
    assert f"is not a model that namespace {other} pushed" in answer.message
    assert {reason for reason, _, _ in events_of(hub, other)} == {"NoEngineForGPU"}


def test_a_model_whose_digest_nothing_names_is_not_delivered(hub):
    team = make_team(hub)
    apply_engine(hub, team, [FOR_L4])

    answer = resolve(hub, team, node="gpu-a10", on_miss="Fallback")

    assert (answer.status, answer.reason) == (422, "NoEngineForGPU")
    assert "no digest of its bytes is known" in answer.message
    assert "kubectl ignition push" in answer.message
