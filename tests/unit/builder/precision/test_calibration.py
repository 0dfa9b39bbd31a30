"""Calibration data: every misfit with the model names the input, what is there, and what would fit."""

import numpy as np
import pytest

from ignition_builder.checking.signature import ModelInput
from ignition_builder.precision.calibration import is_calibration_cache, read_samples
from ignition_hub.engine.errors import Reason, RequestError

IMAGE = ModelInput("image", "float", ("n", 3, 4, 4))
TOKENS = ModelInput("tokens", "int64", (2, "length"))


def given(folder, **arrays):
    path = folder / "calibration.npz"
    np.savez(path, **arrays)
    return path


def images(*shape):
    return np.ones(shape, dtype=np.float32)


def refused(path, *inputs) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read_samples(path, inputs)
    assert caught.value.reason is Reason.InvalidRequest
    assert caught.value.message.startswith("options.calibration: ")
    assert caught.value.remedy
    return caught.value


def shapes(path, *inputs):
    return [{name: value.shape for name, value in feed.items()} for feed in read_samples(path, inputs)]


def test_rows_are_given_one_at_a_time_where_the_batch_is_free(tmp_path):
    assert shapes(given(tmp_path, image=images(5, 3, 4, 4)), IMAGE) == [{"image": (1, 3, 4, 4)}] * 5


def test_rows_are_given_in_whole_batches_where_the_batch_is_fixed(tmp_path):
    tokens = np.arange(24).reshape(6, 4)
    feeds = list(read_samples(given(tmp_path, tokens=tokens), [TOKENS]))

    assert [feed["tokens"].tolist() for feed in feeds] == [tokens[i : i + 2].tolist() for i in (0, 2, 4)]


def test_one_axis_more_counts_whole_feeds(tmp_path):
    assert shapes(given(tmp_path, image=images(2, 7, 3, 4, 4)), IMAGE) == [{"image": (7, 3, 4, 4)}] * 2


def test_a_scalar_input_has_one_number_for_each_feed(tmp_path):
    rate = ModelInput("rate", "float", ())
    path = given(tmp_path, rate=np.array([1, 2], dtype=np.float32))

    assert [feed["rate"].tolist() for feed in read_samples(path, [rate])] == [1, 2]


def test_what_numpy_makes_by_itself_is_told_how_to_change(tmp_path):
    error = refused(given(tmp_path, image=np.ones((1, 3, 4, 4))), IMAGE)

    assert error.message.endswith("image is float64, the model takes float32")
    assert error.remedy == "use .astype(np.float32)"


def test_another_shape_is_told_both_that_would_fit(tmp_path):
    error = refused(given(tmp_path, tokens=np.ones((3, 4), dtype=np.int64)), TOKENS)

    assert error.message.endswith("tokens has shape [3, 4], the model takes [2, any]")
    assert error.remedy == (
        "stack the samples, as [samples, 2, any], or put them one after another in whole batches of 2, "
        "as [rows, any]"
    )


@pytest.mark.parametrize("name", ["image", "other"])
def test_missing_and_unknown_arrays_are_named(name, tmp_path):
    path = given(
        tmp_path,
        **({"other": images(1)} if name == "image" else {"image": images(1, 3, 4, 4), "other": images(1)}),
    )

    assert name in refused(path, IMAGE).message


def test_inputs_agree_on_the_number_of_samples(tmp_path):
    path = given(tmp_path, image=images(2, 3, 4, 4), tokens=np.ones((2, 4), dtype=np.int64))

    assert "{'image': 2, 'tokens': 1}" in refused(path, IMAGE, TOKENS).message


def test_no_sample_is_too_few(tmp_path):
    assert "no sample" in refused(given(tmp_path, image=images(0, 3, 4, 4)), IMAGE).message


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_value_that_is_missing_or_masked_is_given_as_it_is(value, tmp_path):
    array = images(3, 3, 4, 4)
    array[1, 0, 0, 0] = value
    feeds = list(read_samples(given(tmp_path, image=array), [IMAGE]))

    assert np.array_equal(feeds[1]["image"], array[1:2], equal_nan=True)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no more", b"\x93NUMPY"])
def test_another_file_is_refused(content, tmp_path):
    path = tmp_path / "calibration.npz"
    path.write_bytes(content)

    refused(path, IMAGE)


def test_python_objects_are_not_unpickled(tmp_path):
    refused(given(tmp_path, image=np.array([{}, []], dtype=object)), IMAGE)


@pytest.mark.parametrize(
    ("content", "is_cache"), [(b"TRT-8601-EntropyCalibration2\n", True), (b"PK\x03\x04", False)]
)
def test_a_calibrators_cache_is_told_by_its_first_line(content, is_cache, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)

    assert is_calibration_cache(path) is is_cache
