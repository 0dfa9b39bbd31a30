"""Options on the real TensorRT-RTX: what it takes is in force, the rest is refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.compiling.backend import load_backend
from ignition_builder.options import options_of
from ignition_builder.pipeline import Built, build
from ignition_hub.compatibility.options import OPTION_ROWS
from ignition_hub.engine.errors import Reason, RequestError
from smallmodels import dense, model_of, request_for, saved

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")

REFUSED = [row for row in OPTION_ROWS if row.rtx.verdict != "Takes"]
TAKEN: dict[str, Any] = {
    "optimizationLevel": 5,
    "workspace": 1 << 30,
    "weightStreaming": True,
    "maxAuxStreams": 0,
    "profilingVerbosity": "Detailed",
}


def built(folder: Path, **asked: Any) -> Built:
    return build(request_for(**asked), saved(dense(), folder), folder, lambda *_: None)


def test_what_rtx_takes_is_in_force(tmp_path):
    facts = built(tmp_path, options=TAKEN).facts

    assert facts.flags == ("WEIGHT_STREAMING",)
    assert facts.settings is not None
    held = {name: facts.settings[name] for name in ("optimizationLevel", "workspace", "maxAuxStreams")}
    assert held == {"optimizationLevel": 5, "workspace": 1 << 30, "maxAuxStreams": 0}
    assert facts.settings["profilingVerbosity"] == "DETAILED"
    assert facts.settings["computeCapabilities"] == ["SM86"]
    assert facts.timing_cache == {"used": False, "why": "TensorRT-RTX has no timing cache"}


def test_without_options_the_defaults_of_rtx_are_in_force(tmp_path):
    settings = built(tmp_path).facts.settings

    assert settings is not None
    assert (settings["optimizationLevel"], settings["maxAuxStreams"]) == (3, -1)
    assert (settings["profilingVerbosity"], settings["runtimePlatform"]) == (
        "LAYER_NAMES_ONLY",
        "SAME_AS_BUILD",
    )


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in REFUSED])
def test_what_rtx_rejects_or_ignores_is_refused_by_name(row):
    options = {row.option: row.example}
    inputs = request_for(options=options).inputs

    with pytest.raises(RequestError) as caught:
        load_backend(inputs.flavor).check(inputs, options_of(options))

    assert caught.value.reason is Reason.UnsupportedOption
    assert f"options.{row.option}" in caught.value.message
    assert "flavor TensorRT" in caught.value.remedy


def test_a_workspace_too_small_for_any_tactic_says_what_to_raise(tmp_path):
    with pytest.raises(RequestError) as caught:
        built(tmp_path, options={"workspace": 1})

    assert "workspace" in caught.value.message
    assert caught.value.remedy == "raise options.workspace"


def doubling(trips: str) -> Any:
    """Return a model that doubles a value while it is small, and collects what it was."""
    body = helper.make_graph(
        [
            helper.make_node("Add", ["v", "v"], ["twice"]),
            helper.make_node("ReduceMax", ["twice"], ["most"], keepdims=0),
            helper.make_node("Less", ["most", "limit"], ["goes_on"]),
            helper.make_node("Identity", ["twice"], ["kept"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("before", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [2]),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("twice", TensorProto.FLOAT, [2]),
            helper.make_tensor_value_info("kept", TensorProto.FLOAT, [2]),
        ],
    )
    weights = [
        numpy_helper.from_array(np.array(True), "yes"),
        numpy_helper.from_array(np.array(100, np.float32), "limit"),
        numpy_helper.from_array(np.array(8, np.int64), "eight"),
    ]
    loop = helper.make_node("Loop", [trips, "yes", "x"], ["last", "all"], name="while", body=body)
    return model_of([loop], {"x": [2]}, {"last": [2], "all": ["n", 2]}, weights=weights)


def test_a_loop_without_a_trip_limit_is_refused_and_builds_with_one(tmp_path):
    request = request_for("fp32", "sm_89")
    with pytest.raises(RequestError, match=r"node while \(Loop\)") as caught:
        build(request, saved(doubling(""), tmp_path), tmp_path, lambda *_: None)
    assert caught.value.reason is Reason.UnsupportedOperator
    assert caught.value.remedy.startswith("give the Loop a trip limit, its first input")

    assert build(request, saved(doubling("eight"), tmp_path), tmp_path, lambda *_: None).size


@pytest.mark.parametrize(
    ("message", "severity"),
    [
        ("Error Code 1: Cuda Runtime (In catchCudaError (cudaError 35: CUDA driver version))", "INFO"),
        ("CUDA initialization failure with error: 35", "INFO"),
        ("cudaError 350: something else", "ERROR"),
    ],
)
def test_only_the_missing_gpu_is_no_error(message, severity):
    assert load_backend("TensorRTRTX").severity_of("ERROR", message) == severity
