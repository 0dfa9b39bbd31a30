"""When a conversion is proven, what keeps it from being, and what a build makes of the answer."""

import time
from pathlib import Path

import numpy as np
import pytest

from ignition_builder.documents import (
    AS_IS,
    CALIBRATOR,
    COMPILE,
    CONVERTED,
    FLAGS,
    QUANTIZED,
    STRONG,
    Prepared,
    Proof,
    Task,
)
from ignition_builder.files import Files
from ignition_builder.memory import Memory
from ignition_builder.pipeline import build
from ignition_builder.proving import ROOM, SMALL, is_due, proving, runs_beside
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError, TransientError
from ignition_hub.engine.manifest import BuildFacts
from smallmodels import dense, request_for, saved

CHECK = {"accuracy": {"against": "onnxruntime", "rtol": 0.005, "atol": 0.005}}
HELD = Proof(record={"proven": True}, warnings=())


def task_of(folder, way=CONVERTED, *, weights=0, **asked):
    prepared = Prepared(
        path="never read",
        facts={},
        converter={"path": way},
        typing=STRONG,
        profiles=(),
        warnings=(),
        peak_memory_bytes=0,
        weights_bytes=weights,
    )
    return Task(
        stage=COMPILE,
        request=request_for(**asked),
        model="never read",
        folder=str(folder),
        log=str(folder / "log"),
        prepared=prepared,
    )


class Standing:
    """A process that answers ``found``, or raises it, and notes what is done to it."""

    def __init__(self, found=HELD):
        self._found, self.heard = found, []

    def start(self, task):
        self.heard.append(f"start {task.stage}")

    def answer(self, _task, watch, deadline):
        self.heard.append("answer")
        self.until = deadline
        watch("Proving conversion", 0.0)
        if isinstance(self._found, IgnitionError):
            raise self._found
        return self._found.to_json()

    def stop(self, grace=5.0):
        self.heard.append(f"stop {grace}")


@pytest.mark.parametrize(
    ("way", "checks", "due"),
    [
        (CONVERTED, {}, True),
        (QUANTIZED, {}, True),
        (CONVERTED, {"benchmark": {"seconds": 5}}, True),
        (CONVERTED, CHECK, False),
        (AS_IS, {}, False),
        (FLAGS, {}, False),
        (CALIBRATOR, {}, False),
    ],
)
def test_what_the_builder_made_is_proven_unless_a_check_looks_at_it(way, checks, due, tmp_path):
    assert is_due(task_of(tmp_path, way, verification=checks)) is due


@pytest.mark.parametrize(
    ("asked", "limit", "beside"),
    [
        ({}, None, True),
        ({}, ROOM + (200 << 20), True),
        ({}, ROOM, False),
        ({"weights": SMALL + 1}, None, False),
        ({"flavor": "TensorRT", "version": "10.14.1.48"}, None, False),
        ({"low_memory": True}, None, False),
    ],
)
def test_nothing_runs_beside_a_compiler_that_measures_or_needs_the_memory(asked, limit, beside, tmp_path):
    assert runs_beside(task_of(tmp_path, **asked), Memory(limit, 0)) is beside


def test_a_proof_beside_the_compiler_is_asked_for_once_and_late(tmp_path):
    child, heard = Standing(), []
    begun = time.monotonic()
    with proving(child, task_of(tmp_path), lambda *word: heard.append(word), begun + 1000) as proven:
        assert child.heard == ["start prove"]
        assert (proven(), proven()) == (HELD, HELD)
    assert child.heard == ["start prove", "answer", "stop 0.0"]
    assert 29 < child.until - begun < 31
    assert heard == []


def test_a_proof_that_comes_first_is_heard_and_frees_its_memory(tmp_path):
    child, heard = Standing(), []
    task = task_of(tmp_path, weights=SMALL + 1)
    with proving(child, task, lambda *word: heard.append(word), time.monotonic() + 10) as proven:
        assert child.heard == ["start prove", "answer", "stop 0.0"]
        assert proven() == HELD
    assert heard == [("Proving conversion", 0.1)]


def test_where_no_proof_is_due_the_process_ends_before_the_engine_is_compiled(tmp_path):
    child = Standing()
    with proving(child, task_of(tmp_path, AS_IS), lambda *_: None, time.monotonic() + 10) as proven:
        assert child.heard == ["stop 5.0"]
        assert proven() is None


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (IgnitionError(Reason.DeadlineExceeded, "too slow"), "it takes more than 30 s"),
        (TransientError(Reason.OutOfMemory, "the kernel ended it"), "the kernel ended it"),
        (RequestError(Reason.BuildFailed, "ended by SIGSEGV"), "ended by SIGSEGV"),
    ],
)
def test_a_proof_that_does_not_come_is_recorded_and_no_failure(error, why, tmp_path):
    with proving(Standing(error), task_of(tmp_path), lambda *_: None, time.monotonic() + 10) as proven:
        found = proven()
    assert found.record == {"proven": False, "why": why}
    assert list(found.warnings) == [{"code": "ConversionNotProven", "count": 1}]
    assert f"warning: ConversionNotProven: {why}" in (tmp_path / "log").read_text()


def test_a_wrong_conversion_is_an_error(tmp_path):
    child = Standing(RequestError(Reason.VerificationFailed, "it is another model"))
    with (
        pytest.raises(RequestError, match="it is another model"),
        proving(child, task_of(tmp_path), lambda *_: None, time.monotonic() + 10) as proven,
    ):
        proven()
    assert child.heard[-1] == "stop 0.0"


pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")


def built(folder, precision="fp16", **asked):
    calibration = folder / "calibration.npz"
    np.savez(calibration, x=np.random.default_rng(0).standard_normal((4, 2, 64)).astype(np.float32))
    files = Files(calibration=calibration) if precision == "int8" else Files()
    if precision == "int8":
        asked["options"] = {**asked.get("options", {}), "calibration": {"method": "max"}}
    heard: list[tuple[str, float]] = []
    request = request_for(precision, "sm_89", **asked)
    engine = build(request, saved(dense(), folder), folder, lambda *word: heard.append(word), files=files)
    assert [fraction for _, fraction in heard] == sorted(fraction for _, fraction in heard)
    return engine


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
def test_a_build_without_a_check_says_that_its_conversion_was_proven(precision, tmp_path):
    engine = built(tmp_path, precision)
    facts = BuildFacts.from_json(engine.facts.to_json())

    assert facts.converter["proof"]["proven"] is True
    assert (facts.checked, facts.accuracy, list(facts.warnings)) == ("none", None, [])
    assert "info: proving conversion: output y is off by " in engine.log.read_text()


@pytest.mark.parametrize(("precision", "asked"), [("fp32", {}), ("fp16", {"verification": CHECK})])
def test_nothing_is_proven_that_was_not_made_or_has_a_check(precision, asked, tmp_path):
    assert "proof" not in built(tmp_path, precision, **asked).facts.converter


NARROWING_BREAKS = """
import numpy as np
from ignition_builder.precision.floats import Rounding
whole = Rounding.__call__
def broken(self, name, values):
    values = np.array(values)
    values[: len(values) // 2] = 0
    return whole(self, name, values)
Rounding.__call__ = broken
"""


def test_a_wrong_conversion_leaves_no_engine(tmp_path, monkeypatch):
    """The child process itself converts wrongly: its interpreter is told to as it starts."""
    (tmp_path / "sitecustomize.py").write_text(NARROWING_BREAKS)
    roots = [str(Path(__file__).resolve().parents[3] / name) for name in ("operator", "builder-image")]
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *roots]))
    with pytest.raises(RequestError, match="the conversion to fp16 changed the model") as caught:
        built(tmp_path)
    assert caught.value.reason is Reason.VerificationFailed
    assert caught.value.exit_code == 17
    assert not list(tmp_path.glob("*.trt"))

    assert "ask for bf16 or fp32" in caught.value.remedy
    assert built(tmp_path, "fp32").size > 0
    assert "verification.accuracy, with inputs and a tolerance of your own" in caught.value.remedy
    lenient = {"accuracy": {"against": "onnxruntime", "rtol": 0.0, "atol": 1.0}}
    assert built(tmp_path, verification=lenient).facts.checked == "model"


def test_a_conversion_that_cannot_be_proven_can_be_refused(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import ignition_builder.verifying.proof as proof\nproof.LARGEST = -1\n"
    )
    roots = [str(Path(__file__).resolve().parents[3] / name) for name in ("operator", "builder-image")]
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *roots]))
    assert built(tmp_path).facts.converter["proof"]["proven"] is False
    with pytest.raises(RequestError, match="warning ConversionNotProven occurred 1 times"):
        built(tmp_path, options={"failOnWarnings": ["ConversionNotProven"]})
    assert not list(tmp_path.glob("*.trt"))
