"""Real engines from the real TensorRT-RTX, of models small enough for a test."""

import hashlib
import os
import time
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder import pipeline
from ignition_builder.compiling import stage as compiling
from ignition_builder.documents import COMPILE, INSPECT, Prepared, Task
from ignition_builder.journal import Journal
from ignition_builder.memory import Memory
from ignition_builder.pipeline import Built, build
from ignition_builder.report import Report
from ignition_builder.stage_process import Child
from ignition_hub.engine.errors import IgnitionError, NodeError, Reason, RequestError
from ignition_hub.engine.manifest import BuildFacts
from ignition_hub.engine.plan_header import read_plan_header
from smallmodels import RTX_VERSION, dense, model_of, request_for, saved, shape_range

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")

CHECK = {"accuracy": {"against": "onnxruntime", "rtol": 0.005, "atol": 0.005}}


def built(model, request, folder: Path) -> Built:
    path = saved(model, folder)
    return build(request, path, folder, lambda *_: None)


def refusal_of(model, request, folder) -> IgnitionError:
    with pytest.raises(IgnitionError) as caught:
        built(model, request, folder)
    assert not list(folder.glob("engine.trt*"))
    return caught.value


def test_an_fp16_engine_is_what_it_says_it_is(tmp_path):
    model = dense()
    heard: list[tuple[str, float]] = []
    path = saved(model, tmp_path)
    engine = build(request_for("fp16", "sm_86"), path, tmp_path, lambda *word: heard.append(word))

    content = engine.path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == engine.sha256
    assert len(content) == engine.size
    with engine.path.open("rb") as file:
        header = read_plan_header(file)
    assert (header.version, header.capabilities) == (RTX_VERSION, ("sm_86",))
    assert [fraction for _, fraction in heard] == sorted(fraction for _, fraction in heard)
    facts = engine.facts
    assert BuildFacts.from_json(facts.to_json()) == facts
    assert (facts.tensorrt_version, facts.gpu, facts.driver, facts.checked) == (
        RTX_VERSION,
        None,
        None,
        "none",
    )
    assert facts.model["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts.model["inputs"] == [{"name": "x", "dtype": "float", "shape": [2, 64]}]
    assert facts.converter is not None
    assert facts.tf32 == {"asked": False, "in_force": False}
    assert facts.peak_memory_bytes is not None
    assert facts.peak_memory_bytes > 1 << 20
    assert "Engine generation completed" in engine.log.read_text()


def test_the_same_request_gives_the_same_bytes(tmp_path):
    digests = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        digests.add(built(dense(), request_for(), tmp_path / name).sha256)

    assert len(digests) == 1


def test_tf32_is_in_force_only_where_it_was_asked_for(tmp_path):
    engine = built(dense(), request_for("tf32", "sm_89"), tmp_path)

    assert engine.facts.flags == ("TF32",)
    assert engine.facts.tf32 == {"asked": True, "in_force": True}


def test_a_profile_opens_a_dynamic_model(tmp_path):
    profile = {"x": shape_range([1, 64], [4, 64], [8, 64])}
    engine = built(dense(batch="n"), request_for(profiles=[profile]), tmp_path)

    assert engine.facts.profiles == ({"shapes": {"x": {"min": [1, 64], "opt": [4, 64], "max": [8, 64]}}},)


def test_options_reach_tensorrt(tmp_path):
    options = {"optimizationLevel": 1, "workspace": 64 << 20}

    assert built(dense(), request_for(options=options), tmp_path).size > 0


def test_a_dynamic_model_without_a_profile_is_refused(tmp_path):
    error = refusal_of(dense(batch="n"), request_for(), tmp_path)

    assert (error.reason, error.exit_code) == (Reason.InvalidProfile, 13)


def test_fp32_on_turing_is_refused_in_nvidias_words(tmp_path):
    error = refusal_of(dense(), request_for("fp32", "sm_75"), tmp_path)

    assert (error.reason, error.exit_code) == (Reason.UnsupportedPrecision, 14)
    assert "“Cannot compile operation 'fc' for Turing (SM75): FP32 GEMM is not supported”" in error.message
    assert "fp16" in error.remedy


def test_an_operator_of_somebody_elses_domain_is_named_with_its_node(tmp_path):
    node = helper.make_node("Frobnicate", ["x"], ["y"], name="mine", domain="acme")
    model = model_of([node], {"x": [1, 4]}, {"y": [1, 4]}, domains=["acme"])
    error = refusal_of(model, request_for("fp32"), tmp_path)

    assert (error.reason, error.exit_code) == (Reason.UnsupportedOperator, 11)
    assert "node mine (Frobnicate)" in error.message


def test_an_input_whose_values_are_a_shape_is_refused_by_name(tmp_path):
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"], name="reshape")]
    model = model_of(nodes, {"x": [2, 6], "shape": ([2], TensorProto.INT64)}, {"y": ["a", "b"]})
    profile = {"shape": shape_range([2], [2], [2])}
    error = refusal_of(model, request_for("fp32", profiles=[profile]), tmp_path)

    assert error.reason is Reason.InvalidProfile
    assert "profiles[0].values.shape" in error.message


def test_a_pin_that_does_not_hold_is_refused_before_anything_parses(tmp_path):
    model, pinned = dense(), "0" * 64
    error = refusal_of(model, request_for(sha256=pinned), tmp_path)

    assert (error.reason, error.exit_code) == (Reason.ModelDigestMismatch, 12)
    assert pinned in error.message
    assert hashlib.sha256(saved(model, tmp_path).read_bytes()).hexdigest() in error.message
    assert not (tmp_path / "build.log").read_text()


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"version": "1.4.0.1"}, Reason.WrongTensorRT),
        ({"flavor": "TensorRT", "version": "10.13.2.6"}, Reason.WrongTensorRT),
        ({"arch": "sm_90"}, Reason.UnsupportedPrecision),
        ({"options": {"versionCompatible": {"enabled": True}}}, Reason.UnsupportedOption),
        ({"options": {"plugins": [{"name": "p"}]}}, Reason.UnsupportedOption),
        ({"options": {"calibration": {"method": "max"}}}, Reason.UnsupportedOption),
        ({"options": {"calibration": {"source": {"uri": "s3://m/int8.cache"}}}}, Reason.UnsupportedOption),
        ({"verification": {"benchmark": {"seconds": 5}}}, Reason.UnsupportedOption),
    ],
)
def test_what_this_builder_cannot_do_is_refused_with_a_remedy(wanted, reason, tmp_path):
    error = refusal_of(dense(), request_for("fp32", **wanted), tmp_path)

    assert error.reason is reason
    assert error.remedy


def test_a_warning_can_be_made_an_error(tmp_path):
    model = dense(width=128)
    values = np.full((128, 128), 1e6, dtype=np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, "w"))
    (tmp_path / "lenient").mkdir()
    lenient = built(model, request_for(), tmp_path / "lenient")
    assert {"code": "WeightsTruncated", "count": 1} in lenient.facts.warnings

    error = refusal_of(model, request_for(options={"failOnWarnings": ["WeightsTruncated"]}), tmp_path)

    assert error.reason is Reason.BuildFailed
    assert "WeightsTruncated" in error.message


def test_a_full_disk_is_the_nodes_fault(tmp_path):
    (tmp_path / "engine.trt.part").symlink_to("/dev/full")
    error = refusal_of(dense(), request_for(), tmp_path)

    assert isinstance(error, NodeError)
    assert (error.reason, error.exit_code) == (Reason.InsufficientDisk, 23)


@pytest.mark.parametrize(("precision", "width"), [("fp32", 4), ("fp16", 2)])
def test_the_weights_of_what_is_compiled_are_counted(precision, width, tmp_path):
    path = saved(dense(width=128), tmp_path)
    task = Task(
        stage=INSPECT,
        request=request_for(precision),
        model=str(path),
        folder=str(tmp_path),
        log=str(tmp_path / "log"),
    )
    with Child(INSPECT, tmp_path / "log") as child:
        prepared = Prepared.from_json(child.run(task, lambda *_: None, time.monotonic() + 60))

    assert prepared.weights_bytes == 128 * 128 * width
    assert Path(prepared.path) in map(Path, prepared.weight_files)
    assert all(Path(name).is_file() for name in prepared.weight_files)


def test_a_model_beyond_the_containers_memory_is_refused_before_it_is_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "read_memory", lambda: Memory(limit=1 << 20, kills=0))
    prepared = Prepared(
        path="never read",
        facts={},
        converter={"path": "AsIs"},
        typing="Strong",
        profiles=(),
        warnings=(),
        peak_memory_bytes=0,
        weights_bytes=1 << 30,
    )
    task = Task(
        stage=COMPILE,
        request=request_for(),
        model="never read",
        folder=str(tmp_path),
        log=str(tmp_path / "log"),
        prepared=prepared,
    )

    monkeypatch.setenv("TMPDIR", os.environ.get("TMPDIR", ""))
    with (
        Journal(tmp_path / "log") as journal,
        (tmp_path / "pipe").open("wb") as pipe,
        pytest.raises(RequestError) as caught,
    ):
        compiling.run(task, Report(pipe.fileno()), journal)

    assert caught.value.reason is Reason.ModelTooLarge
    assert os.environ["TMPDIR"] == str(tmp_path)


def test_no_child_is_left_behind(tmp_path):
    built(dense(), request_for(), tmp_path)

    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert children == []


def test_a_check_with_nothing_to_compare_can_be_refused_and_a_conversion_is_compared(tmp_path):
    asked = {"options": {"failOnWarnings": ["NothingCompared"]}, "verification": CHECK}
    error = refusal_of(dense(), request_for("fp32", "sm_89", **asked), tmp_path)
    assert "warning NothingCompared occurred 1 times" in error.message
    assert built(dense(), request_for("fp16", "sm_89", **asked), tmp_path).facts.checked == "model"


@pytest.mark.parametrize(
    ("precision", "kind"), [("fp16", TensorProto.FLOAT16), ("bf16", TensorProto.BFLOAT16)]
)
def test_model_and_engine_are_recorded_with_one_word_for_one_type(precision, kind, tmp_path):
    shape = ([2, 4], kind)
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": shape}, {"y": shape})
    facts = built(model, request_for(precision), tmp_path).facts

    assert facts.engine_io == {name: facts.model[name] for name in ("inputs", "outputs")}
    assert facts.engine_io["inputs"][0]["dtype"] == TensorProto.DataType.Name(kind).lower()


def test_a_model_is_hashed_while_the_processes_of_a_build_load(tmp_path, monkeypatch):
    order = []
    real_processes, real_digests = pipeline.stage_processes, pipeline.digests_of
    monkeypatch.setattr(
        pipeline, "stage_processes", lambda log: order.append("processes") or real_processes(log)
    )
    monkeypatch.setattr(pipeline, "digests_of", lambda path: order.append("digests") or real_digests(path))
    built(dense(), request_for("fp32"), tmp_path)
    assert order == ["processes", "digests"]
