"""What an image says it holds: the check of the Dockerfile's TENSORRT_VERSION."""

import sys

import pytest

from faketensorrt import fake_tensorrt
from ignition_builder.image_check import main


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt("10.12.0.36"))


@pytest.mark.parametrize("claim", [[], ["10"], ["10.12"], ["10.12.0"], ["10.12.0.36"]])
def test_a_true_claim_is_confirmed(full: None, claim: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["TensorRT", *claim]) == 0
    assert capsys.readouterr().out == "TensorRT 10.12.0.36\n"


@pytest.mark.parametrize("claim", ["10.1", "10.12.1", "8.6", "10.12.0.36.1", "newest"])
def test_a_false_claim_ends_in_one_line(full: None, claim: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["TensorRT", claim]) == 21
    said = capsys.readouterr().err
    assert said.startswith("WrongTensorRT: ")
    assert said.count("\n") == 1
    assert claim in said
    assert "10.12.0.36" in said


def test_an_image_without_tensorrt_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)

    assert main(["TensorRT", "10.12"]) == 21
    said = capsys.readouterr().err
    assert said.startswith("WrongTensorRT: this image contains no TensorRT")
    assert said.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["TensorRT", "10", "12"], ["OpenVINO", "1"]])
def test_a_wrong_question_is_answered_with_what_can_be_asked(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "TensorRTRTX" in capsys.readouterr().err
