"""Models whose batch and length do not stand where most have them, built by shorthand."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

from ignition_hub import build_or_load_engine
from ignition_hub.cli import app
from local_harness import ARCH
from smallmodels import model_of, saved

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")


def weight(name: str, *shape: int) -> Any:
    return numpy_helper.from_array(np.full(shape, 0.1, np.float32), name)


def lstm() -> Any:
    """PyTorch's LSTM with batch_first, which gives its states a dimension before the batch."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["t", "w", "r", "b", "", "h0", "c0"], ["y"], hidden_size=8),
    ]
    inputs = {"x": ["batch", "seq", 4], "h0": [1, "batch", 8], "c0": [1, "batch", 8]}
    weights = [weight("w", 1, 32, 4), weight("r", 1, 32, 8), weight("b", 1, 64)]
    return model_of(nodes, inputs, {"y": ["seq", 1, "batch", 8]}, weights=weights)


def length_first() -> Any:
    """PyTorch's default for recurrent networks and transformers."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    shapes = {"x": ["seq", "batch", 8]}, {"y": ["seq", "batch", 4]}
    return model_of([node], *shapes, weights=[weight("w", 8, 4)])


def decoder(mask: str = "past_seq + seq") -> Any:
    """Attention over what was cached and what is new."""
    nodes = [
        helper.make_node("Concat", ["past", "q"], ["k"], axis=1),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["s"]),
        helper.make_node("Add", ["s", "mask"], ["y"], name="masked"),
    ]
    inputs = {"q": ["batch", "seq", 8], "past": ["batch", "past_seq", 8], "mask": ["batch", 1, mask]}
    return model_of(nodes, inputs, {"y": ["batch", "seq", mask]})


@pytest.mark.parametrize(
    ("model", "largest"),
    [
        (lstm, {"x": [4, 16, 4], "h0": [1, 4, 8], "c0": [1, 4, 8]}),
        (length_first, {"x": [16, 4, 8]}),
        (decoder, {"q": [4, 16, 8], "past": [4, 16, 8], "mask": [4, 1, 32]}),
    ],
)
def test_an_engine_takes_what_the_names_of_its_dimensions_say(model, largest, tmp_path):
    engine, _ = build_or_load_engine(
        saved(model(), tmp_path),
        precision="fp32",
        arch=ARCH,
        batch_size=4,
        max_sequence_length=16,
        cache_dir=tmp_path / "cache",
    )
    (profile,) = engine.manifest.build.profiles

    assert {name: shape["max"] for name, shape in profile["shapes"].items()} == largest
    # The identity has the words that were written, as a cluster's has.
    (written,) = engine.manifest.inputs.profiles
    assert (written.shapes, written.max_sequence_length) == ({}, 16)


def ignition(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["ignition", *map(str, words)])
    try:
        return app.main()
    except SystemExit as ended:
        return int(ended.code or 0)


def test_shapes_that_do_not_meet_are_refused_by_input_before_tensorrt_and_the_option_that_is_named_works(
    tmp_path, monkeypatch, capsys
):
    # Optimum's older name for the mask, which is past + seq long all the same.
    model = saved(decoder("past_seq + 1"), tmp_path)
    words = ["build", model, "--arch", ARCH, "--precision", "fp32", "--cache-dir", tmp_path / "cache"]
    words += ["--batch-size", "4", "--max-sequence-length", "16", "-o", "json"]

    assert ignition(monkeypatch, *words) == 1
    refused = capsys.readouterr()
    error = json.loads(refused.out)["error"]
    assert error["reason"] == "InvalidProfile"
    assert "q [4, 16, 8], past [4, 16, 8], mask [4, 1, 17], node masked (Add)" in error["message"]
    assert "shapes.mask" in error["message"]
    assert "on the command line: --shape INPUT=MIN:OPT:MAX" in refused.err
    assert "Building engine" not in refused.err
    assert ignition(monkeypatch, *words, "--shape", "mask=1x1x2:4x1x32:4x1x32") == 0
    assert json.loads(capsys.readouterr().out)["source"] == "built"
