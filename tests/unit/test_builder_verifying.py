"""The accuracy gate over real conversions, run by onnxruntime."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.arrays import load_arrays
from ignition_builder.checking.inspection import facts_of
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.report import Report
from ignition_builder.verifying import stage as verifying
from ignition_builder.work import AS_IS, CONVERTED, STRONG, VERIFY, Prepared, Task, Verified
from ignition_hub.engine.errors import RequestError
from smallmodels import dense, model_of, request_for, saved

GATE = {"accuracy": {"against": "onnxruntime", "rtol": 5e-3, "atol": 5e-3}}


@pytest.fixture
def verified(tmp_path):
    """Return what verifies ``model`` against ``converted`` and gives the Verified."""

    def run(model, converted, precision="fp16", gates=GATE, files=None):
        path = saved(model, tmp_path)
        target = path if converted is None else saved(converted, tmp_path, "converted.onnx")
        task = Task(
            stage=VERIFY,
            request=request_for(precision, verification=gates),
            model=str(path),
            folder=str(tmp_path),
            log=str(tmp_path / "log"),
            files=files or Files(),
            prepared=Prepared(
                path=str(target),
                facts=facts_of(model),
                converter={"path": AS_IS if converted is None else CONVERTED},
                typing=STRONG,
                profiles=(),
                warnings=(),
                peak_memory_bytes=0,
            ),
        )
        with Journal(tmp_path / "log") as journal, (tmp_path / "answers").open("wb") as answers:
            answer = verifying.run(task, Report(answers.fileno()), journal)
        return Verified.from_json(json.loads(json.dumps(answer)))

    return run


def narrowed(model, kind):
    """Cast ``dense`` by hand: everything between its input and its output is of ``kind``."""
    weight = numpy_helper.to_array(model.graph.initializer[0])
    nodes = [
        helper.make_node("Cast", ["x"], ["x16"], to=kind),
        helper.make_node("MatMul", ["x16", "w"], ["h"], name="fc"),
        helper.make_node("Relu", ["h"], ["y16"], name="act"),
        helper.make_node("Cast", ["y16"], ["y"], to=TensorProto.FLOAT),
    ]
    tensor = helper.make_tensor("w", kind, weight.shape, weight.flatten().tolist())
    return model_of(nodes, {"x": [2, 64]}, {"y": [2, 64]}, weights=[tensor], opset=22)


@pytest.mark.parametrize(
    ("kind", "precision"), [(TensorProto.FLOAT16, "fp16"), (TensorProto.BFLOAT16, "bf16")]
)
def test_an_honest_conversion_passes_and_its_figures_are_recorded(verified, kind, precision):
    model = dense()
    found = verified(model, narrowed(model, kind), precision)
    assert found.checked == "model"
    (figures,) = found.accuracy["outputs"]
    assert (figures["output"], figures["values"], figures["outside"]) == ("y", 128, 0)
    assert 0 < figures["maxAbsolute"] < 5e-3
    assert found.accuracy["inputs"] == "drawn"
    assert found.accuracy["against"].startswith("onnxruntime ")


def test_bf16_is_rounded_as_bf16_and_not_computed_in_fp32(verified):
    model = dense()
    wide = verified(model, narrowed(model, TensorProto.FLOAT16), "fp16").accuracy["outputs"][0]
    narrow = verified(model, narrowed(model, TensorProto.BFLOAT16), "bf16").accuracy["outputs"][0]
    assert narrow["maxAbsolute"] > 2 * wide["maxAbsolute"]


def test_a_broken_conversion_is_caught_and_named(verified):
    model = dense()
    broken = narrowed(model, TensorProto.FLOAT16)
    weight = numpy_helper.to_array(broken.graph.initializer[0]).copy()
    weight[:, 7] = 1.0
    broken.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, "w"))
    with pytest.raises(
        RequestError, match=r"the fp16 model differs .*output y: \d+ of 128 .* at \[\d, 7\]"
    ) as e:
        verified(model, broken)
    assert e.value.reason == "VerificationFailed"
    assert e.value.exit_code == 17


def test_a_model_compiled_as_it_came_is_run_and_equals_itself(verified):
    found = verified(dense(), None, "fp32")
    assert found.checked == "model"
    assert found.accuracy["outputs"][0]["maxAbsolute"] == 0.0


def test_the_users_own_inputs_are_used(verified, tmp_path):
    np.savez(tmp_path / "inputs.npz", x=np.zeros((2, 64), np.float32))
    found = verified(dense(), None, files=Files(inputs=tmp_path / "inputs.npz"))
    assert found.accuracy["inputs"] == "given"


def test_an_operator_onnxruntime_lacks_ends_the_gate_with_a_reason(verified):
    nodes = [helper.make_node("Own", ["x"], ["y"], domain="acme", name="own")]
    model = model_of(nodes, {"x": [1]}, {"y": [1]}, domains=["acme"])
    with pytest.raises(RequestError, match=r"onnxruntime cannot run the model on the CPU .*acme"):
        verified(model, None)


def test_a_benchmark_without_a_gpu_is_refused(verified):
    with pytest.raises(
        RequestError, match=r"verification\.benchmark: the engine cannot be run where it is built"
    ) as failure:
        verified(dense(), None, gates={"benchmark": {"seconds": 1}})
    assert failure.value.reason == "UnsupportedOption"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"not a zip", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_a_file_that_is_no_npz_is_refused_with_the_field(tmp_path, data, words):
    (tmp_path / "file.npz").write_bytes(data)
    with pytest.raises(RequestError, match=words) as failure:
        load_arrays(tmp_path / "file.npz", "options.calibration.source")
    assert failure.value.message.startswith("options.calibration.source: ")


def test_arrays_of_python_objects_or_without_finite_numbers_are_refused(tmp_path):
    path = tmp_path / "file.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(RequestError, match=r"cannot be read .*pickle"):
        load_arrays(path, "w")
    np.savez(path, x=np.array([1.0, np.nan]))
    with pytest.raises(RequestError, match="array x holds values that are not finite"):
        load_arrays(path, "w")
    np.savez(path)
    with pytest.raises(RequestError, match="holds no arrays"):
        load_arrays(path, "w")
    np.savez(path, x=np.arange(3))
    assert load_arrays(path, "w")["x"].tolist() == [0, 1, 2]


def test_emulation_leaves_the_types_of_inputs_and_outputs(tmp_path):
    model = narrowed(dense(), TensorProto.BFLOAT16)
    emulated = onnx.load(verifying.emulated(saved(model, tmp_path), tmp_path))
    onnx.checker.check_model(emulated, full_check=True)
    assert [value.name for value in emulated.graph.output] == ["y"]
    kinds = {node.op_type for node in emulated.graph.node}
    assert kinds == {"Cast", "MatMul", "Relu"}


def test_a_model_that_gives_no_number_itself_passes_no_gate(verified):
    nodes = [helper.make_node("Abs", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["b"])]
    nodes += [helper.make_node("Log", ["b"], ["y"])]
    model = model_of(nodes, {"x": [2, 3]}, {"y": [2, 3]})

    with pytest.raises(RequestError, match="nothing to compare") as caught:
        verified(model, None)
    assert "verification.accuracy.inputs" in caught.value.remedy
