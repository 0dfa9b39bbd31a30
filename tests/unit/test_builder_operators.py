"""ONNX's own tests of its operators, converted to fp16: what onnxruntime computes stays what it was."""

import warnings

import numpy as np
import onnxruntime
import pytest
from onnx.backend.test.case.node import collect_testcases

from ignition_builder.checking.inspection import inputs_of, load_checked
from ignition_builder.journal import Journal
from ignition_builder.precision.conversion import convert
from ignition_builder.precision.floats import HALF
from ignition_hub.engine.errors import RequestError
from smallmodels import saved

EVERY = 12
"""One test in so many: all of them take ten seconds."""
TOLERANCE = 2e-2
UNIMPLEMENTED = (
    "not supported with Scatter",
    "bound to different types",
    "output arg (InsertedPrecisionFreeCast_",
)
"""
What onnxruntime says of operators that it has in fp32 only; the last is 1.23.2, the newest for Python 3.10,
refusing a cast that it put in itself.
"""


def sampled():
    with warnings.catch_warnings():
        # Some of the tests overflow on purpose while they are made.
        warnings.simplefilter("ignore")
        cases = [case for case in collect_testcases(None) if case.model is not None]
    return cases[::EVERY]


def outputs_of(path, feeds):
    """Return the outputs, or what onnxruntime says instead."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return session.run(None, feeds)
    # onnxruntime's errors have no base of their own.
    except Exception as error:  # noqa: BLE001
        return str(error)


def compared(case, folder) -> bool:
    """Compare one case; False when onnxruntime, or the builder, does not run it to begin with."""
    path = saved(case.model, folder)
    try:
        model = load_checked(path)
    except RequestError:
        return False
    names, given = [item.name for item in inputs_of(model)], case.data_sets[0][0]
    feeds = dict(zip(names, given, strict=False))
    expected = outputs_of(path, feeds)
    if len(names) != len(given) or isinstance(expected, str):
        return False
    with Journal(folder / "log") as journal:
        target, _ = convert(model, path, HALF, folder, journal)
    found = outputs_of(target, feeds)
    if isinstance(found, str):
        assert any(words in found for words in UNIMPLEMENTED), f"{case.name}: {found}"
        return False
    for one, other in zip(expected, found, strict=True):
        assert_same(case.name, one, other)
    return True


def assert_same(name, one, other):
    if not isinstance(one, np.ndarray):
        return
    assert (one.dtype, one.shape) == (other.dtype, other.shape), name
    if one.dtype.kind == "f":
        inside = np.abs(one) < HALF.largest
        assert np.allclose(one[inside], other[inside], rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True), name
    else:
        assert np.array_equal(one, other), name


@pytest.mark.filterwarnings("ignore")
def test_operators_compute_the_same_in_fp16(tmp_path):
    cases = sampled()
    count = 0
    for index, case in enumerate(cases):
        folder = tmp_path / str(index)
        folder.mkdir()
        count += compared(case, folder)

    assert count > len(cases) / 2
