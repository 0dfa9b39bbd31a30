"""What a refusal of a real model says would work is done to that model, and then it is built."""

from itertools import count

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from accuracy_checks.cpu import checked_build
from ignition_builder.pipeline import build
from ignition_builder.verifying.session import session_of
from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.identity import ShapeRange
from realmodels import SILERO, unpacked
from realzoo.attempt import attempted
from realzoo.catalogue import CASES
from realzoo.outcome import ENGINES, REFUSED
from realzoo.samples import CHECK, held_out, written
from realzoo.supplies import model_of, supplies_of
from smallmodels import request_for

pytestmark = pytest.mark.timeout(300)

TWO_RATES = "silero_vad/data/silero_vad.onnx"


def test_a_network_of_molecules_builds_once_its_sums_and_its_max_are_written_as_advised(tmp_path):
    case = next(case for case in CASES if case.name == "minimol")
    (tmp_path / "fp32").mkdir()
    written(case, supplies_of(case), tmp_path)
    refused = attempted(case, "fp32", tmp_path / "fp32")
    assert refused["verdict"] == REFUSED
    assert "write a sum as a product" in refused["remedy"]

    request = request_for("fp32", "sm_89", profiles=case.profiles, timeout_seconds=240)
    came = onnx.load(model_of(case))
    onnx.save(rewritten(came, "add"), tmp_path / "sums.onnx")
    with pytest.raises(RequestError, match="no reduction 'max'") as caught:
        build(request, tmp_path / "sums.onnx", tmp_path, lambda *_: None)
    assert "ReduceMax(Where(Unsqueeze(Equal(" in caught.value.remedy

    model = rewritten(rewritten(came, "add"), "max")
    onnx.save(model, tmp_path / "all.onnx")
    with np.load(tmp_path / CHECK) as file:
        sample = {name: file[name] for name in file.files}
    wanted, got = (session_of(one).run(None, sample) for one in (came, model))
    assert all(np.allclose(one, other, rtol=1e-4, atol=1e-5) for one, other in zip(wanted, got, strict=True))
    assert build(request, tmp_path / "all.onnx", tmp_path, lambda *_: None).size > 0


def test_an_audio_front_end_that_fp16_loses_is_offered_no_tolerance_and_builds_wider(tmp_path):
    case = next(case for case in CASES if case.name == "oww-melspec")
    written(case, supplies_of(case), tmp_path)
    found = {}
    for precision in ("fp16", "fp32"):
        (tmp_path / precision).mkdir()
        found[precision] = attempted(case, precision, tmp_path / precision)

    assert "of them not finite" in found["fp16"]["message"]
    assert found["fp16"]["remedy"] == "use a wider precision"
    assert found["fp32"]["verdict"] in ENGINES


def test_a_scaled_network_builds_alone_and_with_the_scaler_before_it_says_the_same(tmp_path):
    case = next(case for case in CASES if case.name == "surfaces-knn")
    (tmp_path / "fp16").mkdir()
    written(case, supplies_of(case), tmp_path)
    refused = attempted(case, "fp16", tmp_path / "fp16")
    assert refused["remedy"] == "export the network alone, and do the rest before or after it"

    came = onnx.load(model_of(case))
    scaled = helper.make_tensor_value_info("variable1", TensorProto.FLOAT, ["n", 4])
    came.graph.value_info.append(scaled)
    onnx.save(came, tmp_path / "came.onnx")
    for name, first, last in (("scaler", "input", "variable1"), ("alone", "variable1", "variable")):
        onnx.utils.extract_model(
            tmp_path / "came.onnx", tmp_path / f"{name}.onnx", [first], [last], check_model=False
        )
    sample = {"input": held_out(tmp_path)[0]["input"]}
    (before,) = session_of(tmp_path / "scaler.onnx").run(None, sample)
    (got,) = session_of(tmp_path / "alone.onnx").run(None, {"variable1": before})
    assert np.array_equal(got, session_of(model_of(case)).run(None, sample)[0])
    shapes = {"variable1": case.profiles[0].shapes["input"]}
    for precision in ("fp32", "fp16"):
        request = request_for(precision, "sm_89", profiles=[shapes])
        assert build(request, tmp_path / "alone.onnx", tmp_path, lambda *_: None).size > 0


def test_a_voice_detector_exported_without_branches_builds_where_branches_are_not_placed(tmp_path):
    sizes = {"input": (1, 576), "state": (2, 1, 128)}
    fixed = {name: ShapeRange(size, size, size) for name, size in sizes.items()}
    request, came = request_for("fp16", "sm_89", profiles=[fixed]), unpacked(SILERO) / TWO_RATES
    with pytest.raises(RequestError) as refused:
        build(request, came, tmp_path, lambda *_: None)
    assert refused.value.remedy.endswith("or export it without branches")

    found = checked_build("silero-vad", "fp16", tmp_path)
    assert (found.reason, found.size > 0) == ("", True)


def rewritten(model, reduction):
    """Return a model with other nodes in the place of each ScatterElements with this reduction."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:]
    for node in model.graph.node:
        reductions = [item.s.decode() for item in node.attribute if item.name == "reduction"]
        result.graph.node.extend(_as_advised(node, reduction) if reduction in reductions else [node])
    return result


def _as_advised(node, reduction):
    """Return what puts the values together whose rows have one index; all rows of an index are alike here."""
    data, index, values = node.input
    made = (f"{node.output[0]}.{number}" for number in count())

    def one(operator, *inputs, **attributes):
        nodes.append(helper.make_node(operator, list(inputs), [next(made)], **attributes))
        return nodes[-1].output[0]

    def constant(value, kind):
        return one("Constant", value=numpy_helper.from_array(np.array(value, kind)))

    nodes = []
    many = one("Shape", index, start=0, end=1)
    rows = one("Reshape", index, one("Concat", many, constant([-1], np.int64), axis=0))
    first = one("Gather", rows, constant(0, np.int64), axis=1)
    places = one("Shape", data, start=0, end=1)
    numbers = one("Range", constant(0, np.int64), one("Squeeze", places), constant(1, np.int64))
    picked = one("Equal", one("Unsqueeze", numbers, constant([1], np.int64)), first)
    if reduction == "add":
        one("Add", data, one("MatMul", one("Cast", picked, to=TensorProto.FLOAT), values))
    else:
        mask = one("Unsqueeze", picked, constant([2], np.int64))
        masked = one("Where", mask, values, constant(-np.inf, np.float32))
        one("Max", data, one("ReduceMax", masked, constant([1], np.int64), keepdims=0))
    nodes[-1].output[0] = node.output[0]
    return nodes
