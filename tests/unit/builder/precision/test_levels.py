"""Weights become INT8 as they lie in their file, a piece at a time."""

import tracemalloc

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from ignition_builder.checking.skeleton import refer
from ignition_builder.checking.weights import array_of
from ignition_builder.precision import levels
from ignition_builder.precision.levels import quantized_weight, scale_of


def stored(values, folder):
    """Return a tensor whose numbers lie in a file, after some others."""
    (folder / "w.data").write_bytes(b"\1" * 64 + values.tobytes())
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=values.shape)
    refer(tensor, "w.data", 64, values.nbytes)
    return tensor


def quantized(tensor, axis, folder):
    with (folder / "levels.data").open("wb") as data:
        data.write(b"before")
        made, scales = quantized_weight(tensor, axis, folder, data)
    return array_of(made, folder), scales


@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize("piece", [1, 50, 1 << 20])
@pytest.mark.parametrize("axis", [0, 1, 2, None])
def test_each_channel_has_its_own_step(axis, piece, is_stored, tmp_path, monkeypatch):
    monkeypatch.setattr(levels, "PIECE", piece)
    values = np.random.default_rng(0).standard_normal((4, 5, 6)).astype(np.float32)
    values[:, 3] *= 100
    tensor = stored(values, tmp_path) if is_stored else numpy_helper.from_array(values, "w")
    made, scales = quantized(tensor, axis, tmp_path)
    others = tuple(item for item in range(3) if item != axis)
    steps = np.abs(values).max(others, keepdims=True) / np.float32(127)

    assert np.shape(scales) == (() if axis is None else (values.shape[axis],))
    assert np.allclose(scales, steps.squeeze())
    assert made.dtype == np.int8
    assert np.abs(made.astype(np.float32) * steps - values).max() <= steps.max() / 2 * 1.0001
    assert np.array_equal(np.abs(made).max(others), np.full(np.shape(scales), 127))


def test_a_channel_of_zeros_stays_zero(tmp_path):
    values = np.zeros((3, 8), np.float32)
    values[1] = 2
    made, scales = quantized(numpy_helper.from_array(values, "w"), 0, tmp_path)

    assert scales.tolist() == [1.0, pytest.approx(2 / 127), 1.0]
    assert made.tolist() == [[0] * 8, [127] * 8, [0] * 8]


def test_what_reaches_nowhere_has_a_step_that_divides_nothing():
    assert scale_of(0.0) == 1.0
    assert scale_of(1e-45) == 1.0
    assert scale_of(254.0) == 2.0


def test_a_weight_is_never_held_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(levels, "PIECE", 64 * 1024)
    values = np.ones((2048, 1024), np.float32)
    tensor = stored(values, tmp_path)
    tracemalloc.start()
    with (tmp_path / "levels.data").open("wb") as data:
        quantized_weight(tensor, 1, tmp_path, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < values.nbytes / 4
