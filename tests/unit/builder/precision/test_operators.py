"""ONNX's own tests of its operators, converted: what their types compute stays nearly what it was."""

import warnings

import numpy as np
import pytest
from onnx.backend.test.case.node import collect_testcases

from ignition_builder.checking.inspection import inputs_of, load_checked
from ignition_builder.journal import Journal
from ignition_builder.precision.conversion import convert
from ignition_builder.precision.floats import BRAIN, HALF
from ignition_builder.verifying.emulation import ENGINES, WIDE
from ignition_builder.verifying.reference import outputs_of
from ignition_builder.verifying.samples import Sample
from ignition_hub.engine.errors import RequestError
from smallmodels import saved

EVERY = 12
"""One test in so many: all of them take ten seconds."""
TOLERANCE = {HALF: 2e-2, BRAIN: 1e-1}
LEFT_OUT = ("softmax_large_number", "dynamicquantizelinear", "bitcast")
"""Tests of differences below a step of the type, of what is rounded to whole numbers, and of bits."""


def sampled():
    with warnings.catch_warnings():
        # Some of the tests overflow on purpose while they are made.
        warnings.simplefilter("ignore")
        cases = [case for case in collect_testcases(None) if case.model is not None]
    return [case for case in cases[::EVERY] if not any(words in case.name for words in LEFT_OUT)]


def compared(case, narrow, folder) -> bool:
    """Compare one case; False when onnxruntime, or the builder, does not run it to begin with."""
    path = saved(case.model, folder)
    try:
        model = load_checked(path)
        names, given = [item.name for item in inputs_of(model)], case.data_sets[0][0]
        sample = Sample(0, dict(zip(names, given, strict=True)))
        expected = outputs_of(path, [sample], case.name, WIDE)[0]
    except (RequestError, ValueError):
        return False
    with Journal(folder / "log") as journal:
        target, _ = convert(model, path, narrow, folder, journal)
    found = outputs_of(target, [sample], case.name, ENGINES)[0]
    for name, values in expected.items():
        assert_same(case.name, values, found[name], narrow)
    return True


def assert_same(name, one, other, narrow):
    assert (one.dtype.kind, one.shape) == (other.dtype.kind, other.shape), name
    if one.dtype.kind == "f":
        inside, near = np.abs(one) < narrow.largest, TOLERANCE[narrow]
        assert np.allclose(one[inside], other[inside], rtol=near, atol=near, equal_nan=True), name
    else:
        assert np.array_equal(one, other), name


@pytest.mark.parametrize("narrow", [HALF, BRAIN], ids=["fp16", "bf16"])
@pytest.mark.filterwarnings("ignore")
def test_operators_compute_nearly_the_same(narrow, tmp_path):
    cases = sampled()
    count = 0
    for index, case in enumerate(cases):
        folder = tmp_path / str(index)
        folder.mkdir()
        count += compared(case, narrow, folder)

    assert count > len(cases) / 2
