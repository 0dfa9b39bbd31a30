"""What a check that fails says would let the model pass is done, and the model is built."""

import re

import numpy as np
import pytest
from onnx import helper, numpy_helper

from ignition_builder.files import Files
from ignition_builder.pipeline import build
from ignition_hub.engine.errors import Reason, RequestError
from smallmodels import model_of, request_for, saved

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")

WIDTH = 16
NARROW = {"rtol": 0.0, "atol": 1e-5}
USUAL = {"rtol": 0.1, "atol": 0.1}


def product(*, largest=1.0, then=""):
    """Return a product of which the last column is ``largest`` times the others, and an operator behind."""
    numbers = np.random.default_rng(0).standard_normal((WIDTH, WIDTH)).astype(np.float32)
    numbers[:, -1] *= largest
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h" if then else "y"], name="fc")]
    if then:
        nodes.append(helper.make_node(then, ["h"], ["y"]))
    shape = [WIDTH, WIDTH]
    return model_of(nodes, {"x": shape}, {"y": shape}, weights=[numpy_helper.from_array(numbers, "w")])


class Asked:
    """A model whose inputs are known, and what comes of asking for it."""

    def __init__(self, model, folder):
        self._model, self._folder = saved(model, folder), folder
        self._inputs = np.random.default_rng(1).standard_normal((WIDTH, WIDTH)).astype(np.float32)

    def built(self, precision, check, *, measured_on=1.0):
        """Return the engine's size; int8 is calibrated with ``measured_on`` times what the check is given."""
        given, calibration = self._folder / "inputs.npz", self._folder / "calibration.npz"
        np.savez(given, x=self._inputs)
        np.savez(calibration, x=measured_on * self._inputs)
        is_int8 = precision == "int8"
        request = request_for(
            precision,
            "sm_89",
            verification={"accuracy": check},
            options={"calibration": {"method": "max"}} if is_int8 else {},
        )
        files = Files(inputs=given, calibration=calibration if is_int8 else None)
        return build(request, self._model, self._folder, lambda *_: None, files=files).size

    def remedy(self, *asked, **more):
        """Return what is advised where the check does not hold."""
        with pytest.raises(RequestError) as caught:
            self.built(*asked, **more)
        assert caught.value.reason is Reason.VerificationFailed
        return caught.value.remedy


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
def test_the_atol_that_a_failed_check_prints_builds(precision, tmp_path):
    asked = Asked(product(), tmp_path)
    found = re.search(r"\(atol (\S+) would let it pass\)", asked.remedy(precision, NARROW))

    assert asked.built(precision, {**NARROW, "atol": float(found[1])})


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
def test_the_quantile_that_a_failed_check_prints_builds_and_so_does_the_atol(precision, tmp_path):
    asked, check = Asked(product(largest=1000.0), tmp_path), {"rtol": 0.0, "atol": 0.25}
    found = re.search(r"\(atol (\S+) or quantile (\S+) would let it pass\)", asked.remedy(precision, check))

    assert asked.built(precision, {**check, "quantile": float(found[2])})
    assert asked.built(precision, {**check, "atol": float(found[1])})


@pytest.mark.parametrize(("narrow", "wide"), [("fp16", "fp32"), ("bf16", "fp16"), ("int8", "fp16")])
def test_a_wider_precision_builds_where_a_narrow_one_is_held_back(narrow, wide, tmp_path):
    asked = Asked(product(), tmp_path)
    check = NARROW if wide == "fp32" else {"rtol": 0.005, "atol": 0.005}

    assert "use a wider precision" in asked.remedy(narrow, check)
    assert asked.built(wide, check)


def test_better_calibration_data_builds_where_other_data_is_held_back(tmp_path):
    asked = Asked(product(), tmp_path)

    assert " better calibration data," in asked.remedy("int8", USUAL, measured_on=0.1)
    assert asked.built("int8", USUAL)


def test_a_classifier_whose_answers_may_change_builds_with_the_agreement_that_was_named(tmp_path):
    asked = Asked(product(then="Softmax"), tmp_path)
    wide = {"rtol": 1.0, "atol": 1.0}

    remedy = asked.remedy("int8", wide, measured_on=0.1)
    assert "a tolerance and verification.accuracy.agreement that the task allows" in remedy
    assert asked.built("int8", {**wide, "agreement": 0.5}, measured_on=0.1)


def test_better_data_or_a_wider_precision_builds_where_no_tolerance_would_do(tmp_path):
    asked, check = Asked(product(largest=1000.0, then="Relu"), tmp_path), {"rtol": 0.1, "atol": 50.0}

    remedy = asked.remedy("int8", check, measured_on=0.1)
    assert remedy == "use a wider precision or better calibration data"
    assert asked.built("fp16", check)
    assert asked.built("int8", check)
