"""What the engines of trained networks say on a GPU is kept build by build, and printed beside the CPU's."""

import json
import sys

import pytest

from accuracy_checks import engines, page
from accuracy_checks.cpu import CheckedBuild

PASSES = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[sys.argv.index("--cache-dir") + 1])
(folder / "engines").mkdir(exist_ok=True)
accuracy = {"outputs": [{"maxAbsolute": 0.25}]}
manifest = {"inputs": {"tensorrt_version": "8.6.0.12"}, "build": {"accuracy": accuracy}}
(folder / "m.trt.json").write_text(json.dumps(manifest))
print("noise")
print(json.dumps({"path": f"{folder}/engines/m.trt", "checked": "engine", "sizeBytes": 7, "warnings": []}))
"""
REFUSES = """
import json, sys
print(json.dumps({"error": {"reason": "VerificationFailed", "message": "83 of 856 | values"}}))
sys.exit(2)
"""
DIES = "import os; os.abort()"
STAYS = "import time; time.sleep(60)"


@pytest.fixture
def networks(tmp_path):
    """Return a folder with one exported network."""
    case = {"shapes": ["x=1x2:1x2:4x2"], "method": "max", "tolerance": {"fp32": {"rtol": 0.5}, "int8": {}}}
    (tmp_path / "cases" / "net").mkdir(parents=True)
    (tmp_path / "cases" / "net" / "case.json").write_text(json.dumps(case))
    return tmp_path / "cases"


@pytest.fixture
def measured(networks, tmp_path, monkeypatch):
    """Return what runs a program in the command's place and gives the one build that is kept."""

    def run(program, precision="fp32", more=("--flavor", "TensorRT")):
        monkeypatch.setattr(engines, "IGNITION", (sys.executable, "-c", program))
        engines.measure(networks, tmp_path / "out.json", ["net", precision], more)
        return json.loads((tmp_path / "out.json").read_text())["builds"][0]

    return run


def test_an_engine_that_passes_is_kept_with_its_figures(measured, tmp_path):
    found = measured(PASSES)
    assert (found["model"], found["precision"], found["checked"]) == ("net", "fp32", "engine")
    assert (found["size"], found["release"]) == (7, "8.6.0.12")
    assert found["accuracy"]["outputs"] == [{"maxAbsolute": 0.25}]
    assert page.engines(tmp_path / "out.json") == {("net", "fp32"): "passed, 0.25"}
    assert "with TensorRT 8.6.0.12, on the same numbers" in page.machine(tmp_path / "out.json")


def test_a_page_says_nothing_of_a_gpu_that_nobody_asked(tmp_path):
    assert (page.engines(tmp_path / "none"), page.machine(tmp_path / "none")) == ({}, "")


def test_an_engine_that_is_refused_is_kept_with_the_reason_and_fits_into_a_table(measured, tmp_path):
    measured(REFUSES)
    said = page.engines(tmp_path / "out.json")
    assert said == {("net", "fp32"): "VerificationFailed: 83 of 856 \\| values"}
    assert page.row(CheckedBuild("net", "fp32", 1024, 1.0, 0.5, "AsIs"), said["net", "fp32"]).endswith(
        "| passed | VerificationFailed: 83 of 856 \\| values |"
    )


def test_options_that_a_build_was_given_are_kept_and_named(measured, tmp_path):
    found = measured(PASSES, more=["--option", "optimizationLevel=1", "--flavor", "TensorRT"])
    assert found["options"] == ["optimizationLevel=1"]
    assert page.engines(tmp_path / "out.json") == {("net", "fp32"): "passed, 0.25 (optimizationLevel=1)"}


def test_a_build_that_dies_or_does_not_end_is_kept_as_that(measured, tmp_path, monkeypatch):
    assert measured(DIES)["reason"] == "exit -6"
    (tmp_path / "out.json").unlink()
    monkeypatch.setattr(engines, "SECONDS", 0.5)
    assert measured(STAYS)["reason"] == "NotInTime"


def test_what_is_kept_is_not_measured_again(measured):
    assert measured(PASSES) == measured(DIES)


def test_the_command_asks_for_the_check_the_shapes_and_the_calibration(networks):
    asked = engines._arguments(networks / "net", "fp32")
    assert {"--shape=x=1x2:1x2:4x2", "--verify=accuracy.rtol=0.5"} <= set(asked)
    assert not [word for word in asked if "calibration" in word]
    assert "--option=calibration.method=max" in engines._arguments(networks / "net", "int8")


def test_the_page_says_how_often_both_said_the_same():
    held = "VerificationFailed: 83 of 856 values"
    built = [
        CheckedBuild("one", "fp32", 1, 1.0, None, "AsIs"),
        CheckedBuild("one", "fp16", 1, 1.0, 0.5, "Converted"),
        CheckedBuild("one", "int8", 1, 1.0, 0.5, "Quantized"),
        CheckedBuild("two", "fp16", reason=held),
        CheckedBuild("two", "int8", reason="UnsupportedPrecision: no"),
    ]
    measured = {(item.model, item.precision): "passed, 0.5" for item in built}

    assert page.sameness(built, {}) == ""
    assert "Of 3 builds" in page.sameness(built, measured)
    assert "said of 2;\n0 passed on the CPU" in page.sameness(built, measured)
    measured["two", "fp16"] = measured["one", "int8"] = held
    assert "said of 2;\n1 passed on the CPU and failed on the GPU" in page.sameness(built, measured)
    measured["one", "int8"] = "NotInTime: it took more than 1800 seconds"
    assert "Of 2 builds" in page.sameness(built, measured)
