"""Whole runs of ``python -m ignition_builder`` against a gateway on loopback, with the real TensorRT-RTX."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import onnx
import pytest

from fakegateway import TOKEN, FakeGateway
from ignition_hub.engine.manifest import BuildFacts
from smallmodels import dense, request_for

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")

MODEL = dense().SerializeToString()


@pytest.fixture
def environment(tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "work").mkdir()
    return {
        **os.environ,
        "IGNITION_TOKEN_FILE": str(tmp_path / "token"),
        "IGNITION_WORK_DIR": str(tmp_path / "work"),
        "IGNITION_TERMINATION_LOG": str(tmp_path / "termination-log"),
        "IGNITION_BUILDER_IMAGE": "registry.example.com/builder@sha256:0",
    }


def started(hub, environment) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ignition_builder"],
        env={**environment, "IGNITION_GATEWAY_URL": hub.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_grant_becomes_a_published_engine(environment, tmp_path):
    with FakeGateway(request_for(sha256=hashlib.sha256(MODEL).hexdigest()), MODEL) as hub:
        hub.stumble("grant", 503)
        hub.stumble("model", "cut")
        hub.stumble("part", 500)
        hub.stumble("complete", "lost")
        code, out, err = ended(started(hub, environment))

        assert (code, err) == (0, "")
        done = hub.completed[-1]
        assert hashlib.sha256(hub.engine).hexdigest() == done["sha256"]
        assert len(hub.engine) == done["size"]
        assert hub.calls["complete"] == 2
    facts = BuildFacts.from_json(done["facts"])
    assert facts.builder_image == "registry.example.com/builder@sha256:0"
    assert "Engine generation completed" in done["log"]
    assert hub.url not in done["log"]
    assert out.splitlines()[-1] == "published s3://engines/it.trt"
    assert not hub.failures
    assert {word["phase"] for word in hub.progress} <= {
        "Downloading model",
        "Checking model",
        "Building engine",
        "Uploading engine",
    }
    assert not list((tmp_path / "work").iterdir())
    assert not (tmp_path / "termination-log").exists()


def test_a_model_with_external_data_becomes_an_engine(environment, tmp_path):
    onnx.save(
        dense(),
        str(tmp_path / "dense.onnx"),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    graph, weights = (tmp_path / "dense.onnx").read_bytes(), (tmp_path / "weights.bin").read_bytes()
    with FakeGateway(request_for(), graph, {("data", "weights.bin"): weights}) as hub:
        code, _, err = ended(started(hub, environment))

        assert (code, err) == (0, "")
        facts = BuildFacts.from_json(hub.completed[-1]["facts"])
    assert facts.model["sha256"] == hashlib.sha256(graph).hexdigest()
    assert facts.model["external_data"] == [
        {
            "name": "weights.bin",
            "sha256": hashlib.sha256(weights).hexdigest(),
            "size": len(weights),
        }
    ]


def test_a_failure_is_told_to_everybody_in_one_voice(environment, tmp_path):
    with FakeGateway(request_for("fp32", "sm_75"), MODEL) as hub:
        code, out, err = ended(started(hub, environment))

    assert code == 14
    assert "error: IBuilder::buildSerializedNetworkToStream" in out
    assert err.count("\n") == 1
    assert err.startswith("UnsupportedPrecision: TensorRT-RTX 1.7.1.116 cannot build fp32 for sm_75: “Cannot")
    words = json.loads((tmp_path / "termination-log").read_text())
    assert words["reason"] == "UnsupportedPrecision"
    assert words["message"] in err
    assert hub.failures == [{**words, "exit_code": 14}]
    assert not hub.uploads


def test_a_model_that_is_not_the_pinned_one_is_never_parsed(environment):
    with FakeGateway(request_for(sha256="1" * 64), b"not even a model") as hub:
        code, out, err = ended(started(hub, environment))

    assert code == 12
    assert "1" * 64 in err
    assert "Checking model" not in out


def test_what_the_gateway_refuses_at_the_end_is_what_the_builder_says(environment):
    with FakeGateway(request_for(), MODEL) as hub:
        hub.stumble("complete", (422, {"reason": "UploadRejected", "message": "the digest differs"}))
        code, _, err = ended(started(hub, environment))

    assert (code, err) == (18, "UploadRejected: the digest differs\n")


def test_an_upload_whose_urls_expired_begins_anew(environment):
    with FakeGateway(request_for(), MODEL) as hub:
        hub.stumble("part", 403)
        code, _, _ = ended(started(hub, environment))

        assert code == 0
        assert sorted(hub.uploads) == ["upload-1", "upload-2"]
        assert hub.completed[-1]["upload_id"] == "upload-2"


def test_a_request_to_stop_ends_the_upload_and_can_be_tried_again(environment, tmp_path):
    with FakeGateway(request_for(), MODEL) as hub:
        hub.hold_parts.clear()
        process = started(hub, environment)
        assert hub.part_reached.wait(30)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code, _, err = ended(process)

        assert code == 143
        assert time.monotonic() - asked < 10
        assert err.startswith("Interrupted: ")
        assert hub.failures[0]["reason"] == "Interrupted"
        assert not hub.completed
    assert not list((tmp_path / "work").iterdir())


def test_a_request_to_stop_while_compiling_leaves_no_process(environment):
    with FakeGateway(request_for(), MODEL) as hub:
        process = started(hub, environment)
        line = ""
        while line != "Checking model\n":
            line = process.stdout.readline()
        children = _children(process.pid)
        process.send_signal(signal.SIGTERM)
        code, _, _ = ended(process)

    assert code == 143
    assert children
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IGNITION_GATEWAY_URL", ""),
        ("IGNITION_GATEWAY_URL", "gateway:443"),
        ("IGNITION_WORK_DIR", "/nowhere"),
        ("IGNITION_CA_FILE", "/nowhere/ca.crt"),
        ("IGNITION_CA_FILE", __file__),
    ],
)
def test_a_bad_setting_is_named_without_a_traceback(name, value, environment, tmp_path):
    environment = {**environment, "IGNITION_GATEWAY_URL": "http://127.0.0.1:9", name: value}
    done = subprocess.run(
        [sys.executable, "-m", "ignition_builder"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 19
    assert done.stderr.startswith(f"InvalidRequest: {name}: ")
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "termination-log").read_text())["reason"] == "InvalidRequest"


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123
        return [int(child) for child in file.read().split()]
