"""Trained networks keep their answers in narrow precisions, and a conversion that does not is caught."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from accuracy_checks.cpu import checked_build
from accuracy_checks.inputs import INPUTS, written
from accuracy_checks.request import request_of
from ignition_builder.checking.inspection import facts_of, load_checked
from ignition_builder.documents import AS_IS, CONVERTED, QUANTIZED, STRONG, VERIFY, Prepared, Task
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.pipeline import build
from ignition_builder.report import Report
from ignition_builder.verifying import stage as verifying
from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.identity import ShapeRange
from realmodels import MODELS, SILERO, real_model, unpacked
from smallmodels import request_for

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("name", ["magika", "silero-vad"])
@pytest.mark.parametrize(("kind", "path"), [("fp16", CONVERTED), ("bf16", CONVERTED), ("int8", QUANTIZED)])
def test_a_trained_network_passes_its_check(name, kind, path, tmp_path):
    found = checked_build(name, kind, tmp_path)
    assert found.reason == ""
    assert found.path == path
    assert found.largest is not None
    assert 0.0 < found.largest < 0.1


def test_a_network_built_as_it_came_is_not_compared_with_itself(tmp_path):
    found = checked_build("magika", "fp32", tmp_path)
    assert (found.reason, found.path, found.largest) == ("", AS_IS, None)


def test_a_network_too_large_for_int8s_steps_is_held_back_with_figures(tmp_path):
    found = checked_build("ppocr-det", "int8", tmp_path)
    assert found.reason.startswith(
        "VerificationFailed: the int8 model differs from the model beyond rtol 0.1"
    )
    assert "of 102400 values are out of tolerance" in found.reason
    assert not list(tmp_path.glob("*.trt"))


@pytest.mark.parametrize("kind", ["fp32", "fp16", "bf16", "int8"])
def test_branches_that_shapes_decide_are_taken_and_the_network_is_compared_with_what_came(kind, tmp_path):
    found = checked_build("silero-vad-if", kind, tmp_path)
    assert found.reason == ""
    assert found.size
    assert found.largest is not None


PLACED = "this TensorRT does not place the model's branches"
FIXED = {"input": ShapeRange(*[(1, 576)] * 3), "state": ShapeRange(*[(2, 1, 128)] * 3)}


def test_branches_that_a_rate_decides_build_once_it_is_a_constant(tmp_path):
    came, request = (
        unpacked(SILERO) / "silero_vad/data/silero_vad.onnx",
        request_for("fp32", "sm_89", profiles=[FIXED]),
    )
    with pytest.raises(RequestError, match="cannot build fp32") as refused:
        build(request, came, tmp_path, lambda phase, part: None)
    assert PLACED in refused.value.remedy
    assert "such as a rate that is given, a constant of the model" in refused.value.remedy

    model = onnx.load(came)
    (rate,) = (item for item in model.graph.input if item.name == "sr")
    model.graph.input.remove(rate)
    model.graph.initializer.append(numpy_helper.from_array(np.array(16000, dtype=np.int64), "sr"))
    onnx.save(model, tmp_path / "fixed.onnx")
    built = build(request, tmp_path / "fixed.onnx", tmp_path, lambda phase, part: None)
    assert built.path.stat().st_size == built.size


def test_a_conversion_that_loses_half_a_kernel_is_caught(tmp_path):
    checked_build("magika", "fp16", tmp_path)
    broken = onnx.load(tmp_path / "fp16.onnx")
    kernel = max(broken.graph.initializer, key=lambda tensor: int(np.prod(tensor.dims)))
    values = numpy_helper.to_array(kernel).copy()
    values[:, : values.shape[1] // 2] = 0.0
    kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))
    onnx.save(broken, tmp_path / "fp16.onnx")

    with pytest.raises(
        RequestError, match=r"the fp16 model differs .* output target_label: \d+ of 214"
    ) as caught:
        verified("magika", tmp_path / "fp16.onnx", tmp_path)
    assert caught.value.exit_code == 17


def verified(name, converted, folder):
    """Run the third stage alone, over a conversion that is given."""
    path = real_model(name)
    task = Task(
        stage=VERIFY,
        request=request_of(name, "fp16"),
        model=str(path),
        folder=str(folder),
        log=str(folder / "log"),
        files=Files(inputs=written(name, folder / "inputs.npz", INPUTS)),
        prepared=Prepared(
            path=str(converted),
            facts=facts_of(load_checked(path)),
            converter={"path": CONVERTED},
            typing=STRONG,
            profiles=MODELS[name].profiles,
            warnings=(),
            peak_memory_bytes=0,
        ),
    )
    with Journal(folder / "log") as journal, (folder / "answers").open("wb") as answers:
        return verifying.run(task, Report(answers.fileno()), journal)
